/* One table of chores; each is a query or two. */
#include "store/housekeeping.h"

#include "base/clock.h"
#include "gen/queries.h"
#include "log/log.h"
#include "store/rollups.h"

enum {
    ARENA_BYTES = 4096,
    DELETE_FULL = 5000, /* rows of one statement, at least: more may be left */
    DELETE_PIECES = 20,
    OVERDUE = 3 /* intervals until a scheduler does what workers should have */
};
#define MINUTE_MS 60000LL
#define HOUR_MS (60 * MINUTE_MS)

struct chore;
typedef enum status chore_fn(struct db *db, const struct chore *t, const struct housekeeping *h);

struct chore {
    const char *name;
    enum house whose;
    int64_t every_ms;
    chore_fn *run;
    const char *table, *unit;  /* of partitions */
    int64_t ahead;             /* units */
    size_t retention;          /* offset in struct housekeeping */
    bool has_retention;        /* the deletion's query takes it */
    const struct query *query; /* of deletions */
};

static enum status make_ahead(struct db *db, const struct chore *t, const struct housekeeping *h)
{
    (void)h;
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, t->table);
    db_arg_str(&args, t->unit);
    db_arg_i64(&args, t->ahead);
    return db_query(db, &Q_HOUSEKEEPING_AHEAD, &args, NULL);
}

static int64_t retention_of(const struct chore *t, const struct housekeeping *h)
{
    return *(const int64_t *)(const void *)((const char *)h + t->retention);
}

/* Dropping locks the whole table for a moment: it must not queue up behind a long reader and so
 * hold up everybody, hence the short lock time-out; the task comes again. */
static enum status drop_in_transaction(struct db *db, void *arg)
{
    const struct {
        const struct chore *task;
        int64_t retention_ms;
    } *what = arg;
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    TRY(db_exec(db, "SET LOCAL lock_timeout = '2s'"));
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, what->task->table);
    db_arg_i64(&args, what->retention_ms);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_HOUSEKEEPING_DROP, &args, &r));
    int64_t dropped = row_i64(r, 0, "dropped");
    if (dropped > 0)
        log_info("partitions_dropped", kv_str("table", what->task->table),
                 kv_i64("count", dropped));
    return ST_OK;
}

static enum status drop_old(struct db *db, const struct chore *t, const struct housekeeping *h)
{
    struct {
        const struct chore *task;
        int64_t retention_ms;
    } what = {t, retention_of(t, h)};
    return db_transact(db, drop_in_transaction, &what);
}

static enum status delete_some(struct db *db, const struct query *q, int64_t retention_ms,
                               int64_t *deleted)
{
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    if (retention_ms > 0)
        db_arg_i64(&args, retention_ms);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, q, &args, &r));
    *deleted = db_affected(r);
    return ST_OK;
}

static enum status delete_rows(struct db *db, const struct chore *t, const struct housekeeping *h)
{
    const int64_t retention_ms = t->has_retention ? retention_of(t, h) : 0;
    if (t->has_retention && retention_ms == 0)
        return ST_OK;
    /* In pieces, so that each statement is short; what is left comes next time. */
    int64_t deleted = DELETE_FULL;
    for (int i = 0; i < DELETE_PIECES && deleted >= DELETE_FULL; i++)
        TRY(delete_some(db, t->query, retention_ms, &deleted));
    return ST_OK;
}

static enum status roll_up(struct db *db, const struct chore *t, const struct housekeeping *h)
{
    (void)t;
    return rollups_run(db, clock_wall_us(), h->results_ms);
}

/* Totals of hours have a time of their own: what is read of them is bounded by it. */
static enum status drop_old_hours(struct db *db, const struct chore *t,
                                  const struct housekeeping *h)
{
    struct housekeeping own = *h;
    own.results_ms = LIMIT_CHECK_HOURS_MS;
    return drop_old(db, t, &own);
}

#define AHEAD(table_, unit_, n)                                                  \
    {                                                                            \
        .name = "ahead:" table_, .whose = HOUSE_PARTITIONS, .every_ms = HOUR_MS, \
        .run = make_ahead, .table = (table_), .unit = (unit_), .ahead = (n)      \
    }
#define RETENTION(table_, member)                                                              \
    {                                                                                          \
        .name = "retention:" table_, .whose = HOUSE_RETENTION, .every_ms = HOUR_MS,            \
        .run = drop_old, .table = (table_), .retention = offsetof(struct housekeeping, member) \
    }
#define DELETION(name_, every, query_)                                                            \
    {                                                                                             \
        .name = "delete:" name_, .whose = HOUSE_CLEANUP, .every_ms = (every), .run = delete_rows, \
        .query = &(query_)                                                                        \
    }
