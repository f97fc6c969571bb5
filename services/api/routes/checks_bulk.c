/* /checks/bulk: the same for many checks. /checks/tags, /checks/groups: the words they are sorted
 * by. */
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "json/patterns.h"
#include "net/page.h"
#include "queue/check_jobs.h"
#include "services/api/api.h"
#include "services/api/hooks.h"
#include "services/api/routes/check_filter.h"
#include "services/api/routes/check_runs.h"
#include "services/api/routes/checks.h"
#include "services/api/routes/routes.h"
#include "store/checks_bulk.h"
#include "zone/zone.h"

enum { TAGS_MAX = 32, CHANNELS_MAX = 64 };

/* --- what comes in --- */

struct filter_in {
    struct check_filter_in is;
};
static const struct field filter_fields[] = {CHECK_FILTER_FIELDS(struct filter_in, is)};
static const struct schema filter_schema = SCHEMA("CheckFilter", struct filter_in, filter_fields);

struct bulk_in {
    struct in_str action;
    struct in_list ids;
    struct in_obj filter;
    struct in_list tags;
    struct in_str group, schedule;
    struct in_list channels;
};
static const char *const actions[] = {"pause",       "resume",    "delete",       "add_tags",
                                      "remove_tags", "set_group", "set_schedule", "set_channels",
                                      "run",         NULL};
#define AT(member) offsetof(struct bulk_in, member)
static const struct field bulk_fields[] = {
    {.name = "action",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(action),
     .choices = actions,
     .example = "\"pause\""},
    {.name = "ids",
     .type = FT_LIST,
     .element = FT_UUID,
     .offset = AT(ids),
     .min = 1,
     .max = LIMIT_BULK_CHECKS,
     .help = "Which checks: these, or those of a filter",
     .example = "[\"01a20263-60d3-7a14-a4b1-1a63f4fd89c3\"]"},
    {.name = "filter", .type = FT_OBJECT, .sub = &filter_schema, .offset = AT(filter)},
    {.name = "tags",
     .type = FT_LIST,
     .element = FT_STRING,
     .offset = AT(tags),
     .min = 1,
     .max = TAGS_MAX,
     .element_max = CHECK_TAG_CHARS,
     .check = check_label,
     .pattern = PATTERN_LABEL,
     .help = "For add_tags and remove_tags"},
    {.name = "group",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(group),
     .min = 1,
     .max = CHECK_GROUP_CHARS,
     .check = check_label,
     .pattern = PATTERN_LABEL,
     .help = "For set_group; null: none"},
    {.name = "schedule",
     .type = FT_STRING,
     .offset = AT(schedule),
     .min = 1,
     .max = LIMIT_SCHEDULE_TEXT,
     .check = schedule_check,
     .format = "schedule",
     .help = "For set_schedule"},
    {.name = "channels",
     .type = FT_LIST,
     .element = FT_UUID,
     .offset = AT(channels),
     .max = CHANNELS_MAX,
     .help = "For set_channels; none: the default ones"},
};
#undef AT
#define BULK(actions_, needs, ...)                                                        \
    "{\"required\":[\"action\"" needs "],\"properties\":{\"action\":{\"enum\":[" actions_ \
    "]}" __VA_ARGS__ "}}"
#define NO_TAGS ",\"tags\":false"
#define NO_GROUP ",\"group\":false"
#define NO_SCHEDULE ",\"schedule\":false"
#define NO_CHANNELS ",\"channels\":false"
static const struct schema bulk_schema = {
    .name = "CheckBulk",
    .fields = bulk_fields,
    .count = ARRAY_LEN(bulk_fields),
    .size = sizeof(struct bulk_in),
    /* members_fit */
    .rules =
        "\"allOf\":[{\"oneOf\":[{\"required\":[\"ids\"]},{\"required\":[\"filter\"]}]},"
        "{\"oneOf\":[" BULK("\"pause\",\"resume\",\"delete\",\"run\"", "", NO_TAGS NO_GROUP NO_SCHEDULE NO_CHANNELS) "," BULK(
            "\"add_tags\",\"remove_tags\"", ",\"tags\"",
            NO_GROUP NO_SCHEDULE
                NO_CHANNELS) "," BULK("\"set_group\"", ",\"group\"",
                                      NO_TAGS NO_SCHEDULE
                                          NO_CHANNELS) "," BULK("\"set_schedule\"", ",\"schedule\"",
                                                                NO_TAGS NO_GROUP
                                                                    NO_CHANNELS) "," BULK("\"set_channels\"",
                                                                                          ",\"channels\"",
                                                                                          NO_TAGS NO_GROUP
                                                                                              NO_SCHEDULE) "]}]",
};

/* --- what goes out --- */

