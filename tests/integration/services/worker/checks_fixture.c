/* Its setting up, and what is asked of the jobs and results of checks. */
#include "tests/integration/services/worker/checks_fixture.h"

#include <signal.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "tests/kit/web.h"

struct checks_fixture cf;

static struct redis *listener; /* subscribed to the done channel */

static struct worker *worker;

/* --- setting up --- */

static void replace(char **field, const char *value)
{
    free(*field);
    *field = NULL;
    assert_ok(str_dup(value, field));
}

void cf_start(void)
{
    struct errbuf err = {0};
    if (worker_start(&cf.conf, &worker, &err) != ST_OK)
        fail_msg("%s", err.text);
}

void cf_stop(int64_t grace_ms)
{
    worker_stop(worker, grace_ms);
    worker = NULL;
}

int cf_setup(void **state)
{
    struct errbuf err = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    cf.web = web_start(0, 0);
    assert_ok(conf_load(NULL, &cf.conf, &err));
    replace(&cf.conf.database_url, kit_database());
    replace(&cf.conf.redis_url, kit_redis());
    replace(&cf.conf.egress_allow, "127.0.0.0/8");
    replace(&cf.conf.secret_key, SECRET_KEY);
    cf.conf.worker_lease = 1500;
    replace(&cf.conf.worker_concurrency, "4");
    cf.db = kit_db_open(cf.conf.database_url);
    cf.redis = kit_redis_open(cf.conf.redis_url);
    listener = kit_redis_open(cf.conf.redis_url);
    assert_ok(redis_subscribe(listener, CHECK_DONE_CHANNEL));
    assert_ok(queue_new("checks", 0, &cf.queue));
    cf.org = kit_organisation(cf.db);
    return 0;
}

int cf_teardown(void **state)
{
    queue_free(cf.queue);
    redis_free(cf.redis);
    redis_free(listener);
    db_free(cf.db);
    conf_done(&cf.conf);
    web_stop(cf.web);
    return 0;
}

int cf_start_worker(void **state)
{
    /* What an earlier case left to be tried again is none of this one's. */
    assert_ok(redis_do(cf.redis, NULL, "FLUSHDB"));
    cf_start();
    return 0;
}

int cf_stop_worker(void **state)
{
    cf_stop(5000);
    return 0;
}

struct uuid cf_make_check(const char *path, const char *more)
{
    struct uuid id = kit_check(cf.db, &cf.org, path);
    kit_sql(cf.db,
            "UPDATE checks SET config = '{\"url\":\"http://127.0.0.1:%d%s\"%s}' WHERE id = '%s'",
            web_port(cf.web), path, more, kit_id(&id));
    return id;
}

void cf_enqueue(const char *task, const char *args, const char *reply, struct uuid *id)
{
    struct job job;
    assert_ok(job_init(&job, task, args, clock_wall_ms()));
    job.reply = reply;
    if (id)
        *id = job.id;
    assert_ok(queue_enqueue(cf.queue, cf.redis, &job));
}

int64_t cf_slot_now_ms(void)
{
    return clock_wall_ms() / 60000 * 60000;
}

void cf_schedule(const struct uuid *checks, size_t count, int64_t slot_ms)
{
    struct check_scheduled in = {.count = count};
    AUTO_BUF args;
    for (size_t i = 0; i < count; i++)
        in.due[i] = (struct check_due){
            .check_id = checks[i], .slot_ms = slot_ms, .prev_ms = slot_ms - 60000};
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_scheduled_encode(&in, &args);
    cf_enqueue("check.scheduled", buf_cstr(&args), NULL, NULL);
}

int64_t cf_results_of(const struct uuid *check)
{
    return kit_sql_i64(cf.db, "SELECT count(*) FROM results WHERE check_id = '%s'", kit_id(check));
}

struct queue_stats cf_stats(void)
{
    struct queue_stats s = {0};
    assert_ok(queue_stats_get(cf.queue, cf.redis, &s));
    return s;
}

bool cf_is_quiet(void)
{
    struct queue_stats s = cf_stats();
    return s.waiting == 0 && s.pending == 0;
}

json_t *cf_wait_reply(const struct uuid *job)
{
    int64_t deadline = kit_real_mono_ms() + WAIT_MS;
    while (kit_real_mono_ms() < deadline) {
        AUTO_REPLY reply = NULL;
        enum status st = redis_next(listener, 1000, &reply);
        if (st == ST_TIMEOUT)
            continue;
        assert_ok(st);
        const char *text = reply->element[2]->str;
        if (!str_starts(text, kit_id(job)))
            continue;
        json_t *out = NULL;
        assert_ok(json_parse(text + UUID_TEXT_BYTES, strlen(text + UUID_TEXT_BYTES), &out, NULL));
        return out;
    }
    fail_msg("nothing was published");
    return NULL;
}

/* --- cases --- */

void cf_run_by_hand(const struct uuid *check, int64_t slot_us, struct uuid *job)
{
    AUTO_BUF args;
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_run_encode(&(struct check_run){.check_id = *check, .slot_us = slot_us}, &args);
    cf_enqueue("check.run", buf_cstr(&args), CHECK_DONE_CHANNEL, job);
}
