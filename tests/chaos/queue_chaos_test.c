/*
 * The queue under kill -9: workers and their producer are killed, stopped beyond their lease and
 * thawed, Redis is killed, robbed of the end of its file, flushed. What the ledgers promised is
 * compared with what took effect in PostgreSQL. A seed is one order of events:
 *     CHAOS_SEED=… CHAOS_KILLS=… make test-chaos T=queue_chaos
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/str.h"
#include "tests/chaos/ledger.h"
#include "tests/chaos/look.h"
#include "tests/chaos/roles.h"
#include "tests/kit/kit.h"
#include "tests/kit/redis_server.h"

enum {
    WORKERS = 4,
    INCIDENTS_MIN = 2,
    INCIDENTS_MAX = 1024,
    SAMPLES_MAX = 1 << 16,
    SHORT_KILLS = 24,
    RESURRECTED_MS = 5000,
    DRAIN_MS = KIT_PATIENCE_MS,
    LEAVE_MS = KIT_PATIENCE_MS,
    TAIL_BYTES = 256 << 10 /* of Redis's file may be lost at once: some hundred jobs */
};

struct slot {
    pid_t pid; /* 0: nobody */
    int incarnation;
    int64_t thaw_at_ms, start_at_ms; /* monotonic */
};

/* Jobs that Redis may have forgotten without anybody's fault. */
struct incident {
    int64_t from, to;
};

/* Jobs below `accepted` are in the first `bytes` of Redis's file. */
struct sample {
    int64_t accepted, bytes;
};

enum trouble { TROUBLE_WORKERS, TROUBLE_REDIS, TROUBLE_FLUSH };

static struct {
    uint64_t seed, random;
    int kills; /* asked for, of the whole program */
    struct redis_server server;
    struct chaos chaos;
    char events_path[640], accepted_path[640];
    int events, accepted; /* the ledgers */
    struct db *db;
    struct redis *redis;
    struct queue *queue;
    struct slot workers[WORKERS], producer;
    int incarnations; /* so far */
    struct incident incidents[INCIDENTS_MAX];
    size_t incident_count;
    struct sample samples[SAMPLES_MAX];
    size_t sample_count;
    int killed, frozen, restarts; /* of this case */
} d;

/* splitmix64 again: libshared's own is seeded by the kernel, this one by CHAOS_SEED. */
static int64_t draw(int64_t low, int64_t high)
{
    uint64_t z = d.random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return low + (int64_t)(z % (uint64_t)(high - low + 1));
}

/* --- processes --- */

static void start_worker(struct slot *s)
{
    static const char *const points[] = {"queue.after_fetch", "queue.before_ack",
                                         "queue.after_ack"};
    char crash_at[64] = "";
    int id = ++d.incarnations;
    assert_true(id < INT16_MAX);
    /* One in four meets its end at an edge, where a kill from outside seldom falls. */
    if (draw(0, 3) == 0)
        (void)snprintf(crash_at, sizeof(crash_at), "%s:%d", points[draw(0, 2)], (int)draw(1, 40));
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        chaos_worker(&d.chaos, id, crash_at);
    *s = (struct slot){.pid = pid, .incarnation = id};
}

static void start_producer(void)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        chaos_producer(&d.chaos);
    d.producer = (struct slot){.pid = pid};
}

static void kill_now(struct slot *s)
{
    if (s->pid == 0)
        return;
    if (s->incarnation > 0) {
        ledger_write(d.events, LEDGER_KILLED, s->incarnation, 0, 0);
        d.killed++;
    }
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
    *s = (struct slot){.start_at_ms = clock_mono_ms() + draw(0, 300)};
}

/* Sees who killed themselves, and thaws and starts whoever's time has come. */
static void look_after_workers(void)
{
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < WORKERS; i++) {
        struct slot *s = &d.workers[i];
        int status = 0;
        if (s->pid != 0 && waitpid(s->pid, &status, WNOHANG) == s->pid) {
            if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
                fail_msg("worker %d died of signal %d", s->incarnation, WTERMSIG(status));
            if (WIFSIGNALED(status)) {
                ledger_write(d.events, LEDGER_KILLED, s->incarnation, 0, 0);
                d.killed++;
            }
            *s = (struct slot){.start_at_ms = now + draw(0, 300)};
        }
        if (s->pid == 0 && now >= s->start_at_ms)
            start_worker(s);
        if (s->pid != 0 && s->thaw_at_ms != 0 && now >= s->thaw_at_ms) {
            (void)kill(s->pid, SIGCONT);
            s->thaw_at_ms = 0;
        }
    }
    if (d.producer.pid == 0 && now >= d.producer.start_at_ms)
        start_producer();
}

