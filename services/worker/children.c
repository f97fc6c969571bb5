/* The executors' processes: started, given jobs, heard, told to stop, killed, waited for. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/rand.h"
#include "log/log.h"
#include "services/worker/pool_internal.h"

enum {
    LAG_MS = 20,      /* a job that waited so long is worth one more process */
    LET_GO_MS = 2000, /* an executor that was let go has this long to end by itself */
    DRAIN_MS = 700,   /* … and what runs when the grace is over, before it is killed */
    KILLED_MS =
        5000, /* a killed process that does not go is left to itself (stuck in the kernel) */
    ORPHANS_MS = 1000,
    REAP_MS = 20, /* between two looks for the ends of processes that were let go */
    SEND_MS = 1000,
    BACKOFF_MS = 200,
    BACKOFF_CAP_MS = 10000
};

/* --- processes --- */

static void start_failed(struct pool *p, const char *why, int64_t now_ms)
{
    size_t good = 0;
    for (size_t i = 0; i < p->child_count; i++)
        good += p->children[i].state == CHILD_IDLE || p->children[i].state == CHILD_BUSY;
    atomic_store(&p->is_broken, good == 0);
    worker_health(WORKER_EXECUTORS, false);
    p->start_at_ms = now_ms + 1 + rand_backoff_ms(p->failures++, BACKOFF_MS, BACKOFF_CAP_MS);
    log_error("executor_not_started", kv_str("error", why), kv_i64("tries", p->failures));
}

static bool start_child(struct pool *p, int64_t now_ms)
{
    int pair[2];
    pid_t pid = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        start_failed(p, strerror(errno), now_ms);
        return false;
    }
    const enum status st = process_start(pair[1], &pid);
    (void)close(pair[1]);
    if (st != ST_OK) {
        (void)close(pair[0]);
        start_failed(p, strerror(errno), now_ms);
        return false;
    }
    p->children[p->child_count++] = (struct child){
        .state = CHILD_STARTING,
        .pid = pid,
        .fd = pair[0],
        .since_ms = now_ms,
        .soft_at_ms = INT64_MAX,
        .hard_at_ms = INT64_MAX,
        .kill_at_ms = now_ms + LIMIT_TASK_START_MS,
    };
    atomic_store(&p->executors, p->child_count);
    worker_metrics_executors(p->child_count);
    log_debug("executor_started", kv_i64("pid", pid));
    return true;
}

static void forget_child(struct pool *p, size_t i)
{
    (void)close(p->children[i].fd);
    p->children[i] = p->children[--p->child_count];
    atomic_store(&p->executors, p->child_count);
    worker_metrics_executors(p->child_count);
}

/* Its process is waited for later. */
static void let_go(struct pool *p, size_t i, int64_t kill_at_ms)
{
    if (p->ended_count < ARRAY_LEN(p->ended))
        p->ended[p->ended_count++] = (struct ended){p->children[i].pid, kill_at_ms};
    forget_child(p, i);
}

static void reap(struct pool *p, int64_t now_ms)
{
    for (size_t i = 0; i < p->ended_count;) {
        struct ended *e = &p->ended[i];
        int status = 0;
        const pid_t got = waitpid(e->pid, &status, WNOHANG);
        if (got == e->pid || (got < 0 && errno == ECHILD)) {
            *e = p->ended[--p->ended_count];
            continue;
        }
        if (now_ms >= e->kill_at_ms) {
            (void)kill(-e->pid, SIGKILL);
            e->kill_at_ms = now_ms + LET_GO_MS;
        }
        i++;
    }
}

static bool is_known(const void *pool, pid_t pid)
{
    const struct pool *p = pool;
    bool is = false;
    for (size_t i = 0; i < p->child_count; i++)
        is |= p->children[i].pid == pid;
    for (size_t i = 0; i < p->ended_count; i++)
        is |= p->ended[i].pid == pid;
    return is;
}

