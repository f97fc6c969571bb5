/* What the scheduler reads of checks and of tasks' schedules: all enabled ones, and the log of
 * changes that both share. */
#ifndef TOCSIN_STORE_SCHEDULES_H
#define TOCSIN_STORE_SCHEDULES_H

#include "db/db.h"

enum { SCHEDULES_PAGE = 5000 }; /* also in sql/schedules.sql */

/* What to do with a slot while the run before it has not ended. */
enum schedule_overlap {
    OVERLAP_SKIP,  /* leave it out */
    OVERLAP_QUEUE, /* run it afterwards; one waits at most */
    OVERLAP_ALLOW
};

struct schedule_row {
    struct uuid id;
    int shard;
    bool is_enabled;      /* false as well when the check is gone */
    const char *schedule; /* text; NULL when gone */
    int64_t settled_ms;   /* slots up to there have results, or are not expected */
    bool is_fresh;        /* a check that never ran */
    /* Of a task's schedule; task is NULL for a check. */
    const char *task, *args;
    const char *queue;  /* NULL: the task's own */
    const char *tenant; /* its organisation's id; NULL: the installation's own */
    int priority;       /* -1: the task's own */
    int64_t jitter_ms;
    int64_t expires_ms; /* from a slot on; 0: never */
    bool skips_late;
    enum schedule_overlap overlap;
};

/* A check as the stream of all has it. */
struct schedule_check {
    struct uuid id;
    int shard;
    char schedule[LIMIT_SCHEDULE_TEXT + 2]; /* one that is longer still is cut there */
};
struct schedule_state {
    struct uuid id;
    int64_t settled_ms; /* as above */
    bool is_fresh;
};
/* All enabled checks, and where all checks stand, in any order, within db_begin_reading. Each
 * stream is read to its end (db_stream_next) before another begins. */
NODISCARD enum status schedules_checks(struct db *db);
NODISCARD enum status schedules_states(struct db *db);
NODISCARD enum status schedules_next_check(struct db *db, int64_t wait_ms,
                                           struct schedule_check *out, enum db_stream *what);
NODISCARD enum status schedules_next_state(struct db *db, int64_t wait_ms,
                                           struct schedule_state *out, enum db_stream *what);

/* Enabled schedules of tasks, by id, after `after` (nil: from the start); at most SCHEDULES_PAGE.
 * Rows live in the arena. */
NODISCARD enum status schedules_tasks_page(struct db *db, struct arena *arena,
                                           const struct uuid *after, struct schedule_row **rows,
                                           size_t *count);

struct schedule_dispatch {
    struct uuid id;
    int64_t slot_us;
    struct uuid job_id; /* nil: the slot was left out */
    const char *queue;
};
/* Notes the newest slots that were dispatched of tasks' schedules. */
NODISCARD enum status schedules_dispatched(struct db *db, struct arena *arena,
                                           const struct schedule_dispatch *list, size_t count);

/* A reader of the change log. A row's number says nothing about when it is committed, so each pass
 * starts at the oldest transaction that was still running when the last one began, and leaves out
 * what it has seen of those. Late commits are met, and a long transaction hides nobody else's. */
struct schedule_cursor {
    int64_t from_xid;      /* older transactions are over and read */
    int64_t at_xid, at_id; /* how far this pass is */
    int64_t horizon_xid;   /* from_xid of the next pass; 0: this one has not begun */
    struct {
        int64_t *xid, *id;
        size_t count, cap;
    } seen;
};
NODISCARD enum status schedules_cursor_init(struct schedule_cursor *c, struct db *db);
void schedules_cursor_done(struct schedule_cursor *c);
/* Checks that changed since the last call, as they are now: at most SCHEDULES_PAGE, more wait for
 * the next call (*more). */
NODISCARD enum status schedules_changed(struct db *db, struct arena *arena,
                                        struct schedule_cursor *c, struct schedule_row **rows,
                                        size_t *count, bool *more);

#endif
