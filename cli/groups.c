/* Groups and chains of jobs from the command line. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/queues.h"
#include "cli/text.h"
#include "json/parse.h"
#include "queue/group.h"
#include "queue/orders.h"

enum { FILE_BYTES = 4 << 20 };

/* --- files --- */

/* "jobs[1].task: …", a line each. */
static int refuse(const char *file, const struct field_errors *errors)
{
    size_t i = 0, k = 0;
    const json_t *error = NULL, *part = NULL;
    AUTO_BUF out;
    buf_init(&out, 1 << 16);
    json_array_foreach (errors->list, i, error) {
        buf_str(&out, "\n  ");
        json_array_foreach (json_object_get(error, "loc"), k, part) {
            if (json_is_integer(part))
                buf_printf(&out, "[%" JSON_INTEGER_FORMAT "]", json_integer_value(part));
            else if (k > 0) /* not "body" */
                buf_printf(&out, "%s%s", k > 1 ? "." : "", json_string_value(part));
        }
        buf_str(&out, ": ");
        (void)text_put(&out, json_string_value(json_object_get(error, "msg")), 0);
    }
    return cli_fail("%s is not valid:%s", file, buf_cstr(&out));
}

/* The file bound by its table; *json holds what it borrows. */
static int read_order(struct cli *cli, const char *file, const struct schema *schema, void *out,
                      json_t **json)
{
    AUTO_BUF text;
    AUTO_FIELD_ERRORS errors = {0};
    struct errbuf err = {""};
    buf_init(&text, FILE_BYTES);
    enum status st = cli_read_file(file, &text);
    if (st != ST_OK)
        return cli_fail("%s: %s", file, st == ST_TOO_LARGE ? "too large" : "it cannot be read");
    st = json_parse(buf_cstr(&text), text.len, json, &err);
    if (st != ST_OK)
        return cli_fail("%s is no JSON: %s", file, err.text);
    st = schema_bind(schema, *json, cli->arena, out, &errors);
    if (st == ST_INVALID)
        return refuse(file, &errors);
    return st == ST_OK ? CLI_OK : cli_fail("%s: %s", file, status_title(st));
}

/* Whoever has the command line may run any task. */
static struct order_maker maker_of(const struct group_wish *wish)
{
    const int64_t now_us = clock_wall_us();
    return (struct order_maker){
        .tenant = wish->tenant, .may_internal = true, .now_ms = now_us / 1000, .slot_us = now_us};
}

/* --- one group --- */

struct found_group {
    struct uuid id;
    char name[GROUP_NAME_BYTES];
    struct group_view view;
    const char *callback; /* its state */
    struct group_member_view *members;
    size_t count;
};

static enum status load_members(struct cli *cli, struct redis *r, size_t limit,
                                struct found_group *g)
{
    g->members = arena_array(cli->arena, MAX_OF(limit, (size_t)1), sizeof(*g->members));
    if (!g->members)
        return ST_NO_MEMORY;
    while (g->count < limit) {
        struct group_member_view *some = NULL;
        size_t count = 0;
        TRY(queue_group_members(r, g->name, g->count, limit - g->count, cli->arena, &some, &count));
        if (count == 0)
            break;
        memcpy(g->members + g->count, some, count * sizeof(*some));
        g->count += count;
    }
    return ST_OK;
}

static int find_group(struct cli *cli, struct redis *r, const char *id, size_t limit,
                      struct found_group *g)
{
    if (uuid_parse(id, &g->id) != ST_OK)
        return cli_usage(cli, "%s is no id of a group", id);
    enum status st = queue_group_name(GROUP_HOME, &g->id, g->name);
    if (st == ST_OK)
        st = queue_group_get(r, g->name, cli->arena, &g->view);
    if (st == ST_OK)
        st = queue_group_callback(r, &g->view, cli->arena, &g->callback);
    if (st == ST_OK)
        st = load_members(cli, r, limit, g);
    if (st == ST_NOT_FOUND)
        return cli_fail("there is no group %s, or it is forgotten", id);
    return st == ST_OK ? CLI_OK : cli_fail_redis("job group", st, r);
}