/* When to look again: they end without a word. */
static int64_t reap_orphans(const struct pool *p, int64_t now_ms)
{
    const bool are_there = process_reap_orphans(is_known, p);
    return are_there && p->child_count + p->ended_count == 0 ? now_ms + ORPHANS_MS : INT64_MAX;
}

static void kill_child(struct child *c, int64_t now_ms)
{
    (void)kill(-c->pid, SIGKILL);
    c->state = CHILD_KILLED;
    c->since_ms = now_ms;
}

/* The socket has ended, or the process is taken for gone. */
static void bury_child(struct pool *p, size_t i, int64_t now_ms)
{
    struct child *c = &p->children[i];
    char what[128] = "executor vanished";
    int status = 0;
    /* Its death is certain from here on, and seldom more than a moment away. */
    (void)kill(-c->pid, SIGKILL);
    pid_t got = 0;
    for (int n = 0; n < 100 && (got = waitpid(c->pid, &status, WNOHANG)) == 0; n++)
        (void)poll(NULL, 0, 1);
    if (got == c->pid)
        process_describe(status, what, sizeof(what));
    if (c->work) {
        attempt_lost(p, c, what);
    } else if (c->state == CHILD_STARTING) {
        start_failed(p, what, now_ms);
    } else if (c->state == CHILD_IDLE) {
        log_warn("executor_gone", kv_i64("pid", c->pid), kv_str("reason", what));
    }
    if (got == c->pid)
        forget_child(p, i);
    else
        let_go(p, i, now_ms + LET_GO_MS);
}

/* --- what executors say --- */

static void set_idle(struct child *c, int64_t now_ms)
{
    c->state = CHILD_IDLE;
    c->since_ms = now_ms;
    c->soft_at_ms = c->hard_at_ms = c->kill_at_ms = INT64_MAX;
}

/* false: that was no word that it may say now. */
static bool take_frame(struct pool *p, struct child *c, const struct frame *f, int64_t now_ms)
{
    struct frame_done done;
    if (f->type == FRAME_HELLO && c->state == CHILD_STARTING) {
        p->failures = 0;
        atomic_store(&p->is_broken, false);
        worker_health(WORKER_EXECUTORS, true);
        set_idle(c, now_ms);
        return true;
    }
    if (f->type == FRAME_PROGRESS && c->work) {
        attempt_set_progress(c->work, f->data);
        return true;
    }
    if (f->type != FRAME_DONE || !c->work || frame_get_done(f, &done) != ST_OK)
        return false;
    attempt_done(p, c, &done);
    c->jobs++;
    const struct conf *conf = p->worker->conf;
    /* What was killed while it said this goes all the same. */
    if (c->state == CHILD_BUSY)
        set_idle(c, now_ms);
    if (c->jobs >= conf->executor_jobs || done.rss_kb / 1024 >= conf->executor_memory)
        c->kill_at_ms = now_ms; /* idle: it is let go at the next turn */
    return true;
}

/* false: the executor is gone. */
static bool hear(struct pool *p, size_t i, int64_t now_ms)
{
    for (;;) {
        struct child *c = &p->children[i];
        struct frame f;
        const enum status st = frame_recv(c->fd, p->frame, 0, &f);
        if (st == ST_TIMEOUT)
            return true;
        if (st == ST_STOPPED || st == ST_IO) {
            bury_child(p, i, now_ms);
            return false;
        }
        if (st != ST_OK || !take_frame(p, c, &f, now_ms)) {
            log_error("executor_confused", kv_i64("pid", c->pid));
            bury_child(p, i, now_ms);
            return false;
        }
    }
}

/* --- what executors are told --- */

static void give_job(struct pool *p, size_t i, struct work *work, int64_t now_ms)
{
    struct child *c = &p->children[i];
    AUTO_BUF out;
    buf_init(&out, FRAME_BYTES);
    attempt_begin(c, work, now_ms);
    frame_put_job(&work->job, &out);
    if (buf_status(&out) != ST_OK) {
        attempt_end(p, c, TASK_FINAL, "the job is larger than an executor takes");
        set_idle(c, now_ms);
        return;
    }
    CRASH_AT("worker.before_task");
    if (frame_send(c->fd, FRAME_JOB, out.data, out.len, SEND_MS) != ST_OK)
        bury_child(p, i, now_ms);
}

