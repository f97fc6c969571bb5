/* tocsin worker: who serves the queues, and what each of them does now. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/queues.h"
#include "cli/text.h"
#include "json/parse.h"

enum { OPTION_QUEUE, OPTION_JSON };
static const struct cli_option options[] = {
    [OPTION_QUEUE] = {"queue", "QUEUE", "list: only those of this queue"},
    [OPTION_JSON] = {"json", NULL, "print JSON"},
};

static void put_object(struct jw *w, const struct worker_row *row)
{
    jw_object(w);
    jw_kv_str(w, "consumer", row->consumer);
    jw_kv_bool(w, "is_alive", row->info != NULL);
    jw_key(w, "queues");
    jw_array(w);
    for (const char *s = row->queues; *s; s += strspn(s, ",")) {
        const size_t len = strcspn(s, ",");
        jw_strn(w, s, len);
        s += len;
    }
    jw_end(w);
    jw_kv_raw(w, "info", row->info);
    jw_end(w);
}

static void put_json(const struct worker_row *rows, size_t count, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_array(&w);
    for (size_t i = 0; i < count; i++)
        put_object(&w, &rows[i]);
    jw_end(&w);
    buf_char(out, '\n');
}

static void put_text(struct cli *cli, const struct worker_row *rows, size_t count, struct buf *out)
{
    static const char *const titles[] = {"WORKER",       "STATE", "HOST",    ">PID",  ">RUNNING",
                                         ">CONCURRENCY", ">UP",   "VERSION", "QUEUES"};
    struct table t;
    table_init(&t, cli->arena, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < count; i++) {
        const struct worker_row *row = &rows[i];
        const int64_t numbers[] = {row->pid, row->running, row->concurrency};
        table_add(&t, row->consumer);
        table_add(&t, row->info ? "alive" : "gone");
        table_add(&t, row->host);
        for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
            if (numbers[k] < 0)
                table_add(&t, NULL);
            else
                table_add_i64(&t, numbers[k]);
        }
        if (row->started_at_us < 0)
            table_add(&t, NULL);
        else
            table_add_age(&t, (clock_wall_us() - row->started_at_us) / 1000);
        table_add(&t, row->version);
        table_add(&t, row->queues);
    }
    table_print(&t, out, 0, 0);
}

static int collect(struct cli *cli, struct redis *r, const char *queue, struct worker_row **rows,
                   size_t *count)
{
    const char **names = NULL;
    size_t name_count = 0;
    const int code = queues_pick(cli, r, queue, &names, &name_count);
    if (code != CLI_OK)
        return code;
    const enum status st = workers_collect(r, names, name_count, cli->arena, rows, count);
    return st == ST_OK ? CLI_OK : cli_fail_redis("worker", st, r);
}

static int list(struct cli *cli, struct redis *r)
{
    struct worker_row *rows = NULL;
    size_t count = 0;
    const int code = collect(cli, r, cli->option[OPTION_QUEUE], &rows, &count);
    if (code != CLI_OK)
        return code;
    AUTO_BUF out;
    buf_init(&out, CLI_OUTPUT_BYTES);
    if (cli->option[OPTION_JSON])
        put_json(rows, count, &out);
    else
        put_text(cli, rows, count, &out);
    return cli_print(&out);
}

/* --- one --- */

static int64_t number_of(const json_t *info, const char *name)
{
    return json_integer_value(json_object_get(info, name));
}

static const char *string_of(const json_t *info, const char *name)
{
    return json_string_value(json_object_get(info, name));
}

/* "4", or "4 of 1 to 8". */
static void put_bounded(struct buf *out, const char *name, const json_t *info, const char *bounds)
{
    const json_t *b = json_object_get(info, bounds);
    const int64_t min = json_integer_value(json_array_get(b, 0));
    const int64_t max = json_integer_value(json_array_get(b, 1));
    buf_printf(out, "%-12s%" PRId64, name, number_of(info, name));
    if (json_array_size(b) == 2 && min != max)
        buf_printf(out, " of %" PRId64 " to %" PRId64, min, max);
    buf_char(out, '\n');
}

