/*
 * The fetch stage of one queue: takes jobs as far as there is room for their checks and tasks;
 * checks never while PostgreSQL is away: a job that cannot be recorded is better left to another
 * worker.
 */
#include "services/worker/pool.h"

#include "base/crash.h"
#include "base/rand.h"
#include "log/log.h"
#include "store/dbclock.h"

enum {
    BLOCK_MS = 500,       /* also how long a stop may have to wait, and a pause to be seen */
    IDLE_BLOCK_MS = 1000, /* where nothing has come for a while */
    IDLE_AFTER_MS = 10000,
    FULL_MS = 5,   /* look again for room for probes after this */
    BUSY_MS = 250, /* … and for tasks, whose ends wake the stage */
    DATABASE_FRESH_MS = 2000,
    FETCH_ARENA_LIMIT = 64 << 20,
    JOBS_MAX = 256,
    /* A job holds up to 64 checks: what is fetched beyond the free room waits its turn, bounded. */
    CHECKS_A_JOB = 8
};

struct fetcher {
    struct stage *stage;
    struct lane *lane;
    struct worker *worker;
    int failures;           /* in a row, for the backoff */
    int64_t started_ms;     /* monotonic, as the next: */
    int64_t database_ok_ms; /* when it last answered */
};

static bool back_off(struct fetcher *f)
{
    return stage_sleep(
        f->stage, 1 + rand_backoff_ms(f->failures++, WORKER_BACKOFF_MS, WORKER_BACKOFF_CAP_MS));
}

static bool database_answers(struct fetcher *f)
{
    int64_t now = clock_mono_ms();
    if (f->database_ok_ms != 0 && now - f->database_ok_ms < DATABASE_FRESH_MS)
        return true;
    enum status st = dbclock_follow(f->lane->db); /* what is expired is decided on its clock */
    worker_health(WORKER_DATABASE, st == ST_OK);
    if (st == ST_OK) {
        f->database_ok_ms = now;
        return true;
    }
    f->database_ok_ms = 0;
    if (f->failures == 0)
        log_warn("fetch_paused", kv_status(st), kv_str("error", db_error(f->lane->db)));
    return false;
}

static size_t room_for_probes(const struct worker *w)
{
    size_t concurrency = atomic_load(&w->probe_limit);
    size_t unprobed = atomic_load(&w->unprobed);
    if (unprobed >= concurrency || atomic_load(&w->open) >= concurrency + WORKER_BACKLOG)
        return 0;
    size_t jobs = (concurrency - unprobed) / CHECKS_A_JOB;
    return MIN_OF(MAX_OF(jobs, (size_t)1), (size_t)JOBS_MAX);
}

/* How many jobs to ask for; 0: there is no room. A queue that may hold both needs room for both. */
static size_t room(const struct lane *lane)
{
    size_t jobs = JOBS_MAX;
    if (!atomic_load(&lane->worker->is_leased))
        return 0;
    if (atomic_load(&lane->has_probes))
        jobs = MIN_OF(jobs, room_for_probes(lane->worker));
    if (atomic_load(&lane->has_tasks))
        jobs = MIN_OF(jobs, pool_room(lane->worker->pool, lane));
    return jobs;
}

static void give_back(struct fetcher *f, const struct job *job)
{
    struct lane *lane = f->lane;
    enum status st = queue_hand_back(lane->fetching, lane->redis, f->worker->consumer, job);
    /* If not now, then when this worker's lease has ended. */
    if (st != ST_OK)
        log_warn("hand_back_failed", kv_status(st), kv_uuid("job", job->id));
}

static struct work *take_jobs(struct fetcher *f, const struct job_batch *batch)
{
    struct work *list = NULL;
    struct work **end = &list;
    for (size_t i = 0; i < batch->count; i++) {
        struct work *work = NULL;
        if (work_new(f->lane, &batch->jobs[i], &work) != ST_OK) {
            give_back(f, &batch->jobs[i]);
            continue;
        }
        /* What came here beside the routes may come again. */
        if (work->kind == WORK_TASK)
            atomic_store(&f->lane->has_tasks, true);
        else if (work->run_count > 0)
            atomic_store(&f->lane->has_probes, true);
        *end = work;
        end = &work->next;
    }
    return list;
}

