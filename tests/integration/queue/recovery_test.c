/* What the queue does when consumers die, replies are lost and Redis is flushed. */
#include "queue/queue.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/integration/queue/fixture.h"

enum { LEASE_MS = 600000, SHORT_LEASE_MS = 50 };

/* Housekeeping until something was moved: the reaper takes turns and leaves fresh entries alone. */
static bool maintained(struct queue_fixture *f)
{
    size_t moved = 0;
    assert_ok(queue_maintain(f->q, f->r, clock_wall_ms(), &moved));
    return moved > 0;
}

static void test_dead_consumer_is_reaped(void **state)
{
    struct queue_fixture *f = *state;
    assert_ok(queue_heartbeat(f->q, f->r, "dead", "{}", SHORT_LEASE_MS));
    assert_ok(queue_heartbeat(f->q, f->r, "alive", "{}", LEASE_MS));
    for (int i = 0; i < 150; i++)
        fx_put(f, i % 2);
    assert_int_equal(fx_fetch(f, "alive", 30), 30);
    AUTO_FREE struct job *held = calloc(30, sizeof(*held));
    memcpy(held, f->batch.jobs, 30 * sizeof(*held));
    assert_int_equal(fx_fetch(f, "dead", 120), 120);
    assert_stats(f, 0, 150, 0, 0);

    assert_true(kit_wait(maintained(f), KIT_PATIENCE_MS));
    assert_true(kit_wait(fx_stats(f).pending == 30, KIT_PATIENCE_MS));
    assert_stats(f, 120, 30, 0, 0);
    assert_int_equal(fx_fetch(f, "alive", 200), 120);
    assert_int_equal(f->batch.jobs[0].deliveries, 2);
    assert_int_equal(f->batch.jobs[0].attempt, 1);
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs, f->batch.count));
    assert_ok(queue_ack(f->q, f->r, held, 30));
    assert_stats(f, 0, 0, 0, 0);

    /* The dead one is forgotten, the living one is not. */
    AUTO_REPLY consumers = NULL;
    assert_ok(
        redis_do(f->r, &consumers, "XINFO", "CONSUMERS", queue_stream_key(f->q, 0), "workers"));
    assert_int_equal(consumers->elements, 1);
    AUTO_REPLY members = NULL;
    assert_ok(redis_do(f->r, &members, "SMEMBERS", queue_key(f->q, "consumers", f->arena)));
    assert_int_equal(members->elements, 1);
    assert_string_equal(members->element[0]->str, "alive");
}

/* Past the backlog of its own priority: it has waited for a lease already. */
static void test_orphan_comes_first(void **state)
{
    struct queue_fixture *f = *state;
    struct uuid id = fx_put(f, 3);
    assert_ok(queue_heartbeat(f->q, f->r, "dead", "{}", SHORT_LEASE_MS));
    assert_int_equal(fx_fetch(f, "dead", 1), 1);
    for (int i = 0; i < 100; i++)
        fx_put(f, 3);
    assert_true(kit_wait(maintained(f), KIT_PATIENCE_MS));
    assert_int_equal(fx_fetch(f, "alive", 15), 15);
    bool is_there = false;
    for (size_t i = 0; i < f->batch.count; i++) {
        if (!uuid_eq(&f->batch.jobs[i].id, &id))
            continue;
        is_there = true;
        assert_int_equal(f->batch.jobs[i].priority, 3); /* still its own */
        assert_int_equal(f->batch.jobs[i].deliveries, 2);
    }
    assert_true(is_there);
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs, f->batch.count));
    assert_stats(f, 86, 0, 0, 0);
}

static void test_leave_gives_everything_back(void **state)
{
    struct queue_fixture *f = *state;
    assert_ok(queue_heartbeat(f->q, f->r, "a", "{}", LEASE_MS));
    fx_put(f, 0);
    fx_put(f, 2);
    assert_int_equal(fx_fetch(f, "a", 10), 2);
    assert_ok(queue_leave(f->q, f->r, "a"));
    assert_stats(f, 2, 0, 0, 0);
    AUTO_REPLY consumers = NULL;
    assert_ok(
        redis_do(f->r, &consumers, "XINFO", "CONSUMERS", queue_stream_key(f->q, 0), "workers"));
    assert_int_equal(consumers->elements, 0);
    assert_int_equal(fx_fetch(f, "b", 10), 2);
}

