/*
 * Schedules of tasks as people see and change them (schedules.h: as the scheduler reads them). An
 * organisation has its own; those without one are the installation's, which its operators may see,
 * pause and run, and nobody else sees. Strings live in the caller's arena.
 */
#ifndef TOCSIN_STORE_TASK_SCHEDULES_H
#define TOCSIN_STORE_TASK_SCHEDULES_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"
#include "json/schema.h"
#include "net/page.h"

enum { SCHEDULE_NAME_BYTES = 200 };

struct task_schedule {
    struct uuid id;
    struct uuid org_id; /* nil: the installation's own */
    const char *name, *task;
    const char *args;      /* JSON object */
    const char *schedule;  /* as the user wrote it */
    const char *time_zone; /* of a cron schedule whose text names none; NULL */
    const char *queue;     /* NULL: the task's own */
    int64_t priority;      /* -1: the task's own */
    bool enabled;
    const char *catch_up; /* "run_once", "skip" */
    const char *overlap;  /* "skip", "queue", "allow" */
    int64_t jitter_ms;
    int64_t expires_ms; /* 0: never */
    int64_t revision, created_us, updated_us;
    /* Of the newest run; not written by insert and update. */
    int64_t last_run_us; /* 0: never */
    struct uuid last_job_id;
    const char *last_job_queue, *last_job_state; /* NULL */
};

/* Who looks. */
struct task_schedule_viewer {
    struct uuid org_id;
    bool is_operator; /* sees those of the installation as well */
};

struct task_schedule_filter {
    bool has_enabled, enabled;
    bool has_system, system;      /* only those of the installation, or only others */
    const char *task, *queue, *q; /* NULL: any; q: part of the name, any case */
    const char *sort;             /* NULL: newest first; one of task_schedules_sorts */
};
/* "name", "-name" …; ends with NULL. */
extern const char *const task_schedules_sorts[];
extern const char *const task_schedule_catch_ups[], *const task_schedule_overlaps[];

/* One page; page->total is set. */
NODISCARD enum status task_schedules_list(struct db *db, struct arena *arena,
                                          const struct task_schedule_viewer *viewer,
                                          const struct task_schedule_filter *filter,
                                          struct page *page, struct task_schedule **rows,
                                          size_t *count);
NODISCARD enum status task_schedule_get(struct db *db, struct arena *arena,
                                        const struct task_schedule_viewer *viewer,
                                        const struct uuid *id, struct task_schedule *out);
/* The id of the one with this name, his own before the installation's. ST_NOT_FOUND. */
NODISCARD enum status task_schedule_find(struct db *db, struct arena *arena,
                                         const struct task_schedule_viewer *viewer,
                                         const char *name, struct uuid *out);

/* Judges a schedule as it would be stored: the task, which must be one that organisations may
 * schedule; its arguments, checks of the organisation that they name included (they become
 * s->args); text and zone together; the queue's name. ST_INVALID with what is wrong in `errors`. */
NODISCARD enum status task_schedule_judge(struct db *db, struct arena *arena, json_t *args,
                                          struct task_schedule *s, struct field_errors *errors);
/* The zone that a cron schedule follows ("UTC" where none is named); NULL for an interval. */
const char *task_schedule_zone(const struct task_schedule *s, struct arena *arena);
/* When it runs next after that moment, jitter apart; 0: never, or it is not enabled. */
int64_t task_schedule_next_us(const struct task_schedule *s, struct arena *arena, int64_t now_ms);

/* Stores a new one, of s->org_id. user_id may be nil. *s is read back. ST_CONFLICT: the name is
 * taken; ST_OVERLOADED: there are LIMIT_SCHEDULES_ORG. */
NODISCARD enum status task_schedule_insert(struct db *db, struct arena *arena,
                                           const struct uuid *user_id, struct task_schedule *s);
/* Changes one in a transaction: `change` sees it as it is and writes what it shall be; any status
 * of its own ends the transaction without effect. *out is read back. May run `change` more than
 * once. ST_CONFLICT: the name is taken. */
typedef enum status task_schedule_change_fn(struct task_schedule *s, void *arg);
NODISCARD enum status task_schedule_update(struct db *db, struct arena *arena,
                                           const struct task_schedule_viewer *viewer,
                                           const struct uuid *id, task_schedule_change_fn *change,
                                           void *arg, struct task_schedule *out);
/* Pauses or resumes; nothing happens where it is so already. ST_NOT_FOUND. */
NODISCARD enum status task_schedule_enable(struct db *db, struct arena *arena,
                                           const struct task_schedule_viewer *viewer,
                                           const struct uuid *id, bool enabled,
                                           struct task_schedule *out);
/* ST_NOT_FOUND also for one of the installation. */
NODISCARD enum status task_schedule_delete(struct db *db, struct arena *arena,
                                           const struct uuid *org_id, const struct uuid *id);
/* Runs it now, whether it is enabled or not: a job in the outbox, with what the schedule says of
 * queue, priority, expiry and (but for "allow") of overlap: it waits until no other run is under
 * way. *out is read back; its last_job_id is the job. */
NODISCARD enum status task_schedule_run(struct db *db, struct arena *arena,
                                        const struct task_schedule_viewer *viewer,
                                        const struct uuid *id, struct task_schedule *out);

#endif
