/* Importing checks: match, apply, compare, and store what is different. */
#include "transfer/import.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "transfer/transfer.h"

enum { CHANGES_MAX = 64 };

const char *import_action_name(enum import_action action)
{
    static const char *const names[] = {"create", "update", "unchanged", "error"};
    return names[action];
}

void import_report_done(struct import_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        json_decref(report->lines[i].errors);
    *report = (struct import_report){0};
}

/* What the work needs besides the request. */
struct plan {
    const struct import_request *in;
    struct import_report *report;
    struct channel_names channels;
    struct check_key *keys; /* of checks that may be meant */
    size_t key_count;
    struct check *before, *after; /* a pair a line */
    json_t **inputs;              /* what the checks borrow their texts from; freed with the plan */
    json_t *seen;                 /* keys of the file: each may come once */
};

static void plan_done(struct plan *p)
{
    for (size_t i = 0; p->inputs && i < json_array_size(p->in->doc->checks); i++)
        json_decref(p->inputs[i]);
    json_decref(p->seen);
}

/* --- which check is meant --- */

static enum status load_keys(struct plan *p)
{
    size_t n = json_array_size(p->in->doc->checks);
    const char **names = arena_array(p->in->arena, MAX_OF(n, (size_t)1), sizeof(*names));
    const char **ids = arena_array(p->in->arena, MAX_OF(n, (size_t)1), sizeof(*ids));
    size_t i = 0;
    const json_t *entry = NULL;
    if (!names || !ids)
        return ST_NO_MEMORY;
    json_array_foreach (p->in->doc->checks, i, entry) {
        const json_t *check = json_object_get(entry, "check");
        names[i] = json_string_value(json_object_get(check, "name"));
        ids[i] = json_string_value(json_object_get(check, "external_id"));
    }
    return checks_find_keys(p->in->db, p->in->arena, p->in->org_id, names, ids, n, &p->keys,
                            &p->key_count);
}

/* ST_NOT_FOUND: a new one. */
static enum status find(const struct plan *p, const struct check_in *in, struct uuid *out,
                        struct field_errors *errors)
{
    bool by_id = in->external_id.set && !in->external_id.null;
    size_t found = 0;
    for (size_t i = 0; i < p->key_count; i++) {
        const struct check_key *k = &p->keys[i];
        if (by_id ? !str_eq(k->external_id, in->external_id.v) : !str_eq(k->name, in->name.v))
            continue;
        *out = k->id;
        found++;
    }
    if (found > 1) {
        field_errors_add(errors, "body", "name", "value_error",
                         "%zu checks have this name: give them external_ids", found);
        return ST_INVALID;
    }
    return found == 1 ? ST_OK : ST_NOT_FOUND;
}

static enum status once(struct plan *p, const struct check_in *in, struct field_errors *errors)
{
    bool by_id = in->external_id.set && !in->external_id.null;
    AUTO_JSON key = by_id ? json_sprintf("i:%s", in->external_id.v)
                          : json_sprintf("n:%s", in->name.v);
    if (!key)
        return ST_NO_MEMORY;
    if (json_object_get(p->seen, json_string_value(key))) {
        field_errors_add(errors, "body", by_id ? "external_id" : "name", "value_error",
                         "an earlier check of the file has the same");
        return ST_INVALID;
    }
    return json_object_set_new(p->seen, json_string_value(key), json_true()) == 0 ? ST_OK
                                                                                  : ST_NO_MEMORY;
}

/* --- reading one --- */

/* Names of channels become their ids, as the table of fields wants them. */
static enum status resolve_channels(const struct plan *p, json_t *check,
                                    struct field_errors *errors)
{
    json_t *list = json_object_get(check, "channels");
    size_t i = 0;
    const json_t *name = NULL;
    AUTO_JSON ids = json_array();
    if (!json_is_array(list))
        return ST_OK;
    json_array_foreach (list, i, name) {
        const char *text = json_string_value(name);
        const struct uuid *id = text ? channel_id_of(&p->channels, text) : NULL;
        char id_text[UUID_TEXT_BYTES];
        if (!id) {
            field_errors_add(errors, "body", "channels", "value_error", "there is no channel %.64s",
                             text ? text : "(no text)");
            return ST_INVALID;
        }
        uuid_format(id, id_text);
        if (json_array_append_new(ids, json_string(id_text)) != 0)
            return ST_NO_MEMORY;
    }
    return json_object_set(check, "channels", ids) == 0 ? ST_OK : ST_NO_MEMORY;
}

