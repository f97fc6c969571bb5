/* Jobs whose workers die: who is taken for the culprit, and what becomes of those in its company.
 */
#include <string.h>

#include "base/str.h"
#include "queue/control.h"
#include "queue/internal.h"
#include "tests/kit/queue.h"

enum { INNOCENT = 50, ALL = INNOCENT + 1, CULPRIT = 20, DEATHS = 20 };

struct scene {
    struct queue_fixture *f;
    struct uuid id[ALL];
    int runs[ALL];
    int deaths;
    int64_t now_ms;
};

static struct scene begin(struct queue_fixture *f, size_t count)
{
    struct scene s = {.f = f, .now_ms = clock_wall_ms()};
    struct job jobs[ALL];
    for (size_t i = 0; i < count; i++) {
        jobs[i] = queue_fixture_job();
        s.id[i] = jobs[i].id;
    }
    assert_ok(queue_enqueue_many(f->q, f->r, jobs, count, NULL));
    return s;
}

static size_t number_of(const struct scene *s, const struct job *job)
{
    size_t i = 0;
    while (i < ALL && !uuid_eq(&s->id[i], &job->id))
        i++;
    assert_true(i < ALL);
    return i;
}

/* As if this worker had had its entries in hand for so long. */
static void age(struct queue_fixture *f, const char *consumer, const char *idle_ms)
{
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        const char *stream = queue_stream_key(f->q, p);
        AUTO_REPLY held = NULL;
        assert_ok(redis_do(f->r, &held, "XPENDING", stream, "workers", "-", "+", "1000", consumer));
        for (size_t i = 0; i < held->elements; i++)
            assert_ok(redis_do(f->r, NULL, "XCLAIM", stream, "workers", consumer, "0",
                               held->element[i]->element[0]->str, "IDLE", idle_ms, "JUSTID"));
    }
}

/* The next maintenance, now that nobody else has just looked for the dead. */
static void maintain(struct scene *s)
{
    struct queue_fixture *f = s->f;
    s->now_ms += 1000;
    assert_ok(redis_do(f->r, NULL, "DEL", queue_key(f->q, "reaper", f->arena)));
    (void)queue_fixture_maintain(f, s->now_ms);
}

/* Its lease has ended, and whoever looks next lets those come that wait for it. */
static void die(struct scene *s, const char *consumer)
{
    struct queue_fixture *f = s->f;
    char key[QUEUE_KEY_BYTES + QUEUE_CONSUMER_BYTES];
    s->deaths++;
    assert_ok(queue_heartbeat_key(f->q, consumer, key, sizeof(key)));
    assert_ok(redis_do(f->r, NULL, "DEL", key));
    age(f, consumer, "5000");
    maintain(s);
    maintain(s);
}

static size_t fetch_all(struct scene *s)
{
    arena_reset(s->f->arena);
    return queue_fixture_fetch(s->f, "worker", 100);
}

/* Runs what it fetched, one after the other, until it dies of the culprit. */
static void work(struct scene *s, size_t culprit)
{
    const size_t count = fetch_all(s);
    for (size_t i = 0; i < count; i++) {
        const size_t n = number_of(s, &s->f->batch.jobs[i]);
        if (n == culprit) {
            die(s, "worker");
            return;
        }
        s->runs[n]++;
        queue_fixture_end(s->f, "worker", i, JOB_SUCCEEDED, NULL);
    }
}

static struct queue_stats stats_of(struct scene *s)
{
    struct queue_stats stats;
    assert_ok(queue_stats_get(s->f->q, s->f->r, &stats));
    return stats;
}

static bool is_at_rest(struct scene *s)
{
    const struct queue_stats stats = stats_of(s);
    return stats.waiting + stats.pending + stats.delayed == 0;
}

static void run_all(struct scene *s, size_t culprit)
{
    for (int i = 0; i < 200 && !is_at_rest(s); i++) {
        work(s, culprit);
        maintain(s);
    }
    assert_true(is_at_rest(s));
}

static void assert_dead_is(struct scene *s, size_t culprit)
{
    struct queue_fixture *f = s->f;
    AUTO_REPLY dead = NULL;
    struct job job;
    assert_ok(redis_do(f->r, &dead, "XRANGE", queue_key(f->q, "dead", f->arena), "-", "+"));
    assert_int_equal(dead->elements, 1);
    assert_ok(job_decode(dead->element[0]->element[1], f->arena, &job, NULL));
    assert_int_equal(number_of(s, &job), culprit);
    assert_non_null(strstr(job.reason, "poison"));
}

static void test_only_the_culprit_dies(void **state)
{
    struct scene s = begin(*state, ALL);
    run_all(&s, CULPRIT);
    assert_dead_is(&s, CULPRIT);
    assert_int_equal(s.deaths, QUEUE_MAX_DELIVERIES);
    for (size_t i = 0; i < ALL; i++)
        assert_int_equal(s.runs[i], i == CULPRIT ? 0 : 1);
}

static void test_a_lone_culprit_dies(void **state)
{
    struct scene s = begin(*state, 1);
    run_all(&s, 0);
    assert_dead_is(&s, 0);
    assert_int_equal(s.deaths, QUEUE_MAX_DELIVERIES);
}

/* Whoever kills them: workers that die again and again before they begin are nobody's fault. */
static void test_workers_that_never_begin(void **state)
{
    struct scene s = begin(*state, ALL);
    for (int i = 0; i < DEATHS; i++) {
        assert_true(fetch_all(&s) > 0);
        die(&s, "worker");
    }
    run_all(&s, ALL);
    assert_int_equal(stats_of(&s).dead, 0);
    for (size_t i = 0; i < ALL; i++)
        assert_int_equal(s.runs[i], 1);
}