static void give_up(struct fetcher *f, struct work *list)
{
    while (list) {
        struct work *work = list;
        list = work->next;
        give_back(f, &work->job);
        atomic_fetch_sub(&f->worker->unprobed, work->run_count);
        work_free(work);
    }
}

static void run_works(struct work *list)
{
    while (list) {
        struct work *work = list;
        list = work->next;
        if (work->kind == WORK_TASK)
            pool_add(work->worker->pool, work);
        else
            engine_add(work);
        work_run_through(work); /* the planner's share */
    }
}

static void take_on(struct fetcher *f, const struct job_batch *batch)
{
    struct work *list = take_jobs(f, batch);
    CRASH_AT("worker.after_fetch");
    enum status st = ST_OK;
    while ((st = works_define(f->lane->db, list)) != ST_OK) {
        worker_health(WORKER_DATABASE, false);
        f->database_ok_ms = 0;
        log_warn("define_failed", kv_status(st), kv_str("error", db_error(f->lane->db)));
        if (!back_off(f)) {
            give_up(f, list);
            return;
        }
    }
    f->database_ok_ms = clock_mono_ms();
    run_works(list);
}

/* false: something failed, wait a little. */
static bool fetch(struct fetcher *f, size_t max)
{
    AUTO_ARENA arena = arena_new(FETCH_ARENA_LIMIT);
    struct job_batch batch = {.arena = arena};
    if (!arena)
        return false;
    const int64_t came_ms = MAX_OF(f->started_ms, atomic_load(&f->lane->fetched_mono_ms));
    const int64_t quiet_ms = clock_mono_ms() - came_ms;
    enum status st = queue_fetch(f->lane->fetching, f->lane->redis, f->worker->consumer, max,
                                 quiet_ms < IDLE_AFTER_MS ? BLOCK_MS : IDLE_BLOCK_MS, &batch);
    worker_health(WORKER_REDIS, st == ST_OK);
    if (st != ST_OK) {
        if (f->failures == 0)
            log_warn("fetch_failed", kv_str("queue", f->lane->name), kv_status(st),
                     kv_str("error", redis_error(f->lane->redis)));
        return false;
    }
    f->failures = 0;
    if (batch.count > 0) {
        atomic_store(&f->lane->fetched_mono_ms, clock_mono_ms());
        take_on(f, &batch);
    }
    return true;
}

static void reconnect(struct fetcher *f)
{
    struct errbuf err = {0};
    redis_free(f->lane->redis);
    f->lane->redis = NULL;
    /* The setting was good at the start. */
    if (redis_new(f->worker->conf->redis_url, LIMIT_REDIS_COMMAND_MS, &f->lane->redis, &err) !=
        ST_OK) {
        log_error("fetch_stage", kv_str("error", err.text));
        abort();
    }
}

/* Waits for room. The mark comes first: room that is made meanwhile is not missed. */
static void wait_for_room(struct fetcher *f)
{
    struct lane *lane = f->lane;
    atomic_store(&lane->room_mono_ms, 0);
    if (!atomic_load(&lane->has_tasks)) {
        (void)stage_sleep(f->stage, FULL_MS);
        return;
    }
    atomic_store(&lane->is_full, true);
    if (room(lane) == 0)
        (void)stage_sleep(f->stage, BUSY_MS);
    atomic_store(&lane->is_full, false);
}

static void note_room(struct lane *lane)
{
    if (atomic_load(&lane->room_mono_ms) == 0)
        atomic_store(&lane->room_mono_ms, clock_mono_ms());
}

void fetch_stage(struct stage *stage, void *arg)
{
    struct lane *lane = arg;
    struct fetcher f = {
        .stage = stage, .lane = lane, .worker = lane->worker, .started_ms = clock_mono_ms()};
    while (!stage_is_stopping(stage)) {
        const size_t max = room(lane);
        if (atomic_exchange(&lane->wants_reconnect, false))
            reconnect(&f);
        if (max == 0) {
            wait_for_room(&f);
        } else if (atomic_load(&lane->has_probes) && !database_answers(&f)) {
            atomic_store(&lane->room_mono_ms, 0);
            (void)back_off(&f);
        } else {
            note_room(lane);
            if (!fetch(&f, max))
                (void)back_off(&f);
        }
    }
}
