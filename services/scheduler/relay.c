/*
 * The relay thread: publishes jobs that were written down with a change (store/job_outbox.h), sees
 * whether Redis still knows them, and notes which have ended, as well as runs of tasks' schedules.
 * Every scheduler does it; they share the rows.
 */
#include "base/clock.h"
#include "log/log.h"
#include "services/scheduler/internal.h"
#include "store/job_outbox.h"
#include "store/schedule_runs.h"

enum {
    /* A commit waits half of it on average. A notification of PostgreSQL would be quicker, but
     * takes a lock that all committing transactions share. */
    POLL_MS = 200,
    SETTLE_MS = 1000,
    PACE = 4, /* times as long as a settling pass took */
    RETRY_MS = 1000,
    REDIS_MS = 5000
};

static struct metric waiting_metric = {.name = "tocsin_job_outbox_waiting",
                                       .help = "Committed jobs that wait to be published",
                                       .type = METRIC_GAUGE};
static struct metric oldest_metric = {.name = "tocsin_job_outbox_oldest_seconds",
                                      .help = "Age of the oldest of them",
                                      .type = METRIC_GAUGE};
static struct metric unfinished_metric = {.name = "tocsin_job_outbox_unfinished",
                                          .help = "Published jobs that have not ended",
                                          .type = METRIC_GAUGE};
static struct metric failed_metric = {.name = "tocsin_job_outbox_failed",
                                      .help = "Jobs that can never be published",
                                      .type = METRIC_GAUGE};
static struct metric published_metric = {.name = "tocsin_job_outbox_published_total",
                                         .help = "Jobs published from the outbox",
                                         .type = METRIC_COUNTER};
static struct metric lag_metric = {.name = "tocsin_job_outbox_lag_seconds",
                                   .help = "From a job's row to its being in the job queue",
                                   .type = METRIC_HISTOGRAM};
static struct metric lost_metric = {.name = "tocsin_job_outbox_losses_total",
                                    .help = "Times that Redis had lost its memory",
                                    .type = METRIC_COUNTER};

void scheduler_relay_metrics_add(void)
{
    struct metric *const all[] = {&waiting_metric, &oldest_metric, &unfinished_metric,
                                  &failed_metric,  &lag_metric,    &published_metric,
                                  &lost_metric};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        metrics_add(all[i]);
}

struct relaying {
    struct db *db;
    struct redis *redis;
    struct job_outbox_pass pass;
    int64_t rows_after; /* cursors of settling */
    struct uuid schedules_after;
    bool has_failed; /* said already */
};

/* Says once why nothing is done; true when it went well. */
static bool note(struct relaying *y, const char *what, enum status st)
{
    if (st == ST_OK) {
        y->has_failed = false;
        return true;
    }
    if (!y->has_failed)
        log_warn("relay_failed", kv_str("step", what), kv_status(st),
                 kv_str("database", db_error(y->db)), kv_str("redis", redis_error(y->redis)));
    y->has_failed = true;
    return false;
}

static void count_lost(bool is_lost)
{
    if (is_lost)
        metric_inc(&lost_metric);
}

/* One pass; returns how long to wait before the next. */
static int64_t publish(struct relaying *y)
{
    const enum status st = job_outbox_relay(y->db, y->redis, &y->pass);
    metric_add(&published_metric, (int64_t)y->pass.published);
    for (size_t i = 0; i < y->pass.published; i++)
        metric_observe_us(&lag_metric, y->pass.lag_us[i]);
    count_lost(y->pass.is_lost);
    if (!note(y, "publish", st))
        return RETRY_MS;
    return y->pass.published > 0 ? 1 : POLL_MS;
}

static void show(const struct job_outbox_counts *n)
{
    metric_set(&waiting_metric, n->waiting);
    metric_set(&oldest_metric, n->oldest_ms / 1000);
    metric_set(&unfinished_metric, n->unfinished);
    metric_set(&failed_metric, n->failed);
}

/* Whatever there is nothing of costs no question. */
static enum status look_after(struct relaying *y)
{
    struct job_outbox_counts n;
    size_t ended = 0;
    bool is_whole = false, is_lost = false;
    TRY(job_outbox_count(y->db, &n));
    show(&n);
    /* First: what Redis has forgotten has not ended. */
    TRY(job_outbox_is_whole(y->redis, n.mark, &is_whole));
    if (!is_whole)
        TRY(job_outbox_recover(y->db, y->redis, &is_lost));
    count_lost(is_lost);
    if (n.unfinished > 0)
        TRY(job_outbox_settle(y->db, y->redis, &y->rows_after, &ended));
    if (n.has_runs)
        TRY(schedule_runs_settle(y->db, y->redis, &y->schedules_after, &ended));
    return ST_OK;
}

static int64_t settle(struct relaying *y)
{
    const int64_t began_ms = clock_mono_ms();
    if (!note(y, "settle", look_after(y)))
        return RETRY_MS;
    return MAX_OF((clock_mono_ms() - began_ms) * PACE, (int64_t)SETTLE_MS);
}

static enum status open_stores(const struct scheduler *s, struct relaying *y, struct errbuf *err)
{
    TRY(db_new(s->conf->database_url, "tocsin-scheduler-relay", &y->db, err));
    return redis_new(s->conf->redis_url, REDIS_MS, &y->redis, err);
}

void scheduler_relay_loop(struct stage *stage, void *arg)
{
    struct relaying y = {.db = NULL};
    struct errbuf err = {""};
    int64_t publish_at = 0, settle_at = 0;
    if (open_stores(arg, &y, &err) != ST_OK) {
        log_error("relay_not_started", kv_str("error", err.text));
        stage_stop(stage);
    }
    while (!stage_is_stopping(stage)) {
        if (clock_mono_ms() >= publish_at)
            publish_at = clock_mono_ms() + publish(&y);
        if (clock_mono_ms() >= settle_at)
            settle_at = clock_mono_ms() + settle(&y);
        (void)stage_sleep(stage, MAX_OF(MIN_OF(publish_at, settle_at) - clock_mono_ms(), 1));
    }
    redis_free(y.redis);
    db_free(y.db);
}