static void test_suspects_come_in_groups_then_alone(void **state)
{
    static const size_t wanted[] = {ALL, ALL, QUEUE_SUSPECTS};
    struct scene s = begin(*state, ALL);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        assert_int_equal(fetch_all(&s), wanted[i]);
        assert_int_equal(s.f->batch.jobs[0].deliveries, i + 1);
        if (i + 1 < ARRAY_LEN(wanted))
            die(&s, "worker");
    }
    /* The others wait for all of the group, … */
    for (size_t i = 0; i < QUEUE_SUSPECTS - 1; i++)
        queue_fixture_end(s.f, "worker", i, JOB_SUCCEEDED, NULL);
    maintain(&s);
    assert_int_equal(fetch_all(&s), 0);
    /* … and who was in it when it died comes alone when they are through. */
    die(&s, "worker");
    const size_t left = ALL - QUEUE_SUSPECTS;
    size_t seen = 0, alone = 0;
    for (int i = 0; i < 20; i++) {
        const size_t count = fetch_all(&s);
        for (size_t k = 0; k < count; k++) {
            alone += s.f->batch.jobs[k].deliveries > 3;
            if (s.f->batch.jobs[k].deliveries > 3)
                assert_int_equal(count, 1);
            queue_fixture_end(s.f, "worker", k, JOB_SUCCEEDED, NULL);
        }
        seen += count;
        maintain(&s);
    }
    assert_int_equal(seen, left + 1);
    assert_int_equal(alone, 1);
    assert_true(is_at_rest(&s));
}

/* Both jobs have gone down with so many workers that they come alone. */
static void make_suspects(struct scene *s)
{
    for (int i = 0; i < QUEUE_ALONE_LOST; i++) {
        assert_int_equal(fetch_all(s), 2);
        die(s, "worker");
    }
}

/* What runs for long without harm keeps nobody waiting. */
static void test_a_long_run_is_no_suspect(void **state)
{
    struct scene s = begin(*state, 2);
    make_suspects(&s);
    assert_int_equal(fetch_all(&s), 1);
    maintain(&s);
    assert_int_equal(fetch_all(&s), 0);
    age(s.f, "worker", "31000");
    maintain(&s);
    assert_int_equal(fetch_all(&s), 1);
}

static void test_a_suspect_that_is_handed_back(void **state)
{
    struct scene s = begin(*state, 2);
    make_suspects(&s);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fetch_all(&s), 1);
        assert_ok(queue_hand_back(s.f->q, s.f->r, "worker", &s.f->batch.jobs[0]));
        maintain(&s);
    }
    run_all(&s, ALL);
    assert_int_equal(s.runs[0] + s.runs[1], 2);
}

static void test_a_suspect_can_be_cancelled(void **state)
{
    struct scene s = begin(*state, 2);
    enum job_state was = JOB_RUNNING;
    make_suspects(&s);
    assert_int_equal(fetch_all(&s), 1);
    const size_t other = 1 - number_of(&s, &s.f->batch.jobs[0]);
    assert_ok(queue_cancel(s.f->q, s.f->r, &s.id[other], s.now_ms, &was));
    assert_int_equal(was, JOB_CANCELLED);
    queue_fixture_end(s.f, "worker", 0, JOB_SUCCEEDED, NULL);
    assert_true(is_at_rest(&s));
}

/* Who leaves gives back what he has; nobody died of it. */
static void test_leaving_is_no_death(void **state)
{
    struct scene s = begin(*state, 1);
    for (int i = 0; i < DEATHS; i++) {
        assert_int_equal(fetch_all(&s), 1);
        assert_int_equal(s.f->batch.jobs[0].deliveries, 1);
        assert_ok(queue_leave(s.f->q, s.f->r, "worker"));
    }
}

/* Other things in place of its keys isolate nobody, and lose nobody. */
static void test_broken_keys(void **state)
{
    static const char *const keys[] = {"suspects", "jobs", "delayed"};
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        struct scene s = begin(*state, 2);
        const char *key = queue_key(s.f->q, keys[k], s.f->arena);
        assert_ok(redis_do(s.f->r, NULL, "SET", key, "something else"));
        for (int i = 0; i < QUEUE_ALONE_LOST; i++) {
            assert_true(fetch_all(&s) > 0);
            die(&s, "worker");
        }
        size_t count = 0;
        for (int i = 0; i < 4; i++) {
            const size_t some = fetch_all(&s);
            for (size_t n = 0; n < some; n++)
                queue_fixture_end(s.f, "worker", n, JOB_SUCCEEDED, NULL);
            count += some;
            maintain(&s);
        }
        assert_int_equal(count, 2);
        assert_ok(redis_do(s.f->r, NULL, "FLUSHDB"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_only_the_culprit_dies),
        QUEUE_CASE(test_a_lone_culprit_dies),
        QUEUE_CASE(test_workers_that_never_begin),
        QUEUE_CASE(test_suspects_come_in_groups_then_alone),
        QUEUE_CASE(test_a_long_run_is_no_suspect),
        QUEUE_CASE(test_a_suspect_that_is_handed_back),
        QUEUE_CASE(test_a_suspect_can_be_cancelled),
        QUEUE_CASE(test_leaving_is_no_death),
        QUEUE_CASE(test_broken_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
