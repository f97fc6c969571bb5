/* A worker's life: its stages from start to drain. */
#include "services/worker/worker.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "log/log.h"
#include "net/egress_conf.h"
#include "services/worker/pool.h"
#include "services/worker/tasks/task.h"

enum { BEAT_MS = 3000, LOOK_MS = 5, CANCEL_MS = 1000, PROBES_MAX = 20000 };

/* --- works --- */

void work_run_through(struct work *work)
{
    if (atomic_fetch_sub(&work->left, 1) != 1)
        return;
    if (bqueue_try_put(work->worker->to_ack, work) != ST_OK)
        work_free(work); /* only while stopping: not acknowledged, so done again */
}

void work_free(struct work *work)
{
    if (!work)
        return;
    struct worker *w = work->worker;
    works_remove(work);
    for (size_t i = 0; i < work->run_count; i++) {
        json_decref(work->runs[i].config_json);
        buf_done(&work->runs[i].probe.result.raw);
    }
    size_t share = MAX_OF(work->run_count, (size_t)1);
    worker_metrics_open(atomic_fetch_sub(&w->open, share) - share);
    free(work->runs);
    arena_free(work->arena);
    free(work);
}

/* --- start --- */

static void name_consumer(struct worker *w)
{
    char host[49] = "";
    char boot[UUID_TEXT_BYTES];
    struct uuid id = uuid_new();
    (void)gethostname(host, sizeof(host) - 1);
    uuid_format(&id, boot);
    (void)snprintf(w->consumer, sizeof(w->consumer), "%s:%d:%s", host, (int)getpid(), boot);
}

/* What the routes send here. A queue that they do not know may hold anything. */
static void expect_jobs(struct lane *lane)
{
    bool probes = false, tasks = false;
    for (size_t i = 0; task_at(i); i++) {
        const struct task *task = task_at(i);
        if (!str_eq(task_queue(task), lane->name))
            continue;
        probes |= plan_is_probe(task->name);
        tasks |= task_handler_find(task->name) != NULL;
    }
    atomic_store(&lane->has_probes, probes || !tasks);
    atomic_store(&lane->has_tasks, tasks || !probes);
}

static enum status lane_open(struct worker *w, const char *name, struct errbuf *err)
{
    for (size_t i = 0; i < w->lane_count; i++) {
        if (str_eq(w->lanes[i].name, name))
            return ST_OK;
    }
    if (w->lane_count == WORKER_LANES)
        return err_set(err, ST_INVALID, "TOCSIN_WORKER_QUEUES: more than %d queues", WORKER_LANES);
    struct lane *lane = &w->lanes[w->lane_count++];
    lane->worker = w;
    if (!str_copy(lane->name, sizeof(lane->name), name))
        return err_set(err, ST_INVALID, "TOCSIN_WORKER_QUEUES: %.40s… is too long", name);
    expect_jobs(lane);
    if (queue_new(name, 0, &lane->fetching) != ST_OK)
        return err_set(err, ST_INVALID, "TOCSIN_WORKER_QUEUES: %.40s is no name of a queue", name);
    AUTO_ARENA arena = arena_new_small(4096);
    const char *key = arena ? queue_key(lane->fetching, "cancelled", arena) : NULL;
    if (!key || !str_copy(lane->cancelled_key, sizeof(lane->cancelled_key), key))
        return ST_NO_MEMORY;
    TRY(queue_new(name, 0, &lane->acking));
    TRY(queue_new(name, 0, &lane->leasing));
    TRY(redis_new(w->conf->redis_url, LIMIT_REDIS_COMMAND_MS, &lane->redis, err));
    return db_new(w->conf->database_url, "tocsin-worker-fetch", &lane->db, err);
}

static enum status open_lanes(struct worker *w, struct errbuf *err)
{
    for (size_t i = 0; !w->conf->worker_queues[0] && task_at(i); i++)
        TRY(lane_open(w, task_queue(task_at(i)), err));
    AUTO_FREE char *list = NULL;
    TRY(str_dup(w->conf->worker_queues, &list));
    char *rest = list;
    while (rest) {
        const char *name = strsep(&rest, ", ");
        if (name[0])
            TRY(lane_open(w, name, err));
    }
    return w->lane_count > 0 ? ST_OK
                             : err_set(err, ST_INVALID, "TOCSIN_WORKER_QUEUES: names no queue");
}

static void on_beat(void *arg)
{
    struct worker *w = arg;
    atomic_store(&w->engine_beat_ms, clock_mono_ms());
    /* Refused only when the client stops. */
    if (httpc_later(w->http, BEAT_MS, on_beat, w) == ST_NO_MEMORY)
        log_error("beat_lost");
}

static enum status start_http(struct worker *w, struct errbuf *err)
{
    TRY(egress_from_conf(w->conf, &w->egress, err));
    const struct httpc_config config = {
        .egress = w->egress,
        /* A hop that ends counts until its callback has run: a little more than what runs. */
        .max_requests = w->probes.max + 16,
        .user_agent = "Tocsin/0.1",
        .nameservers = w->conf->nameservers,
    };
    TRY(httpc_start(&config, &w->http));
    atomic_store(&w->engine_beat_ms, clock_mono_ms());
    return httpc_later(w->http, 0, on_beat, w);
}

static enum status open_queues(struct worker *w)
{
    /* All that can be open at a time: never full, so that a probe's end never waits. */
    size_t most = w->probes.max * (1 + LIMIT_JOB_CHECKS) + WORKER_BACKLOG +
                  (size_t)WORKER_LANES * LIMIT_JOB_CHECKS * 256;
    w->to_record = bqueue_new(most);
    w->to_ack = bqueue_new(most);
    return w->to_record && w->to_ack ? ST_OK : ST_NO_MEMORY;
}

