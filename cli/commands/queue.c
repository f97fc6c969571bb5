/* tocsin queue: look at queues, pause, resume and purge them. */
#include "queue/control.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/queues.h"
#include "cli/text.h"

enum { OPTION_STATE, OPTION_YES, OPTION_BY, OPTION_JSON };
static const struct cli_option options[] = {
    [OPTION_STATE] = {"state", "STATE", "purge: queued, delayed or dead"},
    [OPTION_YES] = {"yes", NULL, "purge: do not ask"},
    [OPTION_BY] = {"by", "TEXT", "pause: who and why, shown with the queue"},
    [OPTION_JSON] = {"json", NULL, "print JSON"},
};

struct row {
    const char *name;
    struct queue_info info;
};

static int collect(struct cli *cli, struct redis *r, const char *only, struct row **out,
                   size_t *count)
{
    const char **names = NULL;
    const int code = queues_pick(cli, r, only, &names, count);
    if (code != CLI_OK)
        return code;
    struct row *rows = arena_array(cli->arena, *count, sizeof(*rows));
    enum status st = rows ? ST_OK : ST_NO_MEMORY;
    for (size_t i = 0; st == ST_OK && i < *count; i++) {
        AUTO_QUEUE q = NULL;
        rows[i].name = names[i];
        st = queue_new(names[i], 0, &q);
        if (st == ST_OK)
            st = queue_info_get(q, r, clock_wall_ms(), cli->arena, &rows[i].info);
    }
    *out = rows;
    return st == ST_OK ? CLI_OK : cli_fail_redis("queues", st, r);
}

static void put_json(struct jw *w, const struct row *row)
{
    const struct queue_info *q = &row->info;
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"depth", q->depth},
        {"lag", q->lag},
        {"in_flight", q->in_flight},
        {"delayed", q->delayed},
        {"dead", q->dead},
        {"oldest_age_ms", q->oldest_age_ms},
        {"late_ms", q->late_ms},
        {"workers", q->workers},
        {"enqueued_total", q->enqueued},
        {"succeeded_total", q->succeeded},
        {"retried_total", q->retried},
        {"dead_total", q->died},
        {"cancelled_total", q->cancelled},
        {"expired_total", q->expired},
        {"redelivered_total", q->redelivered},
    };
    jw_object(w);
    jw_kv_str(w, "name", row->name);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        jw_kv_i64(w, numbers[i].name, numbers[i].value);
    jw_key(w, "waiting");
    jw_array(w);
    for (size_t p = 0; p < QUEUE_PRIORITIES; p++)
        jw_i64(w, q->waiting[p]);
    jw_end(w);
    jw_kv_bool(w, "is_paused", q->is_paused);
    jw_kv_time_us(w, "paused_at", q->paused_at_ms * 1000);
    jw_kv_str(w, "paused_by", q->paused_by);
    jw_kv_str(w, "broken", q->broken);
    jw_end(w);
}

static int print_json(const struct row *rows, size_t count, bool is_list)
{
    AUTO_BUF out;
    struct jw w;
    buf_init(&out, CLI_OUTPUT_BYTES);
    jw_init(&w, &out);
    if (is_list)
        jw_array(&w);
    for (size_t i = 0; i < count; i++)
        put_json(&w, &rows[i]);
    if (is_list)
        jw_end(&w);
    buf_char(&out, '\n');
    return cli_print(&out);
}

static int print_table(struct table *t)
{
    AUTO_BUF out;
    buf_init(&out, CLI_OUTPUT_BYTES);
    table_print(t, &out, 0, 0);
    return cli_print(&out);
}

static int list(struct cli *cli, struct redis *r)
{
    static const char *const titles[] = {"QUEUE", ">WAITING", ">RUNNING", ">DELAYED",
                                         ">DEAD", ">OLDEST",  ">WORKERS", "STATE"};
    struct row *rows = NULL;
    size_t count = 0;
    const int code = collect(cli, r, NULL, &rows, &count);
    if (code != CLI_OK)
        return code;
    if (cli->option[OPTION_JSON])
        return print_json(rows, count, true);
    struct table t;
    table_init(&t, cli->arena, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < count; i++) {
        const struct queue_info *q = &rows[i].info;
        table_add(&t, rows[i].name);
        table_add_i64(&t, q->depth);
        table_add_i64(&t, q->in_flight);
        table_add_i64(&t, q->delayed);
        table_add_i64(&t, q->dead);
        table_add_age(&t, q->oldest_age_ms);
        table_add_i64(&t, q->workers);
        table_add(&t, queue_state_text(q));
    }
    return print_table(&t);
}

static int stats(struct cli *cli, struct redis *r)
{
    static const char *const titles[] = {"QUEUE", ">ENQUEUED",  ">SUCCEEDED", ">RETRIED",
                                         ">DEAD", ">CANCELLED", ">EXPIRED",   ">REDELIVERED"};
    struct row *rows = NULL;
    size_t count = 0;
    const int code = collect(cli, r, cli->argument[1], &rows, &count);
    if (code != CLI_OK)
        return code;
    if (cli->option[OPTION_JSON])
        return print_json(rows, count, true);
    struct table t;
    table_init(&t, cli->arena, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < count; i++) {
        const struct queue_info *q = &rows[i].info;
        const int64_t numbers[] = {q->enqueued,  q->succeeded, q->retried,    q->died,
                                   q->cancelled, q->expired,   q->redelivered};
        table_add(&t, rows[i].name);
        for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
            table_add_i64(&t, numbers[k]);
    }
    return print_table(&t);
}