struct item_out {
    struct uuid check_id;
    const char *name, *outcome, *message;
    struct uuid job_id;
};
#define AT(member) offsetof(struct item_out, member)
static const struct field item_fields[] = {
    {.name = "check_id", .type = FT_UUID, .offset = AT(check_id)},
    {.name = "name", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(name)},
    {.name = "outcome",
     .type = FT_STRING,
     .offset = AT(outcome),
     .help = "changed, unchanged, queued, not_found or failed",
     .example = "\"changed\""},
    {.name = "message",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(message),
     .help = "Why it failed"},
    {.name = "job_id",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(job_id),
     .help = "Of a run: the result is among the check's when it is done"},
};
#undef AT
static const struct schema item_schema = SCHEMA("CheckBulkItem", struct item_out, item_fields);

struct bulk_out {
    const char *action;
    int64_t count, changed, unchanged, failed;
    struct out_list results;
};
#define AT(member) offsetof(struct bulk_out, member)
static const struct field bulk_out_fields[] = {
    {.name = "action", .type = FT_STRING, .offset = AT(action)},
    {.name = "count", .type = FT_INT, .offset = AT(count)},
    {.name = "changed", .type = FT_INT, .offset = AT(changed), .help = "Or queued"},
    {.name = "unchanged", .type = FT_INT, .offset = AT(unchanged)},
    {.name = "failed", .type = FT_INT, .offset = AT(failed), .help = "Or not found"},
    {.name = "results", .type = FT_LIST, .sub = &item_schema, .offset = AT(results)},
};
#undef AT
static const struct schema bulk_out_schema = SCHEMA("CheckBulkResult", struct bulk_out,
                                                    bulk_out_fields);

/* --- judging --- */

static size_t action_of(const struct bulk_in *in)
{
    size_t i = 0;
    while (actions[i] && !str_eq(actions[i], in->action.v))
        i++;
    return i;
}

/* Each action wants its own member. */
static enum status members_fit(struct req *r, const struct bulk_in *in, enum bulk_action action)
{
    bool by_tags = action == BULK_ADD_TAGS || action == BULK_REMOVE_TAGS;
    if (in->ids.set == in->filter.set)
        return req_invalid_field(r, "ids", "value_error", "give either ids or a filter");
    if (by_tags != in->tags.set)
        return req_invalid_field(r, "tags", "value_error", "go with add_tags and remove_tags");
    if ((action == BULK_SET_GROUP) != in->group.set)
        return req_invalid_field(r, "group", "value_error", "goes with set_group");
    if ((action == BULK_SET_SCHEDULE) != in->schedule.set)
        return req_invalid_field(r, "schedule", "value_error", "goes with set_schedule");
    if ((action == BULK_SET_CHANNELS) != in->channels.set)
        return req_invalid_field(r, "channels", "value_error", "go with set_channels");
    return ST_OK;
}

/* --- doing --- */

/* A run of each, without waiting for any. */
static enum status enqueue_runs(struct req *r, struct item_out *out, size_t count)
{
    struct queue *q = NULL;
    struct job *jobs = arena_array(r->arena, MAX_OF(count, (size_t)1), sizeof(*jobs));
    size_t added = 0;
    int64_t now_us = clock_wall_us();
    if (!jobs)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        AUTO_BUF args;
        buf_init(&args, LIMIT_JOB_ARGS_BYTES);
        check_run_encode(&(struct check_run){out[i].check_id, now_us}, &args);
        const char *text = arena_strdup(r->arena, buf_cstr(&args));
        if (!text)
            return ST_NO_MEMORY;
        TRY(job_init(&jobs[i], "check.run", text, now_us / 1000));
        TRY(run_tenant(r, &jobs[i]));
        TRY(idempotency_job(r, &out[i].check_id, &jobs[i]));
        out[i].job_id = jobs[i].id;
        out[i].outcome = "queued";
    }
    TRY(run_queue("check.run", &q));
    enum status st = count > 0 ? queue_enqueue_many(q, req_ctx(r)->redis, jobs, count, &added)
                               : ST_OK;
    queue_free(q);
    if (st != ST_OK && added == 0)
        return run_queue_failed(r, st);
    for (size_t i = added; i < count; i++) {
        out[i].outcome = "failed";
        out[i].message = "The job queue took no more jobs";
        out[i].job_id = (struct uuid){0};
    }
    return ST_OK;
}

static void put_items(struct item_out *out, const struct bulk_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (struct item_out){
            .check_id = items[i].id,
            .name = items[i].name,
            .outcome = items[i].is_changed   ? "changed"
                       : items[i].is_refused ? "failed"
                                             : "unchanged",
            .message = items[i].is_refused ? "It would have more than 32 tags" : NULL,
        };
}

/* Those that were asked for and are not there. Items are in the order of their ids. */
static size_t put_missing(struct item_out *out, const struct in_list *ids,
                          const struct bulk_item *items, size_t count)
{
    const struct uuid *asked = ids->v;
    size_t n = 0;
    for (size_t i = 0; i < ids->count; i++) {
        size_t k = 0;
        while (k < count && !uuid_eq(&items[k].id, &asked[i]))
            k++;
        if (k == count)
            out[n++] = (struct item_out){.check_id = asked[i], .outcome = "not_found"};
    }
    return n;
}