static enum status start_stages(struct worker *w, struct errbuf *err)
{
    TRY(open_lanes(w, err));
    TRY(open_queues(w));
    TRY(start_http(w, err));
    TRY(pool_start(w, &w->pool));
    bool probes = false;
    for (size_t i = 0; i < w->lane_count; i++)
        probes |= atomic_load(&w->lanes[i].has_probes);
    /* Who runs no checks does not depend on PostgreSQL; its tasks may. */
    if (!probes)
        worker_health(WORKER_DATABASE, true);
    TRY(stage_start("record", record_stage, w, &w->recorder));
    TRY(stage_start("ack", ack_stage, w, &w->acker));
    TRY(stage_start("lease", lease_stage, w, &w->leaser));
    for (size_t i = 0; i < w->lane_count; i++)
        TRY(stage_start("fetch", fetch_stage, &w->lanes[i], &w->lanes[i].stage));
    return ST_OK;
}

static enum status read_bounds(struct worker *w, struct errbuf *err)
{
    if (bounds_parse(w->conf->worker_concurrency, 1, PROBES_MAX, &w->probes) != ST_OK)
        return err_set(err, ST_INVALID, "TOCSIN_WORKER_CONCURRENCY: not N or MIN,MAX from 1 to %d",
                       PROBES_MAX);
    if (bounds_parse(w->conf->worker_executors, 0, LIMIT_EXECUTORS, &w->executors) != ST_OK)
        return err_set(err, ST_INVALID, "TOCSIN_WORKER_EXECUTORS: not N or MIN,MAX up to %d",
                       LIMIT_EXECUTORS);
    atomic_store(&w->probe_limit, w->probes.min);
    return ST_OK;
}

/* The queues that it serves, "a,b". */
static void write_queues(const struct worker *w, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < w->lane_count && len < cap; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i > 0 ? "," : "", w->lanes[i].name);
}

static enum status read_keys(struct worker *w, struct errbuf *err)
{
    struct errbuf why = {0};
    if (!w->conf->secret_key[0]) {
        log_warn("no_secret_key", kv_str("effect", "checks with a secret cannot be run"));
        return ST_OK;
    }
    if (seal_keys_new(w->conf->secret_key, &w->seal, &why) != ST_OK)
        return err_set(err, ST_INVALID, "TOCSIN_SECRET_KEY: %s", why.text);
    return ST_OK;
}

enum status worker_start(const struct conf *conf, struct worker **out, struct errbuf *err)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return ST_NO_MEMORY;
    w->conf = conf;
    w->ready_end = &w->ready;
    (void)pthread_mutex_init(&w->lock, NULL);
    name_consumer(w);
    worker_metrics_add();
    enum status st = read_bounds(w, err);
    if (st == ST_OK)
        st = read_keys(w, err);
    if (st == ST_OK)
        st = start_stages(w, err);
    if (st != ST_OK) {
        worker_stop(w, 0);
        return st;
    }
    char queues[1024];
    write_queues(w, queues, sizeof(queues));
    log_info("worker_started", kv_str("consumer", w->consumer), kv_str("queues", queues),
             kv_str("concurrency", conf->worker_concurrency),
             kv_str("executors", conf->worker_executors));
    *out = w;
    return ST_OK;
}

/* --- stop --- */

static void hand_back(struct work *work)
{
    struct lane *lane = work->lane;
    enum status st = queue_hand_back(lane->acking, lane->redis, work->worker->consumer, &work->job);
    if (st != ST_OK)
        log_warn("hand_back_failed", kv_status(st), kv_uuid("job", work->job.id));
}

static void wait_until_done(struct worker *w, int64_t ms)
{
    /* The real clock: a grace is a promise to whoever runs the service. */
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
    for (int64_t waited = 0; waited < ms && atomic_load(&w->open) > 0; waited += LOOK_MS)
        (void)nanosleep(&look, NULL);
}

static void stop_fetching(struct worker *w)
{
    for (size_t i = 0; i < w->lane_count; i++) {
        if (w->lanes[i].stage)
            stage_stop(w->lanes[i].stage);
    }
    for (size_t i = 0; i < w->lane_count; i++) {
        stage_join(w->lanes[i].stage);
        w->lanes[i].stage = NULL;
    }
}

static void lane_close(struct lane *lane)
{
    queue_free(lane->fetching);
    queue_free(lane->acking);
    queue_free(lane->leasing);
    redis_free(lane->redis);
    db_free(lane->db);
}

static void free_all(struct worker *w)
{
    for (size_t i = 0; i < w->lane_count; i++)
        lane_close(&w->lanes[i]);
    pool_free(w->pool);
    egress_free(w->egress);
    seal_keys_free(w->seal);
    bqueue_free(w->to_record);
    bqueue_free(w->to_ack);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}

void worker_stop(struct worker *w, int64_t grace_ms)
{
    if (!w)
        return;
    /* From here on each stage only loses work: fetch first, then what it feeds. */
    stop_fetching(w);
    engine_withdraw(w, hand_back);
    if (w->pool)
        pool_withdraw(w->pool, hand_back);
    wait_until_done(w, grace_ms);
    size_t left = atomic_load(&w->open);
    atomic_store(&w->is_giving_up, true);
    if (left > 0) {
        log_warn("grace_over", kv_i64("open", (int64_t)left));
        engine_cancel_all(w);
        if (w->pool)
            pool_wake(w->pool);
        wait_until_done(w, CANCEL_MS);
    }
    pool_stop(w->pool);
    httpc_stop(w->http);
    if (w->to_record)
        bqueue_close(w->to_record);
    stage_join(w->recorder);
    if (w->to_ack)
        bqueue_close(w->to_ack);
    stage_join(w->acker);
    stage_join(w->leaser);
    free_all(w);
}