/* A placeholder means the secret that is there; without one it means nothing. */
static enum status resolve_secrets(const struct plan *p, const struct check *before,
                                   const struct check_in *in, struct field_errors *errors)
{
    const struct check_kind *kind = check_kind_find(in->plugin_type.v);
    AUTO_JSON kept = NULL;
    if (!kind || !in->config.set)
        return ST_OK;
    if (before && str_eq(before->kind, kind->name))
        TRY(check_secrets(before, p->in->seal, p->in->arena, &kept));
    for (size_t i = 0; i < kind->config->count; i++) {
        const struct field *f = &kind->config->fields[i];
        const char *given = json_string_value(json_object_get(in->config.v, f->name));
        if (!(f->flags & F_SECRET) || !str_eq(given, TRANSFER_SECRET))
            continue;
        if (!json_object_get(kept, f->name)) {
            char name[80];
            (void)snprintf(name, sizeof(name), "config.%s", f->name);
            field_errors_add(errors, "body", name, "value_error",
                             "a placeholder, and there is no secret to keep: give its value");
            return ST_INVALID;
        }
        (void)json_object_del(in->config.v, f->name);
    }
    return ST_OK;
}

/* --- comparing --- */

static enum status text_of(struct arena *arena, const json_t *value, const char **out)
{
    *out = NULL;
    if (!value || json_is_null(value))
        return ST_OK;
    AUTO_FREE char *text = json_dumps(value,
                                      JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
    *out = text ? arena_strdup(arena, text) : NULL;
    return *out ? ST_OK : ST_NO_MEMORY;
}

static enum status add_change(struct arena *arena, struct import_line *line, const char *prefix,
                              const char *name, const json_t *before, const json_t *after)
{
    bool none = (!before || json_is_null(before)) && (!after || json_is_null(after));
    struct import_change *list = (struct import_change *)(uintptr_t)line->changes;
    if (none || (before && after && json_equal(before, after)) || line->change_count == CHANGES_MAX)
        return ST_OK;
    struct import_change change = {.field = arena_printf(arena, "%s%s", prefix, name)};
    TRY(text_of(arena, before, &change.before));
    TRY(text_of(arena, after, &change.after));
    list[line->change_count++] = change;
    return change.field ? ST_OK : ST_NO_MEMORY;
}

/* Members of either; of the configuration, each of its own. */
static enum status compare(struct arena *arena, struct import_line *line, const char *prefix,
                           const json_t *before, const json_t *after)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach ((json_t *)(uintptr_t)after, name, value) {
        if (!prefix[0] && str_eq(name, "config"))
            continue;
        TRY(add_change(arena, line, prefix, name, json_object_get(before, name), value));
    }
    json_object_foreach ((json_t *)(uintptr_t)before, name, value) {
        if (!json_object_get(after, name))
            TRY(add_change(arena, line, prefix, name, value, NULL));
    }
    return ST_OK;
}

/* Placeholders are equal where secrets are not. */
static enum status compare_secrets(const struct plan *p, struct import_line *line,
                                   const struct check *before, const struct check *after)
{
    AUTO_JSON old = NULL;
    AUTO_JSON new = NULL;
    TRY(check_secrets(before, p->in->seal, p->in->arena, &old));
    TRY(check_secrets(after, p->in->seal, p->in->arena, &new));
    struct import_change *list = (struct import_change *)(uintptr_t)line->changes;
    if (json_equal(old, new) || json_object_size(old) != json_object_size(new) ||
        line->change_count == CHANGES_MAX)
        return ST_OK; /* what comes or goes shows in the configuration */
    list[line->change_count++] = (struct import_change){
        .field = "config", .before = "\"" TRANSFER_SECRET "\"", .after = "\"" TRANSFER_SECRET "\""};
    return ST_OK;
}

static enum status diff(const struct plan *p, struct import_line *line, const struct check *before,
                        const struct check *after)
{
    struct arena *arena = p->in->arena;
    AUTO_JSON old = NULL;
    AUTO_JSON new = NULL;
    TRY(check_to_json(before, &p->channels, p->in->seal, arena, &old));
    TRY(check_to_json(after, &p->channels, p->in->seal, arena, &new));
    line->changes = arena_array(arena, CHANGES_MAX, sizeof(*line->changes));
    if (!line->changes)
        return ST_NO_MEMORY;
    TRY(compare(arena, line, "", old, new));
    TRY(compare(arena, line, "config.", json_object_get(old, "config"),
                json_object_get(new, "config")));
    TRY(compare_secrets(p, line, before, after));
    line->action = line->change_count > 0 ? IMPORT_UPDATE : IMPORT_SAME;
    return ST_OK;
}

/* --- planning --- */