static void put_jobs(struct cli *cli, const json_t *jobs, struct buf *out)
{
    static const char *const titles[] = {"ID", "QUEUE", "TASK", ">ATTEMPT", ">SINCE", "PROGRESS"};
    struct table t;
    if (json_array_size(jobs) == 0)
        return;
    buf_char(out, '\n');
    table_init(&t, cli->arena, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        const char *since = string_of(job, "since");
        int64_t since_us = 0;
        table_add(&t, string_of(job, "id"));
        table_add(&t, string_of(job, "queue"));
        table_add(&t, string_of(job, "task"));
        table_add_i64(&t, number_of(job, "attempt"));
        if (since && time_parse_us(since, &since_us) == ST_OK)
            table_add_age(&t, MAX_OF(clock_wall_us() - since_us, (int64_t)0) / 1000);
        else
            table_add(&t, NULL);
        table_add(&t, string_of(job, "progress"));
    }
    table_print(&t, out, 0, 0);
}

static void put_one(struct cli *cli, const struct worker_row *row, struct buf *out)
{
    AUTO_JSON info = NULL;
    text_put_field(out, "worker", row->consumer);
    text_put_field(out, "state", row->info ? "alive" : "gone");
    text_put_field(out, "queues", row->queues);
    if (!row->info || json_parse(row->info, strlen(row->info), &info, NULL) != ST_OK)
        return;
    static const char *const texts[] = {"host", "version", "location"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        text_put_field(out, texts[i], string_of(info, texts[i]));
    buf_printf(out, "%-12s%" PRId64 "\n", "pid", number_of(info, "pid"));
    text_put_field(out, "started", string_of(info, "started_at"));
    put_bounded(out, "concurrency", info, "concurrency_bounds");
    put_bounded(out, "executors", info, "executor_bounds");
    buf_printf(out, "%-12s%" PRId64 "\n", "running", number_of(info, "running"));
    buf_printf(out, "%-12s%" PRId64 ", %.2f/s\n", "processed", number_of(info, "processed"),
               json_number_value(json_object_get(info, "processed_rate")));
    buf_printf(out, "%-12s%" PRId64 ", %.2f/s\n", "failed", number_of(info, "failed"),
               json_number_value(json_object_get(info, "failed_rate")));
    put_jobs(cli, json_object_get(info, "jobs"), out);
}

/* By its name, or the beginning of it: "host:pid". */
static int show(struct cli *cli, struct redis *r)
{
    struct worker_row *rows = NULL;
    const struct worker_row *found = NULL;
    size_t count = 0;
    const char *name = cli->argument[1];
    const int code = collect(cli, r, NULL, &rows, &count);
    if (code != CLI_OK)
        return code;
    for (size_t i = 0; i < count; i++) {
        if (!str_starts(rows[i].consumer, name))
            continue;
        if (found)
            return cli_fail("several workers begin with %s; see tocsin worker list", name);
        found = &rows[i];
    }
    if (!found)
        return cli_fail("there is no worker %s; see tocsin worker list", name);
    AUTO_BUF out;
    struct jw w;
    buf_init(&out, CLI_OUTPUT_BYTES);
    jw_init(&w, &out);
    if (cli->option[OPTION_JSON]) {
        put_object(&w, found);
        buf_char(&out, '\n');
    } else {
        put_one(cli, found, &out);
    }
    return cli_print(&out);
}

static int run(struct cli *cli)
{
    static const struct action actions[] = {{"list", 1, 1, list}, {"show", 2, 2, show}};
    return action_run(cli, actions, ARRAY_LEN(actions));
}

const struct command command_worker = {
    .name = "worker",
    .arguments = "list | show NAME",
    .summary = "list workers, and show what one of them runs",
    .details = "NAME is a worker's, or as much of its beginning as tells it from others.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .arguments_min = 1,
    .arguments_max = 2,
    .run = run,
};
