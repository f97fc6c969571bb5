/* tocsin worker: who serves the queues. */
#include "base/clock.h"
#include "base/str.h"
#include "cli/queues.h"
#include "cli/text.h"

enum { OPTION_QUEUE, OPTION_JSON };
static const struct cli_option options[] = {
    [OPTION_QUEUE] = {"queue", "QUEUE", "only those of this queue"},
    [OPTION_JSON] = {"json", NULL, "print JSON"},
};

static void put_json(const struct worker_row *rows, size_t count, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_array(&w);
    for (size_t i = 0; i < count; i++) {
        jw_object(&w);
        jw_kv_str(&w, "consumer", rows[i].consumer);
        jw_kv_bool(&w, "is_alive", rows[i].info != NULL);
        jw_key(&w, "queues");
        jw_array(&w);
        for (const char *s = rows[i].queues; *s; s += strspn(s, ",")) {
            const size_t len = strcspn(s, ",");
            jw_strn(&w, s, len);
            s += len;
        }
        jw_end(&w);
        jw_kv_raw(&w, "info", rows[i].info);
        jw_end(&w);
    }
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

static int list(struct cli *cli, struct redis *r)
{
    const char **names = NULL;
    struct worker_row *rows = NULL;
    size_t name_count = 0, count = 0;
    const int code = queues_pick(cli, r, cli->option[OPTION_QUEUE], &names, &name_count);
    if (code != CLI_OK)
        return code;
    const enum status st = workers_collect(r, names, name_count, cli->arena, &rows, &count);
    if (st != ST_OK)
        return cli_fail_redis("worker list", st, r);
    AUTO_BUF out;
    buf_init(&out, CLI_OUTPUT_BYTES);
    if (cli->option[OPTION_JSON])
        put_json(rows, count, &out);
    else
        put_text(cli, rows, count, &out);
    return cli_print(&out);
}

static int run(struct cli *cli)
{
    static const struct action actions[] = {{"list", 1, 1, list}};
    return action_run(cli, actions, ARRAY_LEN(actions));
}

const struct command command_worker = {
    .name = "worker",
    .arguments = "list",
    .summary = "list workers with what they run",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
