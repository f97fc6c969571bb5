/* Decoding our own JSON of metrics. */
#include "services/ingest/formats/json.h"

#include <math.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"

enum member_type { MEMBER_TEXT, MEMBER_INT, MEMBER_FLOAT, MEMBER_BOOL };
struct member {
    const char *name;
    enum member_type type;
    size_t offset;
    size_t max; /* bytes of a text */
    bool is_required;
    bool is_free; /* a text that may have control characters */
};

/* A section of an item: an array of objects that become rows. */
struct section {
    const char *name;
    const struct member *members;
    size_t member_count;
    size_t size; /* of a row */
};

struct decoder {
    struct arena *arena;
    struct report *report;
    int64_t now_us;
    size_t rows; /* of the whole post */
    struct place place;
    const char *agent_id;
    int64_t item_us; /* the item's time */
    bool no_memory;
};

#define TEXT(s, m)                                                                \
    {                                                                             \
#m, MEMBER_TEXT, offsetof(struct s, v.m), LIMIT_METRIC_TEXT, false, false \
    }
#define KEY(s, m)                                                                \
    {                                                                            \
#m, MEMBER_TEXT, offsetof(struct s, v.m), LIMIT_METRIC_TEXT, true, false \
    }
#define INTEGER(s, m)                                            \
    {                                                            \
#m, MEMBER_INT, offsetof(struct s, v.m), 0, false, false \
    }
#define FLOAT(s, m)                                                \
    {                                                              \
#m, MEMBER_FLOAT, offsetof(struct s, v.m), 0, false, false \
    }

static const struct member sample_members[] = {
    {"metric_type", MEMBER_TEXT, offsetof(struct sample_row, key.type), LIMIT_METRIC_TYPE, true,
     false},
    {"metric_name", MEMBER_TEXT, offsetof(struct sample_row, key.name), LIMIT_METRIC_NAME, true,
     false},
    {"value", MEMBER_FLOAT, offsetof(struct sample_row, value), 0, true, false},
};
static const struct member disk_members[] = {
    KEY(disk_row, device),          TEXT(disk_row, mount_point),
    TEXT(disk_row, filesystem),     INTEGER(disk_row, total_bytes),
    INTEGER(disk_row, used_bytes),  INTEGER(disk_row, available_bytes),
    FLOAT(disk_row, usage_percent), INTEGER(disk_row, inodes_total),
    INTEGER(disk_row, inodes_used), FLOAT(disk_row, inodes_percent),
};
static const struct member network_members[] = {
    KEY(network_row, interface),
    INTEGER(network_row, bytes_sent),
    INTEGER(network_row, bytes_recv),
    INTEGER(network_row, packets_sent),
    INTEGER(network_row, packets_recv),
    INTEGER(network_row, errors_in),
    INTEGER(network_row, errors_out),
    INTEGER(network_row, drop_in),
    INTEGER(network_row, drop_out),
    {"is_up", MEMBER_BOOL, offsetof(struct network_row, v.is_up), 0, false, false},
};
static const struct member process_members[] = {
    {"pid", MEMBER_INT, offsetof(struct process_row, v.pid), 0, true, false},
    KEY(process_row, name),
    {"cmdline", MEMBER_TEXT, offsetof(struct process_row, v.cmdline), LIMIT_METRIC_CMDLINE, false,
     true},
    TEXT(process_row, username),
    TEXT(process_row, status),
    FLOAT(process_row, cpu_percent),
    INTEGER(process_row, memory_bytes),
    FLOAT(process_row, memory_percent),
    INTEGER(process_row, num_threads),
};

static const struct section samples = {"metrics", sample_members, ARRAY_LEN(sample_members),
                                       sizeof(struct sample_row)};
static const struct section disks = {"disk", disk_members, ARRAY_LEN(disk_members),
                                     sizeof(struct disk_row)};
static const struct section networks = {"network", network_members, ARRAY_LEN(network_members),
                                        sizeof(struct network_row)};
static const struct section processes = {"processes", process_members, ARRAY_LEN(process_members),
                                         sizeof(struct process_row)};

/* --- before parsing --- */

/* jansson makes some 250 bytes of "{}," and 60 of "1,": what memory the text will take is known
 * from its punctuation. */
static bool has_too_many_values(const char *text, size_t len)
{
    const struct json_shape shape = json_measure(text, len);
    return shape.containers > LIMIT_METRIC_JSON_CONTAINERS ||
           shape.separators > LIMIT_METRIC_JSON_VALUES;
}

/* --- rows --- */

/* Each test reports once and says no. */
static bool reject(struct decoder *d, const char *field, const char *type, const char *reason)
{
    d->place.field = field;
    report_reject(d->report, &d->place, 1, type, "%s", reason);
    d->place.field = NULL;
    return false;
}

static bool take_text(struct decoder *d, const struct member *m, json_t *v, const char **out)
{
    if (!json_is_string(v))
        return reject(d, m->name, "type_error.str", "not a text");
    const char *text = json_string_value(v);
    size_t len = json_string_length(v);
    if (len > m->max)
        return reject(d, m->name, "value_error.any_str.max_length", "too long");
    if (len == 0 && m->is_required)
        return reject(d, m->name, "value_error.any_str.min_length", "empty");
    if (!m->is_free && str_has_control(text))
        return reject(d, m->name, "value_error", "has control characters");
    *out = text;
    return true;
}