static const struct chore chores[] = {
    {.name = "retention:audit_log",
     .whose = HOUSE_RETENTION,
     .every_ms = HOUR_MS,
     .run = delete_rows,
     .query = &Q_HOUSEKEEPING_AUDIT,
     .retention = offsetof(struct housekeeping, audit_ms),
     .has_retention = true},
    AHEAD("results", "day", 7),
    AHEAD("disk_samples", "day", 7),
    AHEAD("network_samples", "day", 7),
    AHEAD("process_samples", "day", 7),
    AHEAD("scrapes", "hour", 48),
    AHEAD("check_hours", "day", 7),
    {.name = "rollups", .whose = HOUSE_SCHEDULER, .every_ms = MINUTE_MS, .run = roll_up},
    {.name = "check_counts",
     .whose = HOUSE_SCHEDULER,
     .every_ms = MINUTE_MS,
     .run = delete_rows,
     .query = &Q_HOUSEKEEPING_CHECK_COUNTS},
    RETENTION("results", results_ms),
    {.name = "retention:check_hours",
     .whose = HOUSE_RETENTION,
     .every_ms = HOUR_MS,
     .run = drop_old_hours,
     .table = "check_hours",
     .retention = offsetof(struct housekeeping, results_ms)},
    DELETION("check_days", HOUR_MS, Q_HOUSEKEEPING_CHECK_DAYS),
    RETENTION("disk_samples", metrics_ms),
    RETENTION("network_samples", metrics_ms),
    RETENTION("process_samples", metrics_ms),
    RETENTION("scrapes", metrics_ms),
    DELETION("check_changes", 10 * MINUTE_MS, Q_HOUSEKEEPING_CHANGES),
    DELETION("outbox", HOUR_MS, Q_HOUSEKEEPING_OUTBOX),
    DELETION("refresh_tokens", HOUR_MS, Q_HOUSEKEEPING_TOKENS),
    DELETION("login_failures", HOUR_MS, Q_HOUSEKEEPING_LOGINS),
    DELETION("idempotency_keys", HOUR_MS, Q_HOUSEKEEPING_IDEMPOTENCY),
    DELETION("scheduler_members", HOUR_MS, Q_HOUSEKEEPING_MEMBERS),
};

/* The tasks whose schedules people may pause. */
static const char *const house_tasks[] = {
    [HOUSE_SCHEDULER] = NULL,
    [HOUSE_PARTITIONS] = "system.partitions",
    [HOUSE_RETENTION] = "system.retention",
    [HOUSE_CLEANUP] = "system.cleanup",
};

/* ST_NOT_FOUND: it ran within due_ms, or `task` is paused. */
static enum status claim(struct db *db, const struct chore *c, int64_t due_ms, const char *task)
{
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, c->name);
    db_arg_i64(&args, due_ms);
    db_arg_str(&args, task);
    return db_query_one(db, &Q_HOUSEKEEPING_CLAIM, &args, NULL);
}

/* Due again, for the schedulers, in a minute. */
static enum status put_off(struct db *db, const struct chore *c, int64_t due_ms)
{
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, c->name);
    db_arg_i64(&args, due_ms);
    return db_query(db, &Q_HOUSEKEEPING_FAIL, &args, NULL);
}

static int64_t overdue_ms(const struct chore *c)
{
    return c->whose == HOUSE_SCHEDULER ? c->every_ms : OVERDUE * c->every_ms;
}

/* One chore that was claimed. What it returns is its own status. */
static enum status work(struct db *db, const struct chore *c, const struct housekeeping *h)
{
    const enum status st = c->run(db, c, h);
    if (st == ST_OK)
        return ST_OK;
    log_warn("housekeeping_failed", kv_str("task", c->name), kv_status(st),
             kv_str("error", db_error(db)));
    const enum status put = put_off(db, c, overdue_ms(c));
    if (put != ST_OK)
        log_warn("housekeeping_not_put_off", kv_str("task", c->name), kv_status(put));
    return st;
}

enum status housekeeping_run(struct db *db, const struct housekeeping *h, int *ran)
{
    *ran = 0;
    for (size_t i = 0; i < ARRAY_LEN(chores); i++) {
        const struct chore *c = &chores[i];
        enum status st = claim(db, c, overdue_ms(c), house_tasks[c->whose]);
        if (st == ST_NOT_FOUND)
            continue;
        TRY(st);
        st = work(db, c, h);
        if (st != ST_OK && !db_is_connected(db))
            return st;
        *ran += st == ST_OK;
    }
    return ST_OK;
}

enum status housekeeping_do(struct db *db, const struct housekeeping *h, enum house what, int *ran,
                            const char **failed)
{
    enum status first = ST_OK;
    *ran = 0;
    for (size_t i = 0; i < ARRAY_LEN(chores); i++) {
        const struct chore *c = &chores[i];
        if (c->whose != what)
            continue;
        enum status st = claim(db, c, 0, NULL);
        if (st == ST_OK)
            st = work(db, c, h);
        *ran += st == ST_OK;
        if (st == ST_OK || first != ST_OK)
            continue;
        first = st;
        *failed = c->name;
    }
    return first;
}

struct housekeeping housekeeping_settings(const struct conf *conf)
{
    return (struct housekeeping){.results_ms = conf->retention_results,
                                 .metrics_ms = conf->retention_metrics,
                                 .audit_ms = conf->retention_audit};
}