static const char *end_of(const struct group_member_view *m)
{
    return m->state == JOB_STATE_COUNT_ ? "pending" : job_state_name(m->state);
}

static void put_json(const struct found_group *g, struct jw *w)
{
    const struct group_view *v = &g->view;
    jw_object(w);
    jw_kv_uuid(w, "id", &g->id);
    jw_kv_str(w, "status", queue_group_status(v));
    jw_kv_bool(w, "is_lenient", v->is_lenient);
    jw_kv_i64(w, "total", v->total);
    jw_kv_i64(w, "succeeded", v->succeeded);
    jw_kv_i64(w, "failed", v->failed);
    jw_kv_i64(w, "pending", queue_group_pending(v));
    jw_kv_str(w, "tenant", v->tenant);
    jw_kv_time_us(w, "created_at", v->created_at_ms * 1000);
    jw_kv_time_us(w, "cancelled_at", v->cancelled_at_ms * 1000);
    jw_kv_time_us(w, "expires_at", v->expires_at_ms * 1000);
    jw_key(w, "callback");
    if (v->callback.task) {
        jw_object(w);
        jw_kv_uuid(w, "id", &v->callback.id);
        jw_kv_str(w, "task", v->callback.task);
        jw_kv_str(w, "state", g->callback);
        jw_end(w);
    } else {
        jw_null(w);
    }
    jw_key(w, "jobs");
    jw_array(w);
    for (size_t i = 0; i < g->count; i++) {
        jw_object(w);
        jw_kv_uuid(w, "id", &g->members[i].id);
        jw_kv_str(w, "queue", g->members[i].queue);
        jw_kv_str(w, "state", end_of(&g->members[i]));
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

static void put_text(struct cli *cli, const struct found_group *g, struct buf *out)
{
    static const char *const titles[] = {"JOB", "QUEUE", "STATE"};
    const struct group_view *v = &g->view;
    char id[UUID_TEXT_BYTES], created[TIME_TEXT_BYTES];
    uuid_format(&g->id, id);
    time_format_ms(v->created_at_ms, created);
    buf_printf(out, "%-12s%s\n%-12s%s%s\n%-12s%" PRId64 "\n", "group", id, "status",
               queue_group_status(v), v->is_lenient ? ", lenient" : "", "total", v->total);
    buf_printf(out, "%-12s%" PRId64 "\n%-12s%" PRId64 "\n%-12s%" PRId64 "\n", "succeeded",
               v->succeeded, "failed", v->failed, "pending", queue_group_pending(v));
    if (v->created_at_ms > 0)
        buf_printf(out, "%-12s%s\n", "created", created);
    if (v->tenant) {
        buf_printf(out, "%-12s", "tenant");
        (void)text_put(out, v->tenant, 0);
        buf_char(out, '\n');
    }
    if (v->callback.task) {
        uuid_format(&v->callback.id, id);
        buf_printf(out, "%-12s%s  ", "callback", id);
        (void)text_put(out, v->callback.task, 0);
        buf_printf(out, "  %s\n", g->callback ? g->callback : "not known");
    }
    if (g->count == 0)
        return;
    struct table t;
    buf_char(out, '\n');
    table_init(&t, cli->arena, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < g->count; i++) {
        uuid_format(&g->members[i].id, id);
        table_add(&t, id);
        table_add(&t, g->members[i].queue);
        table_add(&t, end_of(&g->members[i]));
    }
    table_print(&t, out, 0, 0);
}

static int print_group(struct cli *cli, const struct found_group *g, bool is_json)
{
    AUTO_BUF out;
    struct jw w;
    buf_init(&out, CLI_OUTPUT_BYTES);
    jw_init(&w, &out);
    if (is_json) {
        put_json(g, &w);
        buf_char(&out, '\n');
    } else {
        put_text(cli, g, &out);
    }
    return cli_print(&out);
}

int job_group_show(struct cli *cli, struct redis *r, const char *id, size_t limit, bool is_json)
{
    struct found_group g = {.count = 0};
    const int code = find_group(cli, r, id, limit, &g);
    return code == CLI_OK ? print_group(cli, &g, is_json) : code;
}

int job_group_cancel(struct cli *cli, struct redis *r, const char *id, bool is_json)
{
    struct found_group g = {.count = 0}, now = {.count = 0};
    const int code = find_group(cli, r, id, 0, &g);
    if (code != CLI_OK)
        return code;
    const enum status st = queue_group_cancel(r, g.name, clock_wall_ms());
    if (st == ST_CONFLICT)
        return cli_fail("all jobs of the group have ended: %s", queue_group_status(&g.view));
    if (st != ST_OK)
        return cli_fail_redis("job group cancel", st, r);
    const int found = find_group(cli, r, id, 0, &now);
    return found == CLI_OK ? print_group(cli, &now, is_json) : found;
}

/* --- enqueueing --- */

int job_group_enqueue(struct cli *cli, struct redis *r, const struct group_wish *wish)
{
    AUTO_JSON json = NULL;
    AUTO_FIELD_ERRORS errors = {0};
    struct group_order order = {.lenient = {0}};
    struct group_plan plan;
    const char *name = NULL;
    const int code = read_order(cli, wish->file, &group_order_schema, &order, &json);
    if (code != CLI_OK)
        return code;
    const struct order_maker who = maker_of(wish);
    enum status st = group_order_read(&who, &order, cli->arena, &plan, &errors);
    if (st == ST_INVALID)
        return refuse(wish->file, &errors);
    if (st == ST_OK)
        st = group_plan_enqueue(r, &plan, who.now_ms, cli->arena, &name);
    if (st == ST_TOO_LARGE)
        return cli_fail("%s: on more than %d queues", wish->file, GROUP_QUEUES_MAX);
    if (st == ST_OVERLOADED)
        return cli_fail("a queue is full: the group was cancelled");
    if (st != ST_OK)
        return cli_fail_redis("job group", st, r);
    char id[UUID_TEXT_BYTES];
    uuid_format(&plan.id, id);
    if (wish->is_json)
        return job_group_show(cli, r, id, LIMIT_GROUP_JOBS, true);
    AUTO_BUF out;
    buf_init(&out, 128);
    buf_printf(&out, "%s\n", id);
    return cli_print(&out);
}

static int print_chain(const struct job *jobs, size_t count, bool is_json)
{
    AUTO_BUF out;
    struct jw w;
    buf_init(&out, 1 << 16);
    jw_init(&w, &out);
    if (is_json)
        jw_array(&w);
    for (size_t i = 0; i < count; i++) {
        char id[UUID_TEXT_BYTES];
        uuid_format(&jobs[i].id, id);
        if (!is_json) {
            buf_printf(&out, "%s\n", id);
            continue;
        }
        jw_object(&w);
        jw_kv_str(&w, "id", id);
        jw_kv_str(&w, "task", jobs[i].task);
        jw_kv_str(&w, "queue", job_home(&jobs[i]));
        jw_end(&w);
    }
    if (is_json) {
        jw_end(&w);
        buf_char(&out, '\n');
    }
    return cli_print(&out);
}

int job_chain_enqueue(struct cli *cli, struct redis *r, const struct group_wish *wish)
{
    AUTO_JSON json = NULL;
    AUTO_FIELD_ERRORS errors = {0};
    struct chain_order order = {.jobs = {0}};
    struct job *jobs = NULL;
    struct task_args *args = NULL;
    AUTO_QUEUE q = NULL;
    const int code = read_order(cli, wish->file, &chain_order_schema, &order, &json);
    if (code != CLI_OK)
        return code;
    const struct order_maker who = maker_of(wish);
    enum status st = chain_order_read(&who, &order, cli->arena, &jobs, &args, &errors);
    if (st == ST_INVALID)
        return refuse(wish->file, &errors);
    if (st == ST_TOO_LARGE)
        return cli_fail("%s: its jobs are larger than 128 KiB together", wish->file);
    if (st == ST_OK)
        st = queue_new(job_home(&jobs[0]), 0, &q);
    if (st == ST_OK)
        st = job_chain_note(r, &jobs[0]);
    if (st == ST_OK)
        st = queue_enqueue(q, r, &jobs[0]);
    if (st != ST_OK)
        return cli_fail_redis("job chain", st, r);
    return print_chain(jobs, order.jobs.count, wish->is_json);
}
