/* /queues/{name}/rates: how many jobs of a task, or of a key, may start in a time. */
#include <math.h>

#include "base/str.h"
#include "json/write.h"
#include "queue/control.h"
#include "services/api/api.h"
#include "services/api/hooks.h"
#include "services/api/routes/jobs.h"
#include "services/api/routes/routes.h"

enum { RATE_COUNT_MAX = 1000000000, RATE_PERIOD_MAX_S = 31 * 86400 };

struct rate_out {
    const char *task, *key;
    bool is_each_key;
    int64_t count, burst;
    double period_s;
};
#define AT(member) offsetof(struct rate_out, member)
static const struct field rate_fields[] = {
    {.name = "task",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(task),
     .help = "Whose jobs; null: all tasks of the queue",
     .example = "\"queue.noop\""},
    {.name = "key",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(key),
     .help = "Only jobs with this key; null: any",
     .example = "\"example.com\""},
    {.name = "each_key",
     .type = FT_BOOL,
     .offset = AT(is_each_key),
     .help = "Each key by itself has this rate"},
    {.name = "count",
     .type = FT_INT,
     .offset = AT(count),
     .help = "So many jobs may start in a period; 0: any number",
     .example = "10"},
    {.name = "period", .type = FT_NUMBER, .offset = AT(period_s), .help = "Seconds"},
    {.name = "burst",
     .type = FT_INT,
     .offset = AT(burst),
     .help = "So many of them may start at once"},
};
#undef AT
static const struct schema rate_schema = SCHEMA("QueueRate", struct rate_out, rate_fields);

/* Which rule: of a body as of a query. */
struct which_in {
    struct in_str task, key;
    struct in_bool each_key;
};
#define WHICH_FIELDS(in_type, member)                                                      \
    {.name = "task",                                                                       \
     .type = FT_STRING,                                                                    \
     .flags = F_NULLABLE,                                                                  \
     .offset = offsetof(in_type, member.task),                                             \
     .min = 1,                                                                             \
     .max = 64,                                                                            \
     .help = "The rate of this task; with key or each_key: of its keys",                   \
     .example = "\"queue.noop\""},                                                         \
        {.name = "key",                                                                    \
         .type = FT_STRING,                                                                \
         .flags = F_NULLABLE,                                                              \
         .offset = offsetof(in_type, member.key),                                          \
         .min = 1,                                                                         \
         .max = 256,                                                                       \
         .help = "The rate of jobs with this key"},                                        \
    {                                                                                      \
        .name = "each_key", .type = FT_BOOL, .offset = offsetof(in_type, member.each_key), \
        .help = "The rate of each key by itself, instead of one key's"                     \
    }

/* rule_of */
static const char one_or_each[] =
    "\"allOf\":[{\"anyOf\":[{\"properties\":{\"each_key\":{\"const\":false}}},"
    "{\"properties\":{\"key\":{\"const\":null}}}]},"
    "{\"anyOf\":[{\"properties\":{\"task\":{\"not\":{\"const\":null}}},\"required\":[\"task\"]},"
    "{\"properties\":{\"key\":{\"not\":{\"const\":null}}},\"required\":[\"key\"]},"
    "{\"properties\":{\"each_key\":{\"const\":true}},\"required\":[\"each_key\"]}]}]";

struct rate_in {
    struct which_in which;
    struct in_i64 count, burst;
    struct in_f64 period;
};
#define AT(member) offsetof(struct rate_in, member)
static const struct field rate_in_fields[] = {
    WHICH_FIELDS(struct rate_in, which),
    {.name = "count",
     .type = FT_INT,
     .flags = F_REQUIRED,
     .offset = AT(count),
     .min = 0,
     .max = RATE_COUNT_MAX,
     .help = "So many jobs may start in a period; 0: any number, whatever else says",
     .example = "10"},
    {.name = "period",
     .type = FT_NUMBER,
     .offset = AT(period),
     .min = 0.001,
     .max = RATE_PERIOD_MAX_S,
     .help = "Seconds (default 1)",
     .example = "60"},
    {.name = "burst",
     .type = FT_INT,
     .offset = AT(burst),
     .min = 1,
     .max = RATE_COUNT_MAX,
     .help = "So many of them may start at once (default 1: evenly spread)"},
};
#undef AT
static const struct schema rate_in_schema = {
    .name = "QueueRateSet",
    .fields = rate_in_fields,
    .count = ARRAY_LEN(rate_in_fields),
    .size = sizeof(struct rate_in),
    .rules = one_or_each,
};

struct which_query {
    struct which_in which;
};
static const struct field which_fields[] = {WHICH_FIELDS(struct which_query, which)};
static const struct schema which_schema = SCHEMA("QueueRateQuery", struct which_query,
                                                 which_fields);

static struct rate_out out_of(const struct rate_rule *rule)
{
    return (struct rate_out){
        .task = rule->task,
        .key = rule->key,
        .is_each_key = rule->is_key && !rule->key,
        .count = rule->rate.count,
        .burst = MAX_OF(rule->rate.burst, (int64_t)1),
        .period_s = (double)rule->rate.period_ms / 1e3,
    };
}