static enum status reply_bulk(struct req *r, const struct bulk_in *in,
                              const struct bulk_item *items, size_t count)
{
    struct item_out *out = arena_array(r->arena, count + in->ids.count + 1, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    put_items(out, items, count);
    if (str_eq(in->action.v, "run"))
        TRY(enqueue_runs(r, out, count));
    count += put_missing(out + count, &in->ids, items, count);
    struct bulk_out reply = {
        .action = in->action.v, .count = (int64_t)count, .results = {count, out}};
    for (size_t i = 0; i < count; i++) {
        bool done = str_eq(out[i].outcome, "changed") || str_eq(out[i].outcome, "queued");
        reply.changed += done;
        reply.unchanged += str_eq(out[i].outcome, "unchanged");
    }
    reply.failed = reply.count - reply.changed - reply.unchanged;
    reply_object(r, 200, &bulk_out_schema, &reply);
    return ST_OK;
}

static enum status checks_bulk_post(struct req *r)
{
    const struct bulk_in *in = r->in;
    enum bulk_action action = (enum bulk_action)action_of(in); /* "run" picks */
    if (str_eq(in->action.v, "run") && !principal_may(r->who, SCOPE_CHECKS_RUN))
        return req_fail(r, ST_FORBIDDEN, "INSUFFICIENT_SCOPE", "Running checks needs checks:run");
    TRY(members_fit(r, in, action));
    const struct filter_in *of = in->filter.set ? in->filter.v : NULL;
    const struct check_filter filter = of ? check_filter_of(&of->is) : (struct check_filter){0};
    const struct bulk bulk = {
        .action = action,
        .ids = in->ids.set ? in->ids.v : NULL,
        .id_count = in->ids.count,
        .filter = &filter,
        .tags = in->tags.v,
        .tag_count = in->tags.count,
        .group = in->group.v,
        .schedule = in->schedule.v,
        .channels = in->channels.v,
        .channel_count = in->channels.count,
    };
    struct bulk_item *items = NULL;
    size_t count = 0;
    enum status st = checks_bulk(req_ctx(r)->db, r->arena, &r->who->org_id, &r->who->user_id, &bulk,
                                 &items, &count);
    if (st == ST_TOO_LARGE)
        return req_invalid_field(r, "filter", "value_error",
                                 "it finds more than %d checks: narrow it down", LIMIT_BULK_CHECKS);
    if (st == ST_INVALID)
        return req_invalid_field(r, "channels", "value_error",
                                 "one of them is no channel; GET /api/v1/channels lists them");
    TRY(st);
    return reply_bulk(r, in, items, count);
}

/* --- words --- */

static const struct field word_fields[] = {
    {.name = "name", .type = FT_STRING, .offset = offsetof(struct check_word, name)},
    {.name = "count",
     .type = FT_INT,
     .offset = offsetof(struct check_word, count),
     .help = "Checks that have it"},
};
static const struct schema word_schema = SCHEMA("CheckWord", struct check_word, word_fields);

static enum status reply_words(struct req *r, const char *list, bool groups)
{
    struct check_word *words = NULL;
    size_t count = 0;
    TRY(checks_words(req_ctx(r)->db, r->arena, &r->who->org_id, groups, &words, &count));
    reply_items(r, list, &word_schema, words, count);
    return ST_OK;
}

static enum status tag_list(struct req *r)
{
    return reply_words(r, "tags", false);
}

static enum status group_list(struct req *r)
{
    return reply_words(r, "groups", true);
}

static const struct route routes[] = {
    {.method = M_POST,
     .path = "/api/v1/checks/bulk",
     .summary = "Pause, resume, delete, run, tag, group or reschedule many checks",
     .description =
         "Of the checks named by `ids` or found by a `filter`, a thousand at most. Everything "
         "but `run` is one transaction.",
     .scope = SCOPE_CHECKS_WRITE,
     .body = &bulk_schema,
     .reply = &bulk_out_schema,
     .errors = ERRORS("QUEUE_FULL", "QUEUE_UNAVAILABLE"),
     .tag = "Checks",
     .flags = ROUTE_ATOMIC,
     .handler = checks_bulk_post},
    {.method = M_GET,
     .path = "/api/v1/checks/tags",
     .summary = "List the tags of checks",
     .scope = SCOPE_CHECKS_READ,
     .reply = &word_schema,
     .list = "tags",
     .shape = REPLY_ITEMS,
     .tag = "Checks",
     .handler = tag_list},
    {.method = M_GET,
     .path = "/api/v1/checks/groups",
     .summary = "List the groups of checks",
     .scope = SCOPE_CHECKS_READ,
     .reply = &word_schema,
     .list = "groups",
     .shape = REPLY_ITEMS,
     .tag = "Checks",
     .handler = group_list},
};
const struct route_set checks_bulk_routes = {routes, ARRAY_LEN(routes)};
