/* Enqueueing one job from the command line, and waiting for its end. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/queues.h"
#include "cli/text.h"
#include "json/parse.h"

enum {
    LOOK_MS = 500,        /* a lost message costs no more than this */
    KEEP_MS = 3600 * 1000 /* of a result that somebody waits for, when the task keeps none */
};

static int unknown_task(const char *name)
{
    AUTO_BUF known;
    buf_init(&known, 4096);
    for (size_t i = 0; task_at(i); i++)
        buf_printf(&known, "%s%s", i > 0 ? ", " : "", task_at(i)->name);
    return cli_fail("there is no task %s; there are %s", name, buf_cstr(&known));
}

/* Not given: *out stays. */
static int duration(struct cli *cli, const char *option, const char *text, int64_t *out)
{
    if (!text || conf_parse_ms(text, out) == ST_OK)
        return CLI_OK;
    return cli_usage(cli, "--%s: a time like 500ms, 10s, 5m, 2h", option);
}

static int check_args(const char *args)
{
    AUTO_JSON parsed = NULL;
    struct errbuf err = {""};
    if (json_parse(args, strlen(args), &parsed, &err) != ST_OK)
        return cli_fail("the arguments are no JSON: %s", err.text);
    return json_is_object(parsed) ? CLI_OK : cli_fail("the arguments must be a JSON object");
}

static int fill(struct cli *cli, const struct job_wish *wish, struct job *job)
{
    const int64_t now_ms = clock_wall_ms();
    if (job_init(job, wish->task, wish->args, now_ms) != ST_OK)
        return unknown_task(wish->task);
    int64_t delay_ms = 0, expires_ms = 0;
    int code = check_args(wish->args);
    if (code == CLI_OK)
        code = duration(cli, "delay", wish->delay, &delay_ms);
    if (code == CLI_OK)
        code = duration(cli, "expires", wish->expires, &expires_ms);
    if (code == CLI_OK)
        code = duration(cli, "keep", wish->result_ttl, &job->result_ttl_ms);
    if (code != CLI_OK)
        return code;
    if (wish->key_limit >= 0 && !wish->key)
        return cli_usage(cli, "--key-limit wants --key");
    job->not_before_ms = delay_ms > 0 ? now_ms + delay_ms : 0;
    job->expires_at_ms = expires_ms > 0 ? now_ms + expires_ms : 0;
    job->dedup = wish->dedup;
    job->key = wish->key;
    job->tenant = wish->tenant;
    if (wish->priority >= 0)
        job->priority = (int)wish->priority;
    if (wish->attempts >= 0)
        job->max_attempts = (int)wish->attempts;
    if (wish->key_limit >= 0)
        job->key_limit = (int)wish->key_limit;
    if (wish->wait_ms > 0 && job->result_ttl_ms == 0)
        job->result_ttl_ms = KEEP_MS;
    return CLI_OK;
}

static int say(const struct job_wish *wish, const char *queue, const struct uuid *id, bool is_new)
{
    AUTO_BUF out;
    char text[UUID_TEXT_BYTES];
    buf_init(&out, 1024);
    uuid_format(id, text);
    if (wish->is_json)
        buf_printf(&out, "{\"id\":\"%s\",\"queue\":\"%s\",\"is_new\":%s}\n", text, queue,
                   is_new ? "true" : "false");
    else
        buf_printf(&out, "%s%s\n", text, is_new ? "" : "  (was there already)");
    return cli_print(&out);
}

/* ST_TIMEOUT: it has not ended yet. `listener` hears of ends; what it says is only a hint. */
static enum status wait_for_end(struct queue *q, struct redis *r, struct redis *listener,
                                struct cli *cli, int64_t wait_ms, struct job_view *view)
{
    const struct uuid id = view->job.id;
    const int64_t until_ms = clock_mono_ms() + wait_ms;
    while (!cli_is_stopped()) {
        const enum status st = queue_result_get(q, r, &id, cli->arena, view);
        if (st != ST_NOT_FOUND)
            return st;
        const int64_t left_ms = until_ms - clock_mono_ms();
        if (left_ms <= 0)
            return ST_TIMEOUT;
        AUTO_REPLY message = NULL;
        const enum status heard = redis_next(listener, MIN_OF(left_ms, (int64_t)LOOK_MS), &message);
        if (heard != ST_OK && heard != ST_TIMEOUT)
            return heard;
    }
    return ST_STOPPED;
}

static int show_end(struct cli *cli, struct redis *r, struct redis *listener,
                    const struct job_wish *wish, struct job_found *found)
{
    char id[UUID_TEXT_BYTES];
    uuid_format(&found->view.job.id, id);
    const enum status st = wait_for_end(found->q, r, listener, cli, wish->wait_ms, &found->view);
    if (st == ST_TIMEOUT || st == ST_STOPPED)
        return cli_fail("job %s has not ended; see tocsin job show %s", id, id);
    if (st != ST_OK)
        return cli_fail_redis("job enqueue", st, r);
    const int code = jobs_print_one(found, wish->is_json);
    return code == CLI_OK && found->view.state != JOB_SUCCEEDED ? CLI_FAILED : code;
}

int job_enqueue(struct cli *cli, struct redis *r, const struct job_wish *wish)
{
    struct job job = {0};
    const int code = fill(cli, wish, &job);
    if (code != CLI_OK)
        return code;
    AUTO_FOUND found = {.queue = wish->queue ? wish->queue : task_queue(task_find(job.task))};
    if (queue_new(found.queue, 0, &found.q) != ST_OK)
        return cli_usage(cli, "--queue: %s is no name of a queue", found.queue);
    AUTO_REDIS listener = wish->wait_ms > 0 ? cli_redis(cli) : NULL;
    if (wish->wait_ms > 0) {
        char channel[96];
        queue_done_channel(found.q, channel);
        if (!listener || redis_subscribe(listener, channel) != ST_OK)
            return cli_fail("cannot listen for the end of jobs");
        cli_catch_stop();
    }
    bool is_new = true;
    const enum status st = queue_enqueue_once(found.q, r, &job, &found.view.job.id, &is_new);
    if (st == ST_TOO_LARGE || st == ST_INVALID)
        return cli_fail("the job is refused: %s (arguments up to %u bytes, keys up to 256)",
                        status_title(st), LIMIT_JOB_ARGS_BYTES);
    if (st != ST_OK)
        return cli_fail_redis("job enqueue", st, r);
    if (wish->wait_ms == 0)
        return say(wish, found.queue, &found.view.job.id, is_new);
    return show_end(cli, r, listener, wish, &found);
}
