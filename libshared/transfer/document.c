/* Files that checks come from: which format, and our own. */
#include "transfer/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "json/parse.h"
#include "json/yaml.h"

enum { VERSION = 1 };

const char *const import_format_names[] = {"auto", "tocsin", "uptime-kuma", "gatus", NULL};

void import_doc_done(struct import_doc *doc)
{
    json_decref(doc->checks);
    json_decref(doc->skipped);
    json_decref(doc->notes);
    *doc = (struct import_doc){0};
}

json_t *import_add(struct import_doc *doc)
{
    AUTO_JSON entry = json_pack("{s:{},s:[]}", "check", "notes");
    return entry && json_array_append(doc->checks, entry) == 0 ? entry : NULL;
}

enum status import_note(json_t *list, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    /* What was cut in the middle of a letter is no text. */
    json_t *note = json_string(text);
    for (size_t len = strlen(text); !note && len > 0; note = json_string(text))
        text[--len] = '\0';
    return json_array_append_new(list, note) == 0 ? ST_OK : ST_NO_MEMORY;
}

enum status import_skip(struct import_doc *doc, const char *name, const char *type,
                        const char *reason)
{
    json_t *entry = json_pack("{s:s,s:s,s:s}", "name", name ? name : "?", "type", type ? type : "?",
                              "reason", reason);
    return entry && json_array_append_new(doc->skipped, entry) == 0 ? ST_OK : ST_NO_MEMORY;
}

/* --- our own --- */

/* A replacement for a number where a text is meant; NULL: it is none, or no memory. */
static json_t *as_text(const json_t *value)
{
    return json_is_integer(value) ? json_sprintf("%lld", (long long)json_integer_value(value))
                                  : NULL;
}

/* Who writes `schedule: 5` or `name: 404` into YAML means the text. */
static enum status mend_numbers(json_t *check)
{
    static const char *const texts[] = {"name", "external_id", "schedule", "retry_interval",
                                        "group"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const json_t *value = json_object_get(check, texts[i]);
        if (json_is_integer(value) && json_object_set_new(check, texts[i], as_text(value)) != 0)
            return ST_NO_MEMORY;
    }
    json_t *tags = json_object_get(check, "tags");
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const json_t *value = json_array_get(tags, i);
        if (json_is_integer(value) && json_array_set_new(tags, i, as_text(value)) != 0)
            return ST_NO_MEMORY;
    }
    return ST_OK;
}

static enum status tocsin_read(const json_t *file, struct import_doc *doc, struct errbuf *err)
{
    const json_t *version = json_object_get(file, "version");
    const json_t *list = json_object_get(file, "checks");
    const char *name = NULL;
    json_t *value = NULL;
    if (version && (!json_is_integer(version) || json_integer_value(version) != VERSION))
        return err_set(err, ST_INVALID, "version is not %d", VERSION);
    if (!json_is_array(list))
        return err_set(err, ST_INVALID, "checks is not a list");
    json_object_foreach ((json_t *)(uintptr_t)file, name, value) {
        if (!str_eq(name, "version") && !str_eq(name, "checks"))
            TRY(import_note(doc->notes, "%.64s is not read: only version and checks are", name));
    }
    size_t i = 0;
    json_array_foreach (list, i, value) {
        json_t *entry = import_add(doc);
        if (!json_is_object(value))
            return err_set(err, ST_INVALID, "checks[%zu] is not a mapping", i);
        if (!entry || json_object_set_new(entry, "check", json_deep_copy(value)) != 0)
            return ST_NO_MEMORY;
        TRY(mend_numbers(json_object_get(entry, "check")));
    }
    return ST_OK;
}

/* --- which --- */

static enum import_format detect(const json_t *file)
{
    if (json_object_get(file, "monitorList"))
        return IMPORT_UPTIME_KUMA;
    if (json_object_get(file, "endpoints") && !json_object_get(file, "checks"))
        return IMPORT_GATUS;
    return json_object_get(file, "checks") ? IMPORT_TOCSIN : IMPORT_AUTO;
}

static enum status parse(const char *text, size_t len, json_t **out, struct errbuf *err)
{
    size_t i = 0;
    while (i < len && strchr(" \t\r\n", text[i]))
        i++;
    /* Of braces and brackets JSON's reader knows better what is wrong. */
    if (i < len && (text[i] == '{' || text[i] == '['))
        return json_parse(text, len, out, err);
    return yaml_parse(text, len, out, err);
}

static enum status read_as(const json_t *file, struct import_doc *doc, struct errbuf *err)
{
    switch (doc->format) {
    case IMPORT_TOCSIN:
        return tocsin_read(file, doc, err);
    case IMPORT_UPTIME_KUMA:
        return kuma_read(file, doc, err);
    case IMPORT_GATUS:
        return gatus_read(file, doc, err);
    case IMPORT_AUTO:
    default:
        return err_set(
            err, ST_INVALID,
            "neither checks (Tocsin) nor monitorList (Uptime Kuma) nor endpoints (Gatus) "
            "is in it");
    }
}

enum status import_read(const char *text, size_t len, enum import_format format,
                        struct import_doc *out, struct errbuf *err)
{
    AUTO_JSON file = NULL;
    TRY(parse(text, len, &file, err));
    AUTO_IMPORT_DOC doc = {.format = format == IMPORT_AUTO ? detect(file) : format,
                           .checks = json_array(),
                           .skipped = json_array(),
                           .notes = json_array()};
    if (!doc.checks || !doc.skipped || !doc.notes)
        return ST_NO_MEMORY;
    if (!json_is_object(file))
        return err_set(err, ST_INVALID, "the file is not a mapping");
    TRY(read_as(file, &doc, err));
    if (json_array_size(doc.checks) > LIMIT_TRANSFER_CHECKS)
        return err_set(err, ST_TOO_LARGE, "more than %d checks", LIMIT_TRANSFER_CHECKS);
    *out = doc;
    doc = (struct import_doc){0};
    return ST_OK;
}