static bool take_int(struct decoder *d, const struct member *m, json_t *v, int64_t *out)
{
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
    } else {
        /* 5.0 and 1e9 are integers in JSON; beyond 2^53 a float does not say which. */
        double f = json_is_real(v) ? json_real_value(v) : NAN;
        if (!(fabs(f) <= 9007199254740992.0) || fabs(f - trunc(f)) > 0)
            return reject(d, m->name, "type_error.integer", "not an integer");
        *out = (int64_t)f;
    }
    if (*out < 0)
        return reject(d, m->name, "value_error.number.not_ge", "negative");
    return true;
}

static bool take_member(struct decoder *d, const struct member *m, json_t *v, void *at)
{
    switch (m->type) {
    case MEMBER_TEXT:
        return take_text(d, m, v, at);
    case MEMBER_INT:
        return take_int(d, m, v, at);
    case MEMBER_FLOAT:
        if (!json_is_number(v) || !isfinite(json_number_value(v)))
            return reject(d, m->name, "type_error.float", "not a finite number");
        *(double *)at = json_number_value(v);
        return true;
    case MEMBER_BOOL:
        if (!json_is_boolean(v))
            return reject(d, m->name, "type_error.bool", "not a boolean");
        *(int64_t *)at = json_is_true(v);
        return true;
    }
    abort();
}

static void set_absent(const struct member *m, void *at)
{
    switch (m->type) {
    case MEMBER_TEXT:
        *(const char **)at = "";
        return;
    case MEMBER_INT:
    case MEMBER_BOOL:
        *(int64_t *)at = SAMPLE_NONE;
        return;
    case MEMBER_FLOAT:
        *(double *)at = NAN;
        return;
    }
}

/* The row's or item's `time`; *out stays where none is given. */
static bool take_time(struct decoder *d, const json_t *object, int64_t *out)
{
    const json_t *v = json_object_get(object, "time");
    if (!v || json_is_null(v))
        return true;
    int64_t at = 0;
    if (!json_is_string(v) || time_parse_us(json_string_value(v), &at) != ST_OK)
        return reject(d, "time", "value_error.datetime", "not an RFC 3339 date and time");
    if (at < d->now_us - LIMIT_METRIC_PAST_US)
        return reject(d, "time", "value_error.datetime", "older than 30 days");
    if (at > d->now_us + LIMIT_METRIC_FUTURE_US)
        return reject(d, "time", "value_error.datetime", "more than 10 minutes in the future");
    *out = at;
    return true;
}

/* Tags as compact JSON with sorted keys, so that equal ones are equal texts. */
static bool take_tags(struct decoder *d, const json_t *object, const char **out)
{
    json_t *tags = json_object_get(object, "tags");
    *out = "{}";
    if (!tags || json_is_null(tags) || (json_is_object(tags) && json_object_size(tags) == 0))
        return true;
    if (!json_is_object(tags))
        return reject(d, "tags", "type_error.dict", "not an object");
    if (json_object_size(tags) > LIMIT_METRIC_TAGS)
        return reject(d, "tags", "value_error.list.max_items", "too many tags");
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach (tags, key, value) {
        if (!json_is_string(value) && !json_is_number(value) && !json_is_boolean(value))
            return reject(d, "tags", "type_error", "a tag that is not a text, number or boolean");
    }
    char text[LIMIT_METRIC_TAGS_BYTES];
    size_t len = json_dumpb(tags, text, sizeof(text), JSON_SORT_KEYS | JSON_COMPACT);
    if (len == 0 || len > sizeof(text))
        return reject(d, "tags", "value_error.any_str.max_length", "tags are too long");
    *out = arena_strndup(d->arena, text, len);
    d->no_memory = d->no_memory || !*out;
    return *out != NULL;
}

static bool take_row(struct decoder *d, const struct section *s, json_t *object, void *row)
{
    if (!json_is_object(object))
        return reject(d, NULL, "type_error.dict", "not an object");
    for (size_t i = 0; i < s->member_count; i++) {
        const struct member *m = &s->members[i];
        void *at = (char *)row + m->offset;
        json_t *v = json_object_get(object, m->name);
        bool is_absent = !v || json_is_null(v);
        if (is_absent && m->is_required)
            return reject(d, m->name, "value_error.missing", "field required");
        if (is_absent)
            set_absent(m, at);
        else if (!take_member(d, m, v, at))
            return false;
    }
    const json_t *agent = json_object_get(object, "agent_id");
    if (json_is_string(agent) && !str_eq(json_string_value(agent), d->agent_id))
        return reject(d, "agent_id", "value_error", "another agent's");
    struct row_head *head = row;
    head->at_us = d->item_us;
    head->index = (uint32_t)d->place.index;
    return take_time(d, object, &head->at_us);
}