static void test_flushall_in_between(void **state)
{
    struct queue_fixture *f = *state;
    fx_put(f, 1);
    assert_int_equal(fx_fetch(f, "a", 10), 1);
    struct job old = f->batch.jobs[0];
    assert_ok(redis_do(f->r, NULL, "FLUSHALL"));
    /* Ids of a new stream begin anew, with the millisecond: not within the same one. */
    int64_t now = clock_wall_ms();
    assert_true(kit_wait(clock_wall_ms() > now, KIT_PATIENCE_MS));
    struct uuid id = fx_put(f, 1);
    /* The group is made again, and from the beginning: what was added before it is fetched. */
    assert_int_equal(fx_fetch(f, "a", 10), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &id));
    assert_ok(queue_ack(f->q, f->r, &old, 1));
    assert_status(ST_CONFLICT, queue_retry(f->q, f->r, "a", &old, "x", clock_wall_ms()));
    assert_stats(f, 0, 1, 0, 0);
    assert_ok(redis_do(f->r, NULL, "FLUSHALL"));
    assert_stats(f, 0, 0, 0, 0);
    assert_ok(queue_maintain(f->q, f->r, clock_wall_ms(), NULL));
    assert_ok(queue_leave(f->q, f->r, "a"));
    assert_int_equal(fx_fetch(f, "a", 10), 0);
}

static void wait_until_blocked(struct redis *r)
{
    bool is_blocked = kit_wait(({
                                   AUTO_REPLY info = NULL;
                                   assert_ok(redis_do(r, &info, "INFO", "clients"));
                                   strstr(info->str, "blocked_clients:1") != NULL;
                               }),
                               KIT_PATIENCE_MS);
    assert_true(is_blocked);
}

/* Once somebody blocks: empties Redis, then adds a job. */
static void *flush_and_put(void *arg)
{
    (void)arg;
    AUTO_REDIS r = kit_redis_open(kit_redis());
    wait_until_blocked(r);
    assert_ok(redis_do(r, NULL, "FLUSHALL"));
    struct queue *q = NULL;
    assert_ok(queue_new("default", 0, &q));
    struct job job = fx_make_job(1);
    assert_ok(queue_enqueue(q, r, &job));
    queue_free(q);
    return NULL;
}

static void test_flush_while_blocked(void **state)
{
    struct queue_fixture *f = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, flush_and_put, NULL), 0);
    int64_t deadline = kit_real_mono_ms() + KIT_PATIENCE_MS;
    while (f->batch.count == 0 && kit_real_mono_ms() < deadline)
        assert_ok(queue_fetch(f->q, f->r, "a", 10, 3000, &f->batch));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f->batch.count, 1);
}

/* Once it blocks: kills the connection with this id. */
static void *kill_when_blocked(void *id)
{
    AUTO_REDIS r = kit_redis_open(kit_redis());
    wait_until_blocked(r);
    assert_ok(redis_do(r, NULL, "CLIENT", "KILL", "ID", (const char *)id));
    return NULL;
}

/* A fetch whose reply never comes. */
static void fetch_and_lose(struct queue_fixture *f)
{
    pthread_t thread;
    AUTO_REPLY id = NULL;
    char text[24];
    assert_ok(redis_do(f->r, &id, "CLIENT", "ID"));
    (void)snprintf(text, sizeof(text), "%lld", id->integer);
    assert_int_equal(pthread_create(&thread, NULL, kill_when_blocked, text), 0);
    assert_status(ST_UNAVAILABLE, queue_fetch(f->q, f->r, "a", 10, KIT_PATIENCE_MS, &f->batch));
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_lost_reply_is_asked_for_again(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_REDIS other = kit_redis_open(kit_redis());
    fx_put(f, 1);
    assert_int_equal(fx_fetch(f, "a", 10), 1);
    struct uuid held = f->batch.jobs[0].id;
    /* The server hands these to us, and we never hear of it. */
    struct uuid lost[3];
    for (int i = 0; i < 3; i++)
        lost[i] = fx_put(f, 1);
    assert_ok(redis_do(other, NULL, "XREADGROUP", "GROUP", "workers", "a", "STREAMS",
                       queue_stream_key(f->q, 1), ">"));
    fetch_and_lose(f);
    fx_put(f, 1);
    /* Exactly the lost ones, in pieces if need be; never the one that we hold. */
    assert_true(kit_wait(queue_fetch(f->q, f->r, "a", 2, 0, &f->batch) == ST_OK, KIT_PATIENCE_MS));
    assert_int_equal(f->batch.count, 2);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &lost[0]));
    assert_true(uuid_eq(&f->batch.jobs[1].id, &lost[1]));
    assert_int_equal(fx_fetch(f, "a", 2), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &lost[2]));
    assert_int_equal(fx_fetch(f, "a", 2), 1);
    assert_false(uuid_eq(&f->batch.jobs[0].id, &held));
    assert_int_equal(fx_fetch(f, "a", 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_dead_consumer_is_reaped),
        QUEUE_CASE(test_orphan_comes_first),
        QUEUE_CASE(test_leave_gives_everything_back),
        QUEUE_CASE(test_flushall_in_between),
        QUEUE_CASE(test_flush_while_blocked),
        QUEUE_CASE(test_lost_reply_is_asked_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
