/* tocsin job: enqueue, list, show, cancel and retry jobs, follow their events. */
#include <inttypes.h>
#include <poll.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/queues.h"
#include "cli/text.h"
#include "queue/control.h"

enum { TAIL_STEP_MS = 200, TAIL_ARENA_BYTES = 16 << 20 };

enum {
    OPTION_QUEUE,
    OPTION_STATE,
    OPTION_TASK,
    OPTION_LIMIT,
    OPTION_COUNT,
    OPTION_PRIORITY,
    OPTION_DELAY,
    OPTION_EXPIRES,
    OPTION_ATTEMPTS,
    OPTION_DEDUP,
    OPTION_KEY,
    OPTION_KEY_LIMIT,
    OPTION_TENANT,
    OPTION_KEEP,
    OPTION_WAIT,
    OPTION_TIMEOUT,
    OPTION_JSON
};
static const struct cli_option options[] = {
    [OPTION_QUEUE] = {"queue", "QUEUE", "list, tail: only those of this queue; enqueue: there"},
    [OPTION_STATE] = {"state", "STATE", "list: running, queued, delayed or dead (default: all)"},
    [OPTION_TASK] = {"task", "TASK", "list: only those of this task"},
    [OPTION_LIMIT] = {"limit", "N", "list, group show: at most so many jobs (default: 50)"},
    [OPTION_COUNT] = {"count", "N", "tail: end after so many events"},
    [OPTION_PRIORITY] = {"priority", "N", "enqueue: 0 (first) to 3"},
    [OPTION_DELAY] = {"delay", "TIME", "enqueue: run it that much later (10s, 5m, 2h)"},
    [OPTION_EXPIRES] = {"expires", "TIME", "enqueue: drop it when its turn comes later than that"},
    [OPTION_ATTEMPTS] = {"attempts", "N", "enqueue: tried so often at most"},
    [OPTION_DEDUP] = {"dedup", "KEY", "enqueue: only one job alive has this key"},
    [OPTION_KEY] = {"key", "KEY", "enqueue: of the limits of what runs at a time"},
    [OPTION_KEY_LIMIT] = {"key-limit", "N", "enqueue: so many jobs of the key at a time"},
    [OPTION_TENANT] = {"tenant", "NAME",
                       "list: only this one's; enqueue, group, chain: takes turns with others'"},
    [OPTION_KEEP] = {"keep", "TIME", "enqueue: how long its result is kept"},
    [OPTION_WAIT] = {"wait", NULL, "enqueue: until it has ended, and show how"},
    [OPTION_TIMEOUT] = {"timeout", "TIME", "enqueue: … but no longer than that (default: 60s)"},
    [OPTION_JSON] = {"json", NULL, "print JSON; tail: a line each event"},
};

static int list(struct cli *cli, struct redis *r)
{
    static const enum job_state states[] = {JOB_RUNNING, JOB_QUEUED, JOB_DELAYED, JOB_DEAD};
    const char *text = cli->option[OPTION_STATE];
    int64_t limit = 50;
    enum job_state state = JOB_STATE_COUNT_;
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (str_eq(text, job_state_name(states[i])))
            state = states[i];
    }
    if (text && state == JOB_STATE_COUNT_)
        return cli_usage(cli, "--state: running, queued, delayed or dead");
    const int code = cli_number(cli, OPTION_LIMIT, 1, LIMIT_JOB_SCAN, &limit);
    if (code != CLI_OK)
        return code;
    const struct job_filter filter = {.queue = cli->option[OPTION_QUEUE],
                                      .task = cli->option[OPTION_TASK],
                                      .tenant = cli->option[OPTION_TENANT],
                                      .state = state,
                                      .limit = (size_t)limit,
                                      .is_json = cli->option[OPTION_JSON] != NULL};
    return jobs_print_list(cli, r, &filter);
}

static int show(struct cli *cli, struct redis *r)
{
    AUTO_FOUND found = {0};
    const int code = jobs_find(cli, r, cli->argument[1], &found);
    return code == CLI_OK ? jobs_print_one(&found, cli->option[OPTION_JSON] != NULL) : code;
}

static int say(struct cli *cli, const char *json_state, const char *text)
{
    AUTO_BUF out;
    buf_init(&out, 512);
    if (cli->option[OPTION_JSON])
        buf_printf(&out, "{\"state\":\"%s\"}\n", json_state);
    else
        buf_printf(&out, "%s\n", text);
    return cli_print(&out);
}