static void tell(struct child *c, enum task_stop why)
{
    const char word = (char)why;
    c->told = why;
    /* Who is gone, or has no ear, meets the limit that comes next. */
    if (frame_send(c->fd, FRAME_STOP, &word, 1, 0) != ST_OK)
        log_debug("executor_not_told", kv_i64("pid", c->pid));
}

static void keep_time(struct pool *p, struct child *c, int64_t now_ms)
{
    if (c->state == CHILD_STARTING && now_ms >= c->kill_at_ms)
        kill_child(c, now_ms);
    if (c->state != CHILD_BUSY)
        return;
    if (now_ms >= c->hard_at_ms) {
        c->ran_out = true;
        kill_child(c, now_ms);
    } else if (now_ms >= c->kill_at_ms) {
        kill_child(c, now_ms);
    } else if (atomic_load(&c->work->is_cancelled)) {
        if (c->told != TASK_STOP_CANCEL) {
            tell(c, TASK_STOP_CANCEL);
            c->kill_at_ms = now_ms + p->worker->conf->executor_grace;
        }
    } else if (atomic_load(&p->worker->is_giving_up)) {
        if (c->told != TASK_STOP_DRAIN) {
            tell(c, TASK_STOP_DRAIN);
            c->kill_at_ms = now_ms + DRAIN_MS;
        }
    } else if (now_ms >= c->soft_at_ms) {
        c->soft_at_ms = INT64_MAX;
        tell(c, TASK_STOP_SOFT_LIMIT);
    }
}

/* Idle ones go: those that served long enough, and beyond MIN those with nothing to do. */
static bool is_over(const struct pool *p, const struct child *c, int64_t now_ms)
{
    if (c->state == CHILD_KILLED)
        return now_ms - c->since_ms >= KILLED_MS;
    if (c->state != CHILD_IDLE)
        return false;
    return now_ms >= c->kill_at_ms || (p->child_count > p->worker->executors.min &&
                                       now_ms - c->since_ms >= p->worker->conf->executor_idle);
}

static void look_after(struct pool *p, int64_t now_ms)
{
    for (size_t i = 0; i < p->child_count;) {
        struct child *c = &p->children[i];
        keep_time(p, c, now_ms);
        if (!is_over(p, c, now_ms))
            i++;
        else if (c->state == CHILD_IDLE)
            let_go(p, i, now_ms + LET_GO_MS);
        else
            bury_child(p, i, now_ms);
    }
}

/* --- one turn --- */

static void hand_out(struct pool *p, int64_t now_ms)
{
    for (size_t i = p->child_count; i-- > 0;) {
        if (p->children[i].state != CHILD_IDLE || p->children[i].kill_at_ms != INT64_MAX)
            continue;
        struct work *work = pool_next(p);
        if (!work)
            return;
        give_job(p, i, work, now_ms);
    }
}

/* Starts what is missing; returns when to look again (monotonic ms). */
static int64_t grow(struct pool *p, int64_t now_ms)
{
    const struct bounds *b = &p->worker->executors;
    size_t starting = 0;
    int64_t oldest_ms = 0;
    size_t wanted = pool_waiting(p, &oldest_ms);
    for (size_t i = 0; i < p->child_count; i++)
        starting += p->children[i].state == CHILD_STARTING;
    const bool is_late = wanted > 0 && now_ms >= oldest_ms + LAG_MS;
    /* One at once when there is none; more when those there are do not keep up. */
    if (!is_late)
        wanted = wanted > 0 && p->child_count == 0 ? 1 : 0;
    wanted = wanted > starting ? wanted - starting : 0;
    /* Nothing is fetched until one starts: so one is tried without being asked for. */
    if (atomic_load(&p->is_broken) && starting == 0)
        wanted = MAX_OF(wanted, (size_t)1);
    if (p->child_count < b->min)
        wanted = MAX_OF(wanted, b->min - p->child_count);
    wanted = MIN_OF(wanted, b->max - MIN_OF(b->max, p->child_count));
    if (wanted > 0 && now_ms < p->start_at_ms)
        return p->start_at_ms;
    while (wanted > 0 && start_child(p, now_ms))
        wanted--;
    if (wanted > 0)
        return p->start_at_ms;
    return oldest_ms != INT64_MAX && !is_late ? oldest_ms + LAG_MS : INT64_MAX;
}

