/*
 * The queue on Redis Cluster: three nodes on loopback ports. A shard's keys share one hash slot, so
 * that every script and transaction runs on the node that has it.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "queue/queue.h"
#include "tests/kit/kit.h"
#include "tests/kit/redis_server.h"

enum { NODES = 3, READY_MS = KIT_PATIENCE_MS, LEASE_MS = 600000, JOBS = 20 };

static struct {
    struct redis_server server[NODES];
    struct redis *node[NODES];
} c;

static bool is_ready(void)
{
    for (int i = 0; i < NODES; i++) {
        AUTO_REPLY r = NULL;
        if (redis_do(c.node[i], &r, "CLUSTER", "INFO") != ST_OK ||
            !strstr(r->str, "cluster_state:ok") || !strstr(r->str, "cluster_known_nodes:3"))
            return false;
    }
    return true;
}

static int setup(void **state)
{
    AUTO_BUF command;
    buf_init(&command, 1024);
    buf_str(&command, "redis-cli --cluster create");
    for (int i = 0; i < NODES; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "node-%d", i);
        redis_server_init_node(&c.server[i], name);
        redis_server_start(&c.server[i]);
        c.node[i] = kit_redis_open(c.server[i].url);
        buf_printf(&command, " 127.0.0.1:%d", c.server[i].port);
    }
    buf_str(&command, " --cluster-replicas 0 --cluster-yes >&2");
    assert_int_equal(system(buf_cstr(&command)), 0);
    assert_true(kit_wait(is_ready(), READY_MS));
    return 0;
}

static int teardown(void **state)
{
    for (int i = 0; i < NODES; i++) {
        redis_free(c.node[i]);
        redis_server_kill(&c.server[i]);
    }
    return 0;
}

static int64_t slot_of(const char *key)
{
    AUTO_REPLY r = NULL;
    assert_ok(redis_do(c.node[0], &r, "CLUSTER", "KEYSLOT", key));
    return r->integer;
}

/* A connection that has found the node of a key: it follows MOVED. */
static struct redis *owner_of(const char *key)
{
    assert_ok(redis_do(c.node[0], NULL, "EXISTS", key));
    return c.node[0];
}

/* Everything that lies on the nodes now is in the slot; returns how many keys. */
static size_t assert_all_in(int64_t slot)
{
    size_t count = 0;
    for (int i = 0; i < NODES; i++) {
        AUTO_REPLY keys = NULL;
        AUTO_REDIS r = kit_redis_open(c.server[i].url);
        assert_ok(redis_do(r, &keys, "KEYS", "*"));
        for (size_t k = 0; k < keys->elements; k++) {
            /* The list of all queues is no queue's. */
            if (str_eq(keys->element[k]->str, "tocsin:queues"))
                continue;
            if (slot_of(keys->element[k]->str) != slot)
                fail_msg("%s is in another slot than its queue", keys->element[k]->str);
        }
        count += keys->elements;
    }
    return count;
}

static void put_jobs(struct queue *q, struct redis *r)
{
    for (int i = 0; i < JOBS; i++) {
        struct job job;
        int64_t now_ms = clock_wall_ms();
        assert_ok(job_init(&job, "check.scheduled", "{}", now_ms));
        job.priority = i % QUEUE_PRIORITIES;
        job.not_before_ms = i == JOBS - 1 ? now_ms + 1 : 0;
        assert_ok(queue_enqueue(q, r, &job));
    }
}

static bool is_promoted(struct queue *q, struct redis *r)
{
    struct queue_stats s;
    assert_ok(queue_maintain(q, r, clock_wall_ms(), NULL));
    assert_ok(queue_stats_get(q, r, &s));
    return s.delayed == 0 && s.waiting == JOBS;
}

/* A queue's whole life on the node that owns it; an access beyond its slot would be refused. */
static void live(const char *name, int shard)
{
    struct queue *q = NULL;
    assert_ok(queue_new(name, shard, &q));
    struct redis *r = owner_of(queue_stream_key(q, 0));
    int64_t slot = slot_of(queue_stream_key(q, 0));
    AUTO_ARENA arena = arena_new(4 << 20);
    struct job_batch batch = {.arena = arena};

    assert_ok(queue_heartbeat(q, r, "a", "{}", LEASE_MS));
    put_jobs(q, r);
    assert_true(kit_wait(is_promoted(q, r), READY_MS));
    assert_ok(queue_fetch(q, r, "a", JOBS, 0, &batch));
    assert_int_equal(batch.count, JOBS);
    assert_ok(queue_hand_back(q, r, "a", &batch.jobs[0]));
    assert_ok(queue_retry(q, r, "a", &batch.jobs[1], "again", clock_wall_ms()));
    batch.jobs[2].attempt = batch.jobs[2].max_attempts;
    assert_ok(queue_retry(q, r, "a", &batch.jobs[2], "dead", clock_wall_ms()));
    assert_ok(queue_ack(q, r, batch.jobs + 3, JOBS - 4));
    assert_true(assert_all_in(slot) >= QUEUE_PRIORITIES + 2);

    /* One is left with the consumer: it goes back with the lease. */
    assert_ok(queue_leave(q, r, "a"));
    struct queue_stats s;
    assert_ok(queue_stats_get(q, r, &s));
    assert_int_equal(s.waiting, 2);
    assert_int_equal(s.pending, 0);
    assert_int_equal(s.delayed, 1);
    assert_int_equal(s.dead, 1);
    for (int i = 0; i < NODES; i++) {
        AUTO_REDIS node = kit_redis_open(c.server[i].url);
        assert_ok(redis_do(node, NULL, "FLUSHALL"));
    }
    queue_free(q);
}

static void test_a_queue_is_one_slot(void **state)
{
    static const struct {
        const char *name;
        int shard;
    } queues[] = {{"checks", 0}, {"checks", 1}, {"mail", 0}, {"reports", 0}, {"reports", 7}};
    for (size_t i = 0; i < ARRAY_LEN(queues); i++)
        live(queues[i].name, queues[i].shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_queue_is_one_slot),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