static enum status rate_list(struct req *r)
{
    AUTO_QUEUE q = NULL;
    struct rate_rule *rules = NULL;
    size_t count = 0;
    TRY(queue_open(r, r->param[0], &q));
    TRY(queue_said(r, queue_rates_list(q, req_ctx(r)->redis, r->arena, &rules, &count)));
    struct rate_out *out = arena_array(r->arena, count, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        out[i] = out_of(&rules[i]);
    reply_items(r, "rates", &rate_schema, out, count);
    return ST_OK;
}

/* --- changing --- */

static enum status rule_of(struct req *r, const struct which_in *in, struct rate_rule *out)
{
    const bool is_each = in->each_key.v;
    const char *task = in->task.v, *key = in->key.v;
    if (is_each && key)
        return req_invalid_field(r, "each_key", "value_error", "one key, or each: not both");
    if (!task && !key && !is_each)
        return req_invalid_field(r, "task", "value_error.missing",
                                 "a task, a key or each_key is wanted");
    *out = (struct rate_rule){.task = task, .key = key, .is_key = key || is_each};
    return ST_OK;
}

static enum status put_rule(struct queue *q, struct redis *redis, const struct rate_rule *rule,
                            const struct queue_rate *rate)
{
    return rule->is_key ? queue_key_rate_set(q, redis, rule->task, rule->key, rate)
                        : queue_rate_set(q, redis, rule->task, rate);
}

/* What was set, as the list shows it; `out` of a rule that is gone says which one it was. */
static enum status record(struct req *r, const char *action, const struct rate_out *out)
{
    AUTO_BUF text;
    struct jw w;
    buf_init(&text, LIMIT_REQUEST_ARENA_BYTES);
    jw_init(&w, &text);
    schema_write(&w, &rate_schema, out);
    TRY(buf_status(&text));
    return jobs_record(r, action, r->param[0], buf_cstr(&text));
}

static enum status rate_put(struct req *r)
{
    const struct rate_in *in = r->in;
    AUTO_QUEUE q = NULL;
    struct rate_rule rule;
    TRY(jobs_need_operator(r));
    TRY(queue_open(r, r->param[0], &q));
    TRY(rule_of(r, &in->which, &rule));
    rule.rate = (struct queue_rate){
        .count = in->count.v,
        .period_ms = in->period.set ? (int64_t)llround(in->period.v * 1e3) : 1000,
        .burst = in->burst.set ? in->burst.v : 1,
    };
    TRY(precondition_before_effect(r));
    const enum status st = put_rule(q, req_ctx(r)->redis, &rule, &rule.rate);
    if (st == ST_OVERLOADED)
        return req_fail(r, ST_CONFLICT, "QUEUE_RATES_FULL", "The queue has %d such rates already",
                        LIMIT_RATE_RULES);
    TRY(queue_said(r, st));
    const struct rate_out out = out_of(&rule);
    TRY(record(r, "queue.rate_set", &out));
    reply_object(r, 200, &rate_schema, &out);
    return ST_OK;
}

static bool is_same(const struct rate_rule *a, const struct rate_rule *b)
{
    return a->is_key == b->is_key && str_eq(a->task, b->task) && str_eq(a->key, b->key);
}

static enum status rate_delete(struct req *r)
{
    const struct which_query *in = r->query_in;
    AUTO_QUEUE q = NULL;
    struct rate_rule rule, *rules = NULL;
    size_t count = 0, i = 0;
    TRY(jobs_need_operator(r));
    TRY(queue_open(r, r->param[0], &q));
    TRY(rule_of(r, &in->which, &rule));
    TRY(queue_said(r, queue_rates_list(q, req_ctx(r)->redis, r->arena, &rules, &count)));
    while (i < count && !is_same(&rules[i], &rule))
        i++;
    if (i == count)
        return req_fail(r, ST_NOT_FOUND, "QUEUE_RATE_NOT_FOUND", "There is no such rate");
    TRY(precondition_before_effect(r));
    TRY(queue_said(r, put_rule(q, req_ctx(r)->redis, &rule, NULL)));
    const struct rate_out was = out_of(&rules[i]);
    TRY(record(r, "queue.rate_remove", &was));
    reply_empty(r, 204);
    return ST_OK;
}

#define PATH "/api/v1/queues/{name}/rates"
static const struct route routes[] = {
    {.method = M_GET,
     .path = PATH,
     .summary = "List the rates that were set for a queue",
     .description = "They hold beside what the tasks' own rows and the jobs ask for.",
     .scope = SCOPE_JOBS_READ,
     .reply = &rate_schema,
     .list = "rates",
     .shape = REPLY_ITEMS,
     .tag = "Jobs",
     .errors = ERRORS("QUEUE_NOT_FOUND", "QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
     .params = QUEUE_OF_PATH,
     .handler = rate_list},
    {.method = M_PUT,
     .path = PATH,
     .summary = "Set how many jobs of a task or a key may start in a time",
     .description = "For all workers together, within a second, and stored. The most precise rule "
                    "of keys counts: task and key, the key, each key of the task, each key.",
     .scope = SCOPE_JOBS_WRITE,
     .body = &rate_in_schema,
     .reply = &rate_schema,
     .tag = "Jobs",
     .errors = ERRORS("QUEUE_NOT_FOUND", "QUEUE_CONTROL_DENIED", "QUEUE_RATES_FULL",
                      "QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
     .params = QUEUE_OF_PATH,
     .handler = rate_put},
    {.method = M_DELETE,
     .path = PATH,
     .summary = "Remove a rate: what the task's row and the jobs ask for holds again",
     .scope = SCOPE_JOBS_WRITE,
     .query = &which_schema,
     .ok = 204,
     .tag = "Jobs",
     .errors = ERRORS("QUEUE_NOT_FOUND", "QUEUE_RATE_NOT_FOUND", "QUEUE_CONTROL_DENIED",
                      "QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
     .params = QUEUE_OF_PATH,
     .handler = rate_delete},
};
const struct route_set queue_rates_routes = {routes, ARRAY_LEN(routes)};