static int64_t next_of(const struct pool *p, const struct child *c)
{
    int64_t at = MIN_OF(c->kill_at_ms, MIN_OF(c->soft_at_ms, c->hard_at_ms));
    if (c->state == CHILD_KILLED)
        return c->since_ms + KILLED_MS;
    if (c->state == CHILD_IDLE && p->child_count > p->worker->executors.min)
        at = MIN_OF(at, c->since_ms + p->worker->conf->executor_idle);
    return at;
}

static void wait_and_hear(struct pool *p, int64_t until_ms, int64_t now_ms)
{
    struct pollfd fds[LIMIT_EXECUTORS + 1];
    const size_t count = p->child_count;
    for (size_t i = 0; i < count; i++) {
        fds[i] = (struct pollfd){.fd = p->children[i].fd, .events = POLLIN};
        until_ms = MIN_OF(until_ms, next_of(p, &p->children[i]));
    }
    fds[count] = (struct pollfd){.fd = p->wake_fd, .events = POLLIN};
    if (p->ended_count > 0)
        until_ms = MIN_OF(until_ms, now_ms + REAP_MS);
    /* A broken start is tried again without anybody waiting: room depends on it. */
    if (atomic_load(&p->is_broken) && now_ms < p->start_at_ms)
        until_ms = MIN_OF(until_ms, p->start_at_ms);
    const int64_t ms = MIN_OF(MAX_OF(until_ms - now_ms, (int64_t)0), (int64_t)INT32_MAX);
    if (poll(fds, count + 1, until_ms == INT64_MAX ? -1 : (int)ms) <= 0)
        return;
    if (fds[count].revents) {
        uint64_t n = 0;
        (void)!read(p->wake_fd, &n, sizeof(n));
    }
    /* From the last: one that goes is replaced by one that was heard. */
    now_ms = clock_mono_ms();
    for (size_t i = count; i-- > 0;) {
        if (fds[i].revents)
            (void)hear(p, i, now_ms);
    }
}

static void end_all(struct pool *p)
{
    int64_t now_ms = clock_mono_ms();
    while (p->child_count > 0) {
        struct child *c = &p->children[p->child_count - 1];
        if (c->work) {
            atomic_store(&c->work->is_abandoned, true);
            attempt_end(p, c, TASK_HANDED_BACK, "");
            (void)kill(-c->pid, SIGKILL);
        }
        let_go(p, p->child_count - 1, now_ms + DRAIN_MS);
    }
    const int64_t until_ms = now_ms + KILLED_MS;
    for (; p->ended_count > 0 && now_ms < until_ms; now_ms = clock_mono_ms()) {
        reap(p, now_ms);
        if (p->ended_count > 0)
            (void)poll(NULL, 0, 1);
    }
}

void children_stage(struct stage *stage, void *pool)
{
    struct pool *p = pool;
    (void)stage;
    process_adopt_orphans();
    while (!atomic_load(&p->is_stopping)) {
        const int64_t now_ms = clock_mono_ms();
        int64_t next_ms = pool_sift(p, now_ms);
        look_after(p, now_ms);
        hand_out(p, now_ms);
        next_ms = MIN_OF(next_ms, grow(p, now_ms));
        reap(p, now_ms);
        next_ms = MIN_OF(next_ms, reap_orphans(p, now_ms));
        wait_and_hear(p, next_ms, now_ms);
    }
    end_all(p);
}