/* Longer than its lease: others have its jobs when it goes on. */
static void freeze(struct slot *s)
{
    if (s->pid == 0 || s->thaw_at_ms != 0)
        return;
    (void)kill(s->pid, SIGSTOP);
    s->thaw_at_ms = clock_mono_ms() + CHAOS_LEASE_MS + draw(200, 1200);
    d.frozen++;
}

static void leave(struct slot *s)
{
    int status = 0;
    if (s->pid == 0)
        return;
    (void)kill(s->pid, SIGCONT);
    (void)kill(s->pid, SIGTERM);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    bool is_well = (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                   (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* its crash point */
    if (!is_well)
        fail_msg("worker %d ended with status %d", s->incarnation, status);
    *s = (struct slot){0};
}

/* --- Redis --- */

/* How much of Redis's file holds what was accepted so far, as far as that is certain. */
static void take_sample(void)
{
    int64_t accepted = ledger_count(d.accepted);
    AUTO_REPLY r = NULL;
    if (redis_do(d.redis, &r, "INFO", "persistence") != ST_OK ||
        !strstr(r->str, "aof_buffer_length:0\r"))
        return;
    if (d.sample_count < SAMPLES_MAX)
        d.samples[d.sample_count++] = (struct sample){.accepted = accepted,
                                                      .bytes = redis_server_aof_bytes(&d.server)};
}

static void note_incident(int64_t from)
{
    assert_true(d.incident_count < INCIDENTS_MAX);
    /* One job was on its way when it happened. */
    d.incidents[d.incident_count++] = (struct incident){.from = from,
                                                        .to = ledger_count(d.accepted) + 1};
    d.restarts++;
}

static void restart_redis(void)
{
    redis_server_kill(&d.server);
    int64_t bytes = redis_server_aof_bytes(&d.server);
    if (draw(0, 1) == 1) {
        bytes = MAX_OF(bytes - draw(1, TAIL_BYTES), 0);
        redis_server_truncate(&d.server, bytes);
    }
    while (d.sample_count > 0 && d.samples[d.sample_count - 1].bytes > bytes)
        d.sample_count--;
    int64_t from = d.sample_count > 0 ? d.samples[d.sample_count - 1].accepted : 0;
    redis_server_start(&d.server);
    note_incident(from);
}

static void flush_redis(void)
{
    assert_ok(redis_do(d.redis, NULL, "FLUSHALL"));
    note_incident(0);
}

/* --- what is asked at the end --- */

static bool is_empty(void)
{
    struct queue_stats s;
    return queue_stats_get(d.queue, d.redis, &s) == ST_OK && s.waiting + s.pending + s.delayed == 0;
}

/* Looked at one key after the other, a job that moves between them may be missed, but not twice. */
static bool is_drained(void)
{
    look_after_workers();
    return is_empty() && is_empty() && is_empty();
}

/* A Redis that lost the end of its file may think that a worker which lives on still holds a job
 * that it has acknowledged: such jobs come back when that worker leaves. */
static void let_go_of_forgotten(void)
{
    struct queue_stats s = {0};
    if (kit_wait(is_drained(), RESURRECTED_MS))
        return;
    assert_ok(queue_stats_get(d.queue, d.redis, &s));
    printf("# %lld jobs wait for a worker to leave, as Redis forgot how they ended\n",
           (long long)s.pending);
    for (size_t i = 0; i < WORKERS; i++)
        leave(&d.workers[i]);
}

static void drain(const char *what)
{
    struct queue_stats s = {0};
    if (kit_wait(is_drained(), DRAIN_MS))
        return;
    assert_ok(queue_stats_get(d.queue, d.redis, &s));
    look_print_pending(d.queue, d.redis);
    fail_msg("%s: after %d ms %lld waiting, %lld pending, %lld delayed; CHAOS_SEED=%llu", what,
             DRAIN_MS, (long long)s.waiting, (long long)s.pending, (long long)s.delayed,
             (unsigned long long)d.seed);
}

static bool may_be_forgotten(int64_t job)
{
    for (size_t i = 0; i < d.incident_count; i++) {
        if (job >= d.incidents[i].from && job < d.incidents[i].to)
            return true;
    }
    return false;
}

static void print_history(int32_t job)
{
    size_t count = 0;
    AUTO_FREE struct ledger_record *records = ledger_read(d.events_path, &count);
    ledger_print_job(records, count, job);
}

/* Puts accepted jobs without effect into the queue again, as who accepted them does after Redis
 * lost its memory. Those that it had no reason to forget are a failure. */
static int64_t reconcile(void)
{
    static const struct query missing = {
        .name = "chaos_missing",
        .sql = "SELECT n FROM generate_series(0, $1::integer - 1) n"
               " WHERE NOT EXISTS (SELECT FROM effects WHERE job = n)"};
    AUTO_ARENA arena = arena_new(1 << 20);
    AUTO_RESULT r = NULL;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_i64(&args, ledger_count(d.accepted));
    assert_ok(db_query(d.db, &missing, &args, &r));
    int lost = 0;
    for (int i = 0; i < PQntuples(r); i++) {
        int32_t n = (int32_t)row_i64(r, i, "n");
        struct job job;
        if (!may_be_forgotten(n)) {
            print_history(n);
            lost++;
        }
        assert_ok(chaos_job(n, &job));
        assert_ok(queue_enqueue(d.queue, d.redis, &job));
    }
    if (lost > 0)
        fail_msg("%d accepted jobs were lost; CHAOS_SEED=%llu", lost, (unsigned long long)d.seed);
    return PQntuples(r);
}

/* The workers drain; what dead ones left behind is cared for by whoever comes by: here we. */
static bool nobody_is_left(void)
{
    return queue_maintain(d.queue, d.redis, clock_wall_ms(), NULL) == ST_OK &&
           look_count_consumers(d.queue, d.redis) == 0;
}

static void all_leave(void)
{
    for (size_t i = 0; i < WORKERS; i++)
        leave(&d.workers[i]);
    assert_true(kit_wait(nobody_is_left(), LEAVE_MS));
}

static void end_producer(void)
{
    kill_now(&d.producer);
    /* In the far future: not again in this case. */
    d.producer = (struct slot){.start_at_ms = INT64_MAX};
}

static void compare(int64_t resent)
{
    int64_t accepted = ledger_count(d.accepted);
    int64_t effects = kit_sql_i64(d.db, "SELECT count(*) FROM effects");
    /* The last one may have come through without its answer. */
    assert_in_range(effects - accepted, 0, 1);
    assert_int_equal(kit_sql_i64(d.db, "SELECT effects FROM totals"), effects);
    struct queue_stats s;
    assert_ok(queue_stats_get(d.queue, d.redis, &s));
    assert_int_equal(s.dead, 0);

    size_t count = 0, again = 0;
    AUTO_FREE struct ledger_record *records = ledger_read(d.events_path, &count);
    for (size_t i = 0; i < count; i++)
        again += records[i].event == LEDGER_AGAIN;
    printf(
        "# seed %llu: %d workers killed, %d frozen, %d times Redis; %lld jobs accepted, each took"
        " effect once; %zu repeats had no effect; %lld sent again after Redis forgot them\n",
        (unsigned long long)d.seed, d.killed, d.frozen, d.restarts, (long long)accepted, again,
        (long long)resent);
    /* With Redis in trouble this would measure how long we waited to send jobs again. */
    if (d.restarts > 0)
        return;
    struct ledger_orphans o = ledger_orphans_of(records, count, CHAOS_LEASE_MS);
    printf("# %zu orphaned jobs were fetched again after the lease's end by p50 %lld, p99 %lld, "
           "max %lld ms\n",
           o.count, (long long)o.p50_ms, (long long)o.p99_ms, (long long)o.max_ms);
    (void)fflush(stdout);
}

/* --- the course of a case --- */

static void strike(enum trouble trouble)
{
    struct slot *s = &d.workers[draw(0, WORKERS - 1)];
    int64_t dice = draw(0, 99);
    if (dice < 15)
        freeze(s);
    else if (dice < 20)
        kill_now(&d.producer);
    else if (dice < 25 && s->pid != 0 && s->thaw_at_ms == 0)
        (void)kill(s->pid, SIGTERM);
    else if (dice < 45 && trouble == TROUBLE_REDIS)
        restart_redis();
    else if (dice < 45 && trouble == TROUBLE_FLUSH)
        flush_redis();
    else
        kill_now(s);
}

static void play(enum trouble trouble, int kills)
{
    while (d.killed < kills || (trouble != TROUBLE_WORKERS && d.restarts < INCIDENTS_MIN)) {
        int64_t until = clock_mono_ms() + draw(20, 350);
        while (clock_mono_ms() < until) {
            look_after_workers();
            if (trouble == TROUBLE_REDIS)
                take_sample();
            kit_pause();
        }
        strike(trouble);
    }
}

static void begin(const char *name)
{
    d.random = d.seed;
    d.killed = d.frozen = d.restarts = 0;
    d.incident_count = d.sample_count = 0;
    redis_server_init(&d.server, name);
    redis_server_start(&d.server);
    d.chaos.redis_url = d.server.url;
    d.chaos.seed = d.seed;
    (void)snprintf(d.events_path, sizeof(d.events_path), "%s/events", d.server.dir);
    (void)snprintf(d.accepted_path, sizeof(d.accepted_path), "%s/accepted", d.server.dir);
    d.chaos.events_path = d.events_path;
    d.chaos.accepted_path = d.accepted_path;
    d.events = ledger_open(d.events_path);
    d.accepted = ledger_open(d.accepted_path);
    d.redis = kit_redis_open(d.server.url);
    assert_ok(queue_new(CHAOS_QUEUE, 0, &d.queue));
    kit_sql(d.db, "TRUNCATE effects; UPDATE totals SET effects = 0");
    memset(d.workers, 0, sizeof(d.workers));
    start_producer();
}

static int end(void **state)
{
    for (size_t i = 0; i < WORKERS; i++) {
        if (d.workers[i].pid != 0)
            kill_now(&d.workers[i]);
    }
    if (d.producer.pid != 0)
        end_producer();
    redis_server_kill(&d.server);
    queue_free(d.queue);
    redis_free(d.redis);
    d.queue = NULL;
    d.redis = NULL;
    return 0;
}

static void run(const char *name, enum trouble trouble, int kills)
{
    begin(name);
    play(trouble, kills);
    end_producer();
    if (trouble == TROUBLE_REDIS)
        let_go_of_forgotten();
    drain("the queue does not come to rest");
    int64_t resent = reconcile();
    drain("what was sent again does not come to rest");
    all_leave();
    compare(resent);
}

static void test_workers_killed_and_frozen(void **state)
{
    run("workers", TROUBLE_WORKERS, d.kills * 3 / 5);
}

static void test_redis_killed_and_cut(void **state)
{
    run("redis", TROUBLE_REDIS, d.kills / 4);
}

static void test_redis_flushed(void **state)
{
    run("flush", TROUBLE_FLUSH, d.kills - d.kills * 3 / 5 - d.kills / 4);
}

static int64_t setting(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    int64_t v = otherwise;
    if (text && str_to_i64(text, &v) != ST_OK)
        fail_msg("%s is not a number", name);
    return v;
}

static int setup(void **state)
{
    d.seed = (uint64_t)setting("CHAOS_SEED", clock_wall_ms() % 1000000);
    /* Half of all that were asked for; the rest are the daemons'. */
    d.kills = (int)((setting("CHAOS_KILLS", 2 * SHORT_KILLS) + 1) / 2);
    d.chaos.conninfo = kit_database_empty();
    d.db = kit_db_open(d.chaos.conninfo);
    kit_sql(d.db, "CREATE TABLE effects (job integer PRIMARY KEY);"
                  "CREATE TABLE totals (effects bigint NOT NULL); INSERT INTO totals VALUES (0)");
    printf("# CHAOS_SEED=%llu CHAOS_KILLS=%d\n", (unsigned long long)d.seed, d.kills);
    return 0;
}

static int teardown(void **state)
{
    db_free(d.db);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_workers_killed_and_frozen, end),
        cmocka_unit_test_teardown(test_redis_killed_and_cut, end),
        cmocka_unit_test_teardown(test_redis_flushed, end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