static void put_show(const struct row *row, struct buf *out)
{
    const struct queue_info *q = &row->info;
    char oldest[AGE_TEXT_BYTES], late[AGE_TEXT_BYTES], at[TIME_TEXT_BYTES];
    text_age(q->oldest_age_ms, oldest);
    text_age(q->late_ms, late);
    buf_printf(out, "queue      %s\n", row->name);
    if (q->is_paused) {
        time_format_ms(q->paused_at_ms, at);
        buf_printf(out, "state      paused since %s", at);
        if (!str_is_empty(q->paused_by)) {
            buf_str(out, " by ");
            (void)text_put(out, q->paused_by, 0);
        }
        buf_char(out, '\n');
    } else {
        buf_str(out, "state      active\n");
    }
    if (q->is_broken)
        buf_printf(out, "broken     %s\n", q->broken);
    buf_printf(out, "waiting    %" PRId64 " (by priority:", q->depth);
    for (size_t p = 0; p < QUEUE_PRIORITIES; p++)
        buf_printf(out, " %" PRId64, q->waiting[p]);
    buf_printf(out, "), oldest %s\n", oldest);
    buf_printf(out, "running    %" PRId64 " on %" PRId64 " workers\n", q->in_flight, q->workers);
    buf_printf(out, "delayed    %" PRId64 ", overdue %s\n", q->delayed, late);
    buf_printf(out, "dead       %" PRId64 "\n", q->dead);
    buf_printf(
        out,
        "ever       %" PRId64 " enqueued, %" PRId64 " succeeded, %" PRId64 " retried, %" PRId64
        " dead, %" PRId64 " cancelled, %" PRId64 " expired, %" PRId64 " redelivered\n",
        q->enqueued, q->succeeded, q->retried, q->died, q->cancelled, q->expired, q->redelivered);
}

static int show_row(struct cli *cli, struct redis *r, const char *name)
{
    struct row *rows = NULL;
    size_t count = 0;
    const int code = collect(cli, r, name, &rows, &count);
    if (code != CLI_OK)
        return code;
    if (cli->option[OPTION_JSON])
        return print_json(rows, count, false);
    AUTO_BUF out;
    buf_init(&out, CLI_OUTPUT_BYTES);
    put_show(&rows[0], &out);
    return cli_print(&out);
}

static int show(struct cli *cli, struct redis *r)
{
    return show_row(cli, r, cli->argument[1]);
}

static int pause_it(struct cli *cli, struct redis *r)
{
    AUTO_QUEUE q = NULL;
    const char *login = getlogin();
    const char *by = cli->option[OPTION_BY] ? cli->option[OPTION_BY] : login;
    const int code = queues_open(cli, r, cli->argument[1], &q);
    if (code != CLI_OK)
        return code;
    const enum status st = queue_pause(q, r, by, clock_wall_ms());
    return st == ST_OK ? show_row(cli, r, cli->argument[1]) : cli_fail_redis("queue pause", st, r);
}

static int resume(struct cli *cli, struct redis *r)
{
    AUTO_QUEUE q = NULL;
    const int code = queues_open(cli, r, cli->argument[1], &q);
    if (code != CLI_OK)
        return code;
    const enum status st = queue_resume(q, r);
    return st == ST_OK ? show_row(cli, r, cli->argument[1]) : cli_fail_redis("queue resume", st, r);
}

static int purge(struct cli *cli, struct redis *r)
{
    static const enum job_state states[] = {JOB_QUEUED, JOB_DELAYED, JOB_DEAD};
    enum job_state state = JOB_STATE_COUNT_;
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (str_eq(cli->option[OPTION_STATE], job_state_name(states[i])))
            state = states[i];
    }
    if (state == JOB_STATE_COUNT_)
        return cli_usage(cli, "purge wants --state queued, delayed or dead");
    AUTO_QUEUE q = NULL;
    const char *name = cli->argument[1];
    struct queue_info info;
    int64_t removed = 0;
    const int code = queues_open(cli, r, name, &q);
    if (code != CLI_OK)
        return code;
    enum status st = queue_info_get(q, r, clock_wall_ms(), cli->arena, &info);
    if (st != ST_OK)
        return cli_fail_redis("queue purge", st, r);
    const int64_t count = state == JOB_QUEUED    ? info.depth
                          : state == JOB_DELAYED ? info.delayed
                                                 : info.dead;
    const char *question = arena_printf(cli->arena, "Remove %" PRId64 " %s jobs of %s for good?",
                                        count, job_state_name(state), name);
    if (!cli->option[OPTION_YES] && !(question && cli_confirm(question)))
        return cli_fail("nothing was removed");
    st = queue_purge(q, r, state, &removed);
    if (st != ST_OK)
        return cli_fail_redis("queue purge", st, r);
    (void)printf(cli->option[OPTION_JSON] ? "{\"removed\":%" PRId64 "}\n" : "%" PRId64 " removed\n",
                 removed);
    return CLI_OK;
}

static int run(struct cli *cli)
{
    static const struct action actions[] = {{"list", 1, 1, list},     {"show", 2, 2, show},
                                            {"stats", 1, 2, stats},   {"pause", 2, 2, pause_it},
                                            {"resume", 2, 2, resume}, {"purge", 2, 2, purge}};
    return action_run(cli, actions, ARRAY_LEN(actions));
}

const struct command command_queue = {
    .name = "queue",
    .arguments = "list | show QUEUE | stats [QUEUE] | pause QUEUE | resume QUEUE | purge QUEUE",
    .summary = "look at queues, pause, resume and purge them",
    .details = "A paused queue takes jobs and gives none. Purging removes what waits, not what "
               "runs; it asks first.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .arguments_min = 1,
    .arguments_max = 2,
    .run = run,
};
