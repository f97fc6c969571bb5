/* Arguments of the check tasks as JSON. */
#include "queue/check_jobs.h"

#include <sodium.h>
#include <string.h>

#include "json/parse.h"
#include "json/schema.h"
#include "json/write.h"

static const char *const triggers[] = {"schedule", "retry", NULL};

struct due_in {
    struct in_uuid id;
    struct in_i64 slot, prev;
};
static const struct field due_fields[] = {
    {.name = "id", .type = FT_UUID, .flags = F_REQUIRED, .offset = offsetof(struct due_in, id)},
    {.name = "slot", .type = FT_INT, .flags = F_REQUIRED, .offset = offsetof(struct due_in, slot)},
    {.name = "prev", .type = FT_INT, .offset = offsetof(struct due_in, prev)},
};
static const struct schema due_schema = {.name = "CheckDue",
                                         .fields = due_fields,
                                         .count = ARRAY_LEN(due_fields),
                                         .size = sizeof(struct due_in),
                                         .is_open = true};

struct scheduled_in {
    struct in_str trigger;
    struct in_list checks;
};
static const struct field scheduled_fields[] = {
    {.name = "trigger",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .choices = triggers,
     .offset = offsetof(struct scheduled_in, trigger)},
    {.name = "checks",
     .type = FT_LIST,
     .flags = F_REQUIRED,
     .min = 1,
     .max = LIMIT_JOB_CHECKS,
     .sub = &due_schema,
     .offset = offsetof(struct scheduled_in, checks)},
};
/* Open: a newer scheduler may write more than this worker knows. */
static const struct schema scheduled_schema = {.name = "CheckScheduled",
                                               .fields = scheduled_fields,
                                               .count = ARRAY_LEN(scheduled_fields),
                                               .size = sizeof(struct scheduled_in),
                                               .is_open = true};

struct run_in {
    struct in_uuid check_id;
    struct in_i64 slot_us;
};
static const struct field run_fields[] = {
    {.name = "check_id",
     .type = FT_UUID,
     .flags = F_REQUIRED,
     .offset = offsetof(struct run_in, check_id)},
    {.name = "slot_us",
     .type = FT_INT,
     .flags = F_REQUIRED,
     .offset = offsetof(struct run_in, slot_us)},
};
static const struct schema run_schema = {.name = "CheckRun",
                                         .fields = run_fields,
                                         .count = ARRAY_LEN(run_fields),
                                         .size = sizeof(struct run_in),
                                         .is_open = true};

struct adhoc_in {
    struct in_str kind;
    struct in_json config;
    struct in_str secret;
    struct in_i64 timeout_ms;
};
static const struct field adhoc_fields[] = {
    {.name = "kind",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .min = 1,
     .max = 64,
     .offset = offsetof(struct adhoc_in, kind)},
    {.name = "config",
     .type = FT_MAP,
     .flags = F_REQUIRED,
     .offset = offsetof(struct adhoc_in, config)},
    {.name = "secret", .type = FT_STRING, .offset = offsetof(struct adhoc_in, secret)},
    {.name = "timeout_ms",
     .type = FT_INT,
     .flags = F_REQUIRED,
     .min = 1,
     .max = LIMIT_PROBE_TIMEOUT_MS,
     .offset = offsetof(struct adhoc_in, timeout_ms)},
};
static const struct schema adhoc_schema = {.name = "CheckAdhoc",
                                           .fields = adhoc_fields,
                                           .count = ARRAY_LEN(adhoc_fields),
                                           .size = sizeof(struct adhoc_in),
                                           .is_open = true};

/* Parses and binds; the reason of a refusal is the first error's. */
static enum status bind(const struct schema *schema, const char *args, struct arena *arena,
                        json_t **json, void *out, struct errbuf *err)
{
    if (json_parse(args, strlen(args), json, err) != ST_OK)
        return ST_INVALID;
    AUTO_FIELD_ERRORS errors = {NULL};
    enum status st = schema_bind(schema, *json, arena, out, &errors);
    if (st != ST_INVALID)
        return st;
    AUTO_FREE char *text = json_dumps(errors.list, JSON_COMPACT);
    return err_set(err, st, "%.200s", text ? text : "");
}

/* --- check.scheduled --- */