static enum status plan_check(struct plan *p, size_t i, struct import_line *line, json_t *check,
                              struct field_errors *errors)
{
    const struct import_request *in = p->in;
    struct check_in *given = arena_alloc(in->arena, sizeof(*given));
    if (!given)
        return ST_NO_MEMORY;
    TRY(resolve_channels(p, check, errors));
    TRY(schema_bind(&check_create_schema, check, in->arena, given, errors));
    TRY(once(p, given, errors));
    enum status st = find(p, given, &line->check_id, errors);
    bool is_new = st == ST_NOT_FOUND;
    if (!is_new)
        TRY(st);
    if (!is_new)
        TRY(checks_get_within(in->db, in->arena, in->org_id, &line->check_id, &p->before[i]));
    TRY(resolve_secrets(p, is_new ? NULL : &p->before[i], given, errors));
    p->after[i] = is_new ? check_input_default() : p->before[i];
    st = check_input_apply(given, in->seal, in->arena, &p->after[i], errors);
    if (st == ST_UNAVAILABLE) {
        field_errors_add(errors, "body", "config", "value_error",
                         "it has a secret, and there is no TOCSIN_SECRET_KEY to seal it with");
        return ST_INVALID;
    }
    TRY(st);
    line->action = IMPORT_CREATE;
    return is_new ? ST_OK : diff(p, line, &p->before[i], &p->after[i]);
}

static enum status plan_line(struct plan *p, size_t i, const json_t *entry)
{
    struct import_line *line = &p->report->lines[i];
    struct arena *arena = p->in->arena;
    json_t *check = p->inputs[i] = json_deep_copy(json_object_get(entry, "check"));
    if (!check)
        return ST_NO_MEMORY;
    *line = (struct import_line){
        .name = arena_strdup(arena, json_string_value(json_object_get(check, "name"))),
        .external_id = arena_strdup(arena,
                                    json_string_value(json_object_get(check, "external_id"))),
        .notes = json_object_get(entry, "notes"),
    };
    AUTO_FIELD_ERRORS errors = {0};
    enum status st = plan_check(p, i, line, check, &errors);
    if (st == ST_INVALID && errors.list) {
        line->action = IMPORT_ERROR;
        line->errors = take(&errors.list);
        st = ST_OK;
    }
    if (st == ST_OK)
        p->report->by_action[line->action]++;
    return st;
}

/* --- storing --- */

static enum status write_line(const struct plan *p, size_t i)
{
    const struct import_request *in = p->in;
    struct import_line *line = &p->report->lines[i];
    if (line->action == IMPORT_CREATE) {
        TRY(checks_insert_within(in->db, in->arena, in->org_id, in->user_id, &p->after[i]));
        line->check_id = p->after[i].id;
    }
    if (line->action == IMPORT_UPDATE)
        TRY(checks_replace_within(in->db, in->arena, in->org_id, &p->before[i], &p->after[i]));
    return ST_OK;
}

static enum status run_in_transaction(struct db *db, void *arg)
{
    struct plan *p = arg;
    size_t n = json_array_size(p->in->doc->checks);
    size_t i = 0;
    const json_t *entry = NULL;
    /* A second try begins anew. */
    for (i = 0; i < n; i++) {
        json_decref(p->inputs[i]);
        p->inputs[i] = NULL;
        json_decref(p->report->lines[i].errors);
        p->report->lines[i].errors = NULL;
    }
    (void)json_object_clear(p->seen);
    memset(p->report->by_action, 0, sizeof(p->report->by_action));
    p->report->is_applied = false;

    TRY(checks_import_lock(db, p->in->arena, p->in->org_id));
    TRY(channel_names_load(db, p->in->arena, p->in->org_id, &p->channels));
    TRY(load_keys(p));
    json_array_foreach (p->in->doc->checks, i, entry)
        TRY(plan_line(p, i, entry));
    if (p->in->is_dry || (p->in->is_atomic && p->report->by_action[IMPORT_ERROR] > 0))
        return ST_OK;
    for (i = 0; i < n; i++)
        TRY(write_line(p, i));
    p->report->is_applied = true;
    return ST_OK;
}

enum status import_run(const struct import_request *in, struct import_report *out)
{
    size_t n = json_array_size(in->doc->checks);
    size_t room = MAX_OF(n, (size_t)1);
    struct import_report report = {.lines = arena_array(in->arena, room, sizeof(*report.lines)),
                                   .count = n};
    CLEANUP(plan_done)
    struct plan p = {
        .in = in,
        .report = &report,
        .before = arena_array(in->arena, room, sizeof(*p.before)),
        .after = arena_array(in->arena, room, sizeof(*p.after)),
        .inputs = arena_array(in->arena, room, sizeof(json_t *)),
        .seen = json_object(),
    };
    if (!report.lines || !p.before || !p.after || !p.inputs || !p.seen)
        return ST_NO_MEMORY;
    enum status st = db_transact(in->db, run_in_transaction, &p);
    if (st != ST_OK) {
        import_report_done(&report);
        return st;
    }
    *out = report;
    return ST_OK;
}
