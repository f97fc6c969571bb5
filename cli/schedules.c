/* Schedules as a table, in full, and as JSON in the shape of the API. */
#include "cli/schedules.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/text.h"
#include "json/write.h"
#include "queue/queue.h"

enum { OUTPUT_BYTES = 32 << 20 };

static const char *queue_of(const struct task_schedule *s)
{
    const struct task *task = task_find(s->task);
    return s->queue ? s->queue : task ? task_queue(task) : NULL;
}

static int64_t priority_of(const struct task_schedule *s)
{
    const struct task *task = task_find(s->task);
    return s->priority >= 0 ? s->priority : task ? task->priority : QUEUE_DEFAULT_PRIORITY;
}

static void put_json(struct jw *w, struct cli *cli, const struct task_schedule *s)
{
    jw_object(w);
    jw_kv_uuid(w, "id", &s->id);
    jw_kv_str(w, "name", s->name);
    jw_kv_str(w, "task", s->task);
    jw_kv_raw(w, "args", s->args);
    jw_kv_str(w, "schedule", s->schedule);
    jw_kv_str(w, "time_zone", task_schedule_zone(s, cli->arena));
    jw_kv_str(w, "queue", queue_of(s));
    jw_kv_i64(w, "priority", priority_of(s));
    jw_kv_f64(w, "jitter", (double)s->jitter_ms / 1e3);
    jw_kv_str(w, "catch_up", s->catch_up);
    jw_kv_str(w, "overlap", s->overlap);
    jw_kv_f64(w, "expires", s->expires_ms > 0 ? (double)s->expires_ms / 1e3 : __builtin_nan(""));
    jw_kv_bool(w, "enabled", s->enabled);
    jw_kv_bool(w, "is_system", uuid_is_nil(&s->org_id));
    jw_kv_time_us(w, "next_run", task_schedule_next_us(s, cli->arena, clock_wall_ms()));
    jw_kv_time_us(w, "last_run", s->last_run_us);
    jw_key(w, "last_job");
    if (uuid_is_nil(&s->last_job_id)) {
        jw_null(w);
    } else {
        jw_object(w);
        jw_kv_uuid(w, "id", &s->last_job_id);
        jw_kv_str(w, "queue", s->last_job_queue);
        jw_kv_str(w, "state", s->last_job_state);
        jw_end(w);
    }
    jw_kv_time_us(w, "created_at", s->created_us);
    jw_kv_time_us(w, "updated_at", s->updated_us);
    jw_end(w);
}

static const char *time_text(struct cli *cli, int64_t at_us)
{
    char text[TIME_TEXT_BYTES];
    if (at_us == 0)
        return NULL;
    time_format_ms(at_us / 1000, text);
    return arena_strdup(cli->arena, text);
}

static const char *next_text(struct cli *cli, const struct task_schedule *s)
{
    if (!s->enabled)
        return "paused";
    return time_text(cli, task_schedule_next_us(s, cli->arena, clock_wall_ms()));
}

int schedules_print_list(struct cli *cli, const struct task_schedule *rows, size_t count,
                         bool is_json)
{
    static const char *const titles[] = {"NAME",  "TASK", "SCHEDULE", "NEXT",
                                         "QUEUE", "LAST", "STATE"};
    AUTO_BUF out;
    buf_init(&out, OUTPUT_BYTES);
    if (is_json) {
        struct jw w;
        jw_init(&w, &out);
        jw_array(&w);
        for (size_t i = 0; i < count; i++)
            put_json(&w, cli, &rows[i]);
        jw_end(&w);
        buf_char(&out, '\n');
        return cli_print(&out);
    }
    struct table t;
    table_init(&t, cli->arena, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < count; i++) {
        const struct task_schedule *s = &rows[i];
        table_add(&t, s->name);
        table_add(&t, s->task);
        table_add(&t, s->schedule);
        table_add(&t, next_text(cli, s));
        table_add(&t, queue_of(s));
        table_add(&t, time_text(cli, s->last_run_us));
        table_add(&t, s->last_job_state);
    }
    table_print(&t, &out, 0, 0);
    return cli_print(&out);
}

static void put_line(struct buf *out, const char *title, const char *text)
{
    if (!text)
        return;
    buf_printf(out, "%-10s ", title);
    (void)text_put(out, text, 0);
    buf_char(out, '\n');
}

static void put_time(struct buf *out, const char *title, int64_t ms)
{
    char text[AGE_TEXT_BYTES];
    if (ms == 0)
        return;
    text_age(ms, text);
    put_line(out, title, text);
}

static void put_text(struct buf *out, struct cli *cli, const struct task_schedule *s)
{
    char id[UUID_TEXT_BYTES];
    uuid_format(&s->id, id);
    put_line(out, "schedule", id);
    put_line(out, "name", s->name);
    if (uuid_is_nil(&s->org_id))
        put_line(out, "owner", "the installation");
    put_line(out, "task", s->task);
    put_line(out, "arguments", s->args);
    put_line(out, "when", s->schedule);
    put_line(out, "time zone", task_schedule_zone(s, cli->arena));
    put_line(out, "next run", next_text(cli, s));
    put_line(out, "queue", queue_of(s));
    buf_printf(out, "%-10s %" PRId64 "\n", "priority", priority_of(s));
    put_time(out, "jitter", s->jitter_ms);
    put_line(out, "catch up", s->catch_up);
    put_line(out, "overlap", s->overlap);
    put_time(out, "expires", s->expires_ms);
    put_line(out, "last run", time_text(cli, s->last_run_us));
    if (uuid_is_nil(&s->last_job_id))
        return;
    uuid_format(&s->last_job_id, id);
    put_line(out, "last job", id);
    put_line(out, "its state", s->last_job_state ? s->last_job_state : "not known any more");
}

int schedules_print_one(struct cli *cli, const struct task_schedule *s, bool is_json)
{
    AUTO_BUF out;
    buf_init(&out, OUTPUT_BYTES);
    if (is_json) {
        struct jw w;
        jw_init(&w, &out);
        put_json(&w, cli, s);
        buf_char(&out, '\n');
    } else {
        put_text(&out, cli, s);
    }
    return cli_print(&out);
}

int schedules_say_errors(const struct field_errors *errors)
{
    size_t i = 0;
    json_t *error = NULL;
    json_array_foreach (errors->list, i, error) {
        AUTO_BUF where;
        size_t k = 0;
        json_t *part = NULL;
        buf_init(&where, 1024);
        json_array_foreach (json_object_get(error, "loc"), k, part) {
            if (k > 0 && json_is_string(part)) /* without "body" */
                buf_printf(&where, "%s%s", k > 1 ? "." : "", json_string_value(part));
        }
        (void)cli_fail("%s: %s", buf_cstr(&where),
                       json_string_value(json_object_get(error, "msg")));
    }
    return CLI_FAILED;
}