void check_scheduled_encode(const struct check_scheduled *in, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_object(&w);
    jw_kv_str(&w, "trigger", triggers[in->is_retry ? 1 : 0]);
    jw_key(&w, "checks");
    jw_array(&w);
    for (size_t i = 0; i < in->count; i++) {
        jw_object(&w);
        jw_kv_uuid(&w, "id", &in->due[i].check_id);
        jw_kv_i64(&w, "slot", in->due[i].slot_ms);
        if (in->due[i].prev_ms != 0)
            jw_kv_i64(&w, "prev", in->due[i].prev_ms);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
}

enum status check_scheduled_decode(const char *args, struct check_scheduled *out,
                                   struct errbuf *err)
{
    AUTO_ARENA arena = arena_new(LIMIT_JOB_ARGS_BYTES * 2);
    if (!arena)
        return ST_NO_MEMORY;
    AUTO_JSON json = NULL;
    struct scheduled_in in;
    TRY(bind(&scheduled_schema, args, arena, &json, &in, err));
    out->is_retry = strcmp(in.trigger.v, "retry") == 0;
    out->count = in.checks.count;
    const struct due_in *due = in.checks.v;
    for (size_t i = 0; i < out->count; i++)
        out->due[i] = (struct check_due){
            .check_id = due[i].id.v, .slot_ms = due[i].slot.v, .prev_ms = due[i].prev.v};
    return ST_OK;
}

/* --- check.run --- */

void check_run_encode(const struct check_run *in, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_object(&w);
    jw_kv_uuid(&w, "check_id", &in->check_id);
    jw_kv_i64(&w, "slot_us", in->slot_us);
    jw_end(&w);
}

enum status check_run_decode(const char *args, struct check_run *out, struct errbuf *err)
{
    AUTO_ARENA arena = arena_new(4096);
    if (!arena)
        return ST_NO_MEMORY;
    AUTO_JSON json = NULL;
    struct run_in in;
    TRY(bind(&run_schema, args, arena, &json, &in, err));
    *out = (struct check_run){.check_id = in.check_id.v, .slot_us = in.slot_us.v};
    return ST_OK;
}

/* --- check.adhoc --- */

enum { BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING };

static void write_sealed(struct jw *w, const struct check_adhoc *in)
{
    const size_t room = sodium_base64_ENCODED_LEN(in->sealed_len, BASE64);
    AUTO_FREE char *text = malloc(room);
    if (!text) {
        w->out->failed = true;
        return;
    }
    (void)sodium_bin2base64(text, room, in->sealed, in->sealed_len, BASE64);
    jw_kv_str(w, "secret", text);
}

static enum status read_sealed(const char *text, struct arena *arena, struct check_adhoc *out)
{
    const size_t room = strlen(text); /* more than the bytes need */
    unsigned char *sealed = arena_alloc(arena, room + 1);
    size_t len = 0;
    if (!sealed)
        return ST_NO_MEMORY;
    if (sodium_base642bin(sealed, room, text, room, NULL, &len, NULL, BASE64) != 0)
        return ST_INVALID;
    out->sealed = sealed;
    out->sealed_len = len;
    return ST_OK;
}

void check_adhoc_encode(const struct check_adhoc *in, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_object(&w);
    jw_kv_str(&w, "kind", in->kind);
    jw_kv_raw(&w, "config", in->config_json);
    if (in->sealed)
        write_sealed(&w, in);
    jw_kv_i64(&w, "timeout_ms", in->timeout_ms);
    jw_end(&w);
}

enum status check_adhoc_decode(const char *args, struct arena *arena, struct check_adhoc *out,
                               struct errbuf *err)
{
    AUTO_JSON json = NULL;
    struct adhoc_in in;
    TRY(bind(&adhoc_schema, args, arena, &json, &in, err));
    AUTO_FREE char *config = json_dumps(in.config.v, JSON_COMPACT);
    const char *kind = arena_strdup(arena, in.kind.v);
    const char *config_json = arena_strdup(arena, config);
    if (!kind || !config_json)
        return ST_NO_MEMORY;
    struct check_adhoc run = {
        .kind = kind, .config_json = config_json, .timeout_ms = in.timeout_ms.v};
    if (in.secret.set && read_sealed(in.secret.v, arena, &run) == ST_INVALID)
        return err_set(err, ST_INVALID, "secret is not base64url");
    if (in.secret.set && !run.sealed)
        return ST_NO_MEMORY;
    *out = run;
    return ST_OK;
}

struct seal_place check_adhoc_seal_place(const struct uuid *job_id)
{
    return (struct seal_place){.table = "adhoc", .row = *job_id, .column = "config"};
}
