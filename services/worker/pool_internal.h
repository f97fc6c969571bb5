/* Between pool.c (which job next), children.c (the processes) and attempt.c (a job in one). */
#ifndef TOCSIN_WORKER_POOL_INTERNAL_H
#define TOCSIN_WORKER_POOL_INTERNAL_H

#include <sys/types.h>

#include "services/worker/frame.h"
#include "services/worker/pool.h"
#include "services/worker/tasks/task.h"

enum child_state { CHILD_STARTING, CHILD_IDLE, CHILD_BUSY, CHILD_KILLED };

struct child {
    enum child_state state;
    pid_t pid; /* and process group */
    int fd;
    struct work *work; /* of CHILD_BUSY, and CHILD_KILLED meanwhile */
    int64_t jobs;
    int64_t since_ms; /* of this state; all of these are monotonic */
    int64_t started_us, soft_at_ms, hard_at_ms, kill_at_ms;
    enum task_stop told;
    bool ran_out; /* of its hard limit: that is why it was killed */
};

/* A process that was let go and has not been waited for. */
struct ended {
    pid_t pid;
    int64_t kill_at_ms;
};

struct pool {
    struct worker *worker;
    struct stage *stage;
    int wake_fd;
    atomic_bool is_stopping, is_broken; /* broken: executors do not start */
    atomic_size_t executors;
    pthread_mutex_t lock; /* of this and the lanes' lists: */
    size_t ready, running, turn;
    /* The thread's alone: */
    struct child children[LIMIT_EXECUTORS];
    size_t child_count;
    struct ended ended[2 * LIMIT_EXECUTORS];
    size_t ended_count;
    int failures; /* to start an executor, in a row */
    int64_t start_at_ms, sift_at_ms;
    char *frame;
};

/* --- pool.c --- */
/* What waits and may start: how many, and since when the oldest has waited. */
size_t pool_waiting(struct pool *p, int64_t *oldest_ms);
/* The next job, which runs from now on; NULL: none may start. */
struct work *pool_next(struct pool *p);
/* The attempt is over (work->task says how): the work goes on. */
void pool_done(struct pool *p, struct work *work, int64_t took_us);
/* Works that wait and were cancelled, have expired or waited too long, go on. Looks every now and
 * then; returns when to come again (monotonic ms; INT64_MAX: none waits). */
int64_t pool_sift(struct pool *p, int64_t now_ms);

/* --- attempt.c: of the job that an executor has --- */
void attempt_begin(struct child *c, struct work *work, int64_t now_ms);
void attempt_set_progress(struct work *work, const char *text);
/* It is over. */
void attempt_end(struct pool *p, struct child *c, enum task_how how, const char *reason);
/* … by the executor's own word. */
void attempt_done(struct pool *p, struct child *c, const struct frame_done *done);
/* … because the executor is gone; `what` became of it matters unless we ended it ourselves. */
void attempt_lost(struct pool *p, struct child *c, const char *what);

/* --- process.c --- */
/* An executor with `fd` as its EXECUTOR_FD and nothing else of ours. ST_UNAVAILABLE (errno). */
NODISCARD enum status process_start(int fd, pid_t *out);
/* What tasks start and leave behind becomes a child of this process, also where no init looks for
 * such, … */
void process_adopt_orphans(void);
/* … and this waits for those that have ended. Not for children that are known: their ends are asked
 * for elsewhere. Whether there are children still. */
bool process_reap_orphans(bool (*is_known)(const void *arg, pid_t pid), const void *arg);
/* Of waitpid's status: "executor ended by signal 11 (Segmentation fault)". */
void process_describe(int status, char *out, size_t cap);

/* --- children.c --- */
void children_stage(struct stage *stage, void *pool);

#endif