static int cancel(struct cli *cli, struct redis *r)
{
    AUTO_FOUND found = {0};
    const int code = jobs_find(cli, r, cli->argument[1], &found);
    if (code != CLI_OK)
        return code;
    /* A dead letter and what has a result have ended: nothing would ever hear the wish. */
    const enum job_state was = found.view.state;
    enum job_state state = JOB_QUEUED;
    enum status st = ST_CONFLICT;
    if (was == JOB_QUEUED || was == JOB_DELAYED || was == JOB_RUNNING)
        st = queue_cancel(found.q, r, &found.view.job.id, clock_wall_ms(), &state);
    if (st == ST_CONFLICT)
        return cli_fail("the job has ended: %s", job_view_state(&found.view));
    if (st != ST_OK)
        return cli_fail_redis("job cancel", st, r);
    if (state == JOB_CANCELLED)
        return say(cli, "cancelled", "cancelled");
    return say(cli, job_view_state(&found.view),
               was == JOB_RUNNING ? "it runs; its worker is told to end it"
                                  : "it is dropped when its turn comes");
}

static int retry(struct cli *cli, struct redis *r)
{
    AUTO_FOUND found = {0};
    const int code = jobs_find(cli, r, cli->argument[1], &found);
    if (code != CLI_OK)
        return code;
    if (found.view.state != JOB_DEAD)
        return cli_fail("the job is %s; what can be retried is dead", job_view_state(&found.view));
    const enum status st = queue_dead_requeue(found.q, r, &found.view.job.id);
    if (st != ST_OK)
        return cli_fail_redis("job retry", st, r);
    return say(cli, "queued", "queued again, from its first attempt");
}

/* --- tail --- */

struct tail {
    struct cli *cli;
    struct redis *r;
    const char **names;
    size_t count;
    struct queue **queues;
    char (*cursor)[64];
    int64_t left; /* events to print */
};

static void put_event(const struct tail *t, const char *queue, const struct job_event *e,
                      struct buf *out)
{
    char at[TIME_TEXT_BYTES], id[UUID_TEXT_BYTES];
    if (t->cli->option[OPTION_JSON]) {
        struct jw w;
        jw_init(&w, out);
        jw_object(&w);
        jw_kv_time_us(&w, "at", e->at_ms * 1000);
        jw_kv_str(&w, "queue", queue);
        jw_kv_str(&w, "event", e->event);
        jw_kv_uuid(&w, "id", &e->id);
        jw_kv_str(&w, "task", e->task);
        jw_kv_i64(&w, "attempt", e->attempt);
        jw_kv_str(&w, "reason", e->reason);
        jw_end(&w);
        buf_char(out, '\n');
        return;
    }
    time_format_ms(e->at_ms, at);
    uuid_format(&e->id, id);
    buf_printf(out, "%-24s  %-12s  ", at, queue);
    const size_t width = text_put(out, e->event, 0);
    buf_printf(out, "%*s  %s  ", width < 9 ? (int)(9 - width) : 0, "", id);
    (void)text_put(out, e->task ? e->task : "-", 0);
    if (e->attempt > 0)
        buf_printf(out, "  attempt %" PRId64, e->attempt);
    if (e->reason) {
        buf_str(out, "  ");
        (void)text_put(out, e->reason, 0);
    }
    buf_char(out, '\n');
}

/* One look at one queue. */
static enum status tail_queue(struct tail *t, size_t i, struct arena *arena, struct buf *out)
{
    struct job_event *events = NULL;
    size_t count = 0;
    const char *next = NULL;
    TRY(queue_events_read(t->queues[i], t->r, t->cursor[i], LIMIT_JOB_LIST, arena, &events, &count,
                          &next));
    for (size_t k = 0; k < count && t->left > 0; k++, t->left--)
        put_event(t, t->names[i], &events[k], out);
    return str_copy(t->cursor[i], sizeof(t->cursor[i]), next) ? ST_OK : ST_CORRUPT;
}

static int tail_follow(struct tail *t)
{
    AUTO_ARENA arena = arena_new(TAIL_ARENA_BYTES);
    AUTO_BUF out;
    buf_init(&out, CLI_OUTPUT_BYTES);
    if (!arena)
        return cli_fail("out of memory");
    while (t->left > 0 && !cli_is_stopped()) {
        buf_reset(&out);
        for (size_t i = 0; i < t->count && t->left > 0; i++) {
            arena_reset(arena);
            const enum status st = tail_queue(t, i, arena, &out);
            if (st != ST_OK && !cli_is_stopped())
                return cli_fail_redis("job tail", st, t->r);
        }
        if (out.len > 0 && cli_print(&out) != CLI_OK)
            return CLI_FAILED;
        if (t->left > 0)
            (void)poll(NULL, 0, TAIL_STEP_MS);
    }
    return CLI_OK;
}