/* The good rows of a section; bad ones are reported. */
static enum status take_section(struct decoder *d, const struct section *s, const json_t *item,
                                void *out, size_t *count)
{
    json_t *list = json_object_get(item, s->name);
    d->place.section = s->name;
    d->place.index = -1;
    if (!list || json_is_null(list))
        return ST_OK;
    if (!json_is_array(list)) {
        (void)reject(d, NULL, "type_error.list", "not an array");
        return ST_OK;
    }
    size_t n = json_array_size(list);
    d->rows += n;
    if (d->rows > LIMIT_METRICS_PER_POST)
        return ST_TOO_LARGE;
    char *rows = arena_array(d->arena, n, s->size);
    if (!rows)
        return ST_NO_MEMORY;
    size_t good = 0;
    for (size_t i = 0; i < n; i++) {
        d->place.index = (int64_t)i;
        json_t *object = json_array_get(list, i);
        char *row = rows + good * s->size;
        bool is_good = take_row(d, s, object, row);
        if (is_good && s == &samples)
            is_good = take_tags(d, object, &((struct sample_row *)(void *)row)->key.tags);
        good += is_good;
    }
    *(void **)out = rows;
    *count = good;
    return d->no_memory ? ST_NO_MEMORY : ST_OK;
}

/* --- items --- */

/* How many rows an item would have had, for the count of what was refused with it; at least one. */
static size_t count_rows(const json_t *item)
{
    static const struct section *const all[] = {&samples, &disks, &networks, &processes};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        n += json_array_size(json_object_get(item, all[i]->name));
    return n > 0 ? n : 1;
}

static enum status reject_item(struct decoder *d, const json_t *object, const char *field,
                               const char *type, const char *reason)
{
    d->place.field = field;
    size_t rows = count_rows(object);
    d->rows += rows;
    report_reject(d->report, &d->place, rows, type, "%s", reason);
    return d->rows > LIMIT_METRICS_PER_POST ? ST_TOO_LARGE : ST_OK;
}

static enum status take_item(struct decoder *d, json_t *object, struct item *out, bool *is_good)
{
    if (!json_is_object(object))
        return reject_item(d, object, NULL, "type_error.dict", "not an object");
    const json_t *agent = json_object_get(object, "agent_id");
    if (agent && !json_is_null(agent)) {
        d->agent_id = json_string_value(agent);
        if (!d->agent_id)
            return reject_item(d, object, "agent_id", "type_error.str", "not a text");
        size_t len = json_string_length(agent);
        if (len == 0 || len > LIMIT_HOST_NAME || str_has_control(d->agent_id))
            return reject_item(d, object, "agent_id", "value_error",
                               "empty, too long, or has control characters");
    }
    size_t before = d->report->rejected;
    d->item_us = d->now_us;
    if (!take_time(d, object, &d->item_us)) {
        d->report->rejected = before + count_rows(object); /* all that it held, not one */
        return ST_OK;
    }
    out->index = d->place.item;
    out->agent_id = d->agent_id;
    TRY(take_section(d, &samples, object, &out->samples, &out->sample_count));
    TRY(take_section(d, &disks, object, &out->disks, &out->disk_count));
    TRY(take_section(d, &networks, object, &out->networks, &out->network_count));
    TRY(take_section(d, &processes, object, &out->processes, &out->process_count));
    *is_good = item_rows(out) > 0;
    return ST_OK;
}

static enum status take_items(struct decoder *d, json_t *root, struct post *out)
{
    bool is_list = json_is_array(root);
    size_t count = is_list ? json_array_size(root) : 1;
    struct item *items = arena_array(d->arena, count, sizeof(*items));
    if (!items)
        return ST_NO_MEMORY;
    size_t good = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_good = false;
        d->place = (struct place){.item = is_list ? (int64_t)i : -1, .index = -1};
        d->agent_id = NULL;
        items[good] = (struct item){0};
        TRY(take_item(d, is_list ? json_array_get(root, i) : root, &items[good], &is_good));
        good += is_good;
    }
    *out = (struct post){.items = items, .count = good};
    return ST_OK;
}

enum status format_json_decode(const char *body, size_t len, int64_t now_us, struct arena *arena,
                               json_t **root, struct post *out, struct report *report,
                               struct errbuf *err)
{
    if (has_too_many_values(body, len))
        return err_set(err, ST_TOO_LARGE, "more values than a post may have; send it in parts");
    AUTO_JSON json = NULL;
    TRY(json_parse(body, len, &json, err));
    if (!json_is_object(json) && !json_is_array(json))
        return err_set(err, ST_MALFORMED, "neither an object nor an array of objects");
    if (json_array_size(json) > LIMIT_METRIC_ITEMS)
        return err_set(err, ST_TOO_LARGE, "more than %d objects", LIMIT_METRIC_ITEMS);

    struct decoder d = {.arena = arena, .report = report, .now_us = now_us};
    enum status st = take_items(&d, json, out);
    if (st == ST_TOO_LARGE)
        return err_set(err, st, "more than %d samples", LIMIT_METRICS_PER_POST);
    if (st == ST_OK)
        *root = take(&json);
    return st;
}