static int tail(struct cli *cli, struct redis *r)
{
    struct tail t = {.cli = cli, .r = r, .left = INT64_MAX};
    int code = cli_number(cli, OPTION_COUNT, 1, INT64_MAX, &t.left);
    if (code == CLI_OK)
        code = queues_pick(cli, r, cli->option[OPTION_QUEUE], &t.names, &t.count);
    if (code != CLI_OK)
        return code;
    t.queues = arena_array(cli->arena, t.count, sizeof(struct queue *));
    t.cursor = arena_array(cli->arena, t.count, sizeof(*t.cursor));
    if (!t.queues || !t.cursor)
        return cli_fail("out of memory");
    enum status st = ST_OK;
    for (size_t i = 0; i < t.count && st == ST_OK; i++) {
        (void)str_copy(t.cursor[i], sizeof(t.cursor[i]), "$");
        st = queue_new(t.names[i], 0, &t.queues[i]);
    }
    cli_catch_stop();
    code = st == ST_OK ? tail_follow(&t) : cli_fail("job tail: %s", status_title(st));
    for (size_t i = 0; i < t.count; i++)
        queue_free(t.queues[i]);
    return code;
}

static int enqueue(struct cli *cli, struct redis *r)
{
    struct job_wish wish = {
        .task = cli->argument[1],
        .args = cli->argument_count > 2 ? cli->argument[2] : "{}",
        .queue = cli->option[OPTION_QUEUE],
        .delay = cli->option[OPTION_DELAY],
        .expires = cli->option[OPTION_EXPIRES],
        .result_ttl = cli->option[OPTION_KEEP],
        .dedup = cli->option[OPTION_DEDUP],
        .key = cli->option[OPTION_KEY],
        .tenant = cli->option[OPTION_TENANT],
        .priority = -1,
        .attempts = -1,
        .key_limit = -1,
        .is_json = cli->option[OPTION_JSON] != NULL,
    };
    int code = cli_number(cli, OPTION_PRIORITY, 0, QUEUE_PRIORITIES - 1, &wish.priority);
    if (code == CLI_OK)
        code = cli_number(cli, OPTION_ATTEMPTS, 1, 1000, &wish.attempts);
    if (code == CLI_OK)
        code = cli_number(cli, OPTION_KEY_LIMIT, 1, INT32_MAX, &wish.key_limit);
    if (code != CLI_OK)
        return code;
    const char *timeout = cli->option[OPTION_TIMEOUT] ? cli->option[OPTION_TIMEOUT] : "60s";
    if (cli->option[OPTION_WAIT] &&
        (conf_parse_ms(timeout, &wish.wait_ms) != ST_OK || wish.wait_ms == 0))
        return cli_usage(cli, "--timeout: a time like 30s, 5m");
    return job_enqueue(cli, r, &wish);
}

static int group(struct cli *cli, struct redis *r)
{
    const char *word = cli->argument[1];
    const bool is_json = cli->option[OPTION_JSON] != NULL;
    int64_t limit = 50;
    const int code = cli_number(cli, OPTION_LIMIT, 0, LIMIT_GROUP_JOBS, &limit);
    if (code != CLI_OK)
        return code;
    if (cli->argument_count == 2) {
        const struct group_wish wish = {word, cli->option[OPTION_TENANT], is_json};
        return job_group_enqueue(cli, r, &wish);
    }
    if (str_eq(word, "show"))
        return job_group_show(cli, r, cli->argument[2], (size_t)limit, is_json);
    if (str_eq(word, "cancel"))
        return job_group_cancel(cli, r, cli->argument[2], is_json);
    return cli_usage(cli, "group: FILE, show ID or cancel ID");
}

static int chain(struct cli *cli, struct redis *r)
{
    const struct group_wish wish = {cli->argument[1], cli->option[OPTION_TENANT],
                                    cli->option[OPTION_JSON] != NULL};
    return job_chain_enqueue(cli, r, &wish);
}

static int run(struct cli *cli)
{
    static const struct action actions[] = {{"enqueue", 2, 3, enqueue}, {"list", 1, 1, list},
                                            {"show", 2, 2, show},       {"cancel", 2, 2, cancel},
                                            {"retry", 2, 2, retry},     {"tail", 1, 1, tail},
                                            {"group", 2, 3, group},     {"chain", 2, 2, chain}};
    return action_run(cli, actions, ARRAY_LEN(actions));
}

const struct command command_job = {
    .name = "job",
    .arguments = "enqueue TASK [ARGS-JSON] | list | show ID | cancel ID | retry ID | tail | "
                 "group FILE | group show ID | group cancel ID | chain FILE",
    .summary = "enqueue, list, show, cancel and retry jobs, groups and chains, follow their events",
    .details =
        "enqueue prints the job's id; with --wait the exit status tells whether it "
        "succeeded. tail follows until Ctrl-C. Events of jobs that succeed are written only while "
        "somebody follows. "
        "group and chain take FILE (- is standard input) as POST /api/v1/jobs/groups and /chains "
        "do, as in {\"jobs\": [{\"task\": \"queue.noop\"}], \"callback\": {\"task\": "
        "\"queue.noop\"}}, and print the id of the group, or of each job of the chain.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .arguments_min = 1,
    .arguments_max = 3,
    .run = run,
};
