/* One connection object on a Redis Cluster of three nodes: each call finds its queue. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "queue/control.h"
#include "queue/group.h"
#include "queue/inspect.h"
#include "redis/cluster.h"
#include "tests/kit/queue.h"
#include "tests/kit/redis_server.h"

enum { NODES = 3, START_MS = KIT_PATIENCE_MS };

static struct redis_server nodes[NODES];

static struct redis *open_node(int i)
{
    return kit_redis_open(nodes[i].url);
}

static bool is_whole(int i)
{
    AUTO_REDIS r = open_node(i);
    AUTO_REPLY info = NULL;
    return redis_do(r, &info, "CLUSTER", "INFO") == ST_OK &&
           strstr(info->str, "cluster_state:ok") && strstr(info->str, "cluster_known_nodes:3");
}

static int start_cluster(void **state)
{
    for (int i = 0; i < NODES; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "node-%d", i);
        redis_server_init_node(&nodes[i], name);
        redis_server_start(&nodes[i]);
        AUTO_REDIS r = open_node(i);
        char from[16], to[16], epoch[16];
        (void)snprintf(from, sizeof(from), "%d", REDIS_SLOTS * i / NODES);
        (void)snprintf(to, sizeof(to), "%d", REDIS_SLOTS * (i + 1) / NODES - 1);
        (void)snprintf(epoch, sizeof(epoch), "%d", i + 1);
        assert_ok(redis_do(r, NULL, "CLUSTER", "SET-CONFIG-EPOCH", epoch));
        assert_ok(redis_do(r, NULL, "CLUSTER", "ADDSLOTSRANGE", from, to));
    }
    AUTO_REDIS first = open_node(0);
    for (int i = 1; i < NODES; i++) {
        char port[16], bus_port[16];
        (void)snprintf(port, sizeof(port), "%d", nodes[i].port);
        (void)snprintf(bus_port, sizeof(bus_port), "%d", nodes[i].bus_port);
        assert_ok(redis_do(first, NULL, "CLUSTER", "MEET", "127.0.0.1", port, bus_port));
    }
    for (int i = 0; i < NODES; i++)
        assert_true(kit_wait(is_whole(i), START_MS));
    return 0;
}

static int stop_cluster(void **state)
{
    for (int i = 0; i < NODES; i++)
        redis_server_kill(&nodes[i]);
    return 0;
}

/* A queue name that lies on the node. */
static void name_on(int node, char out[16])
{
    for (int i = 0; i < 1000; i++) {
        char key[32];
        (void)snprintf(out, 16, "n%d-%d", node, i);
        (void)snprintf(key, sizeof(key), "{q:%s:0}:", out);
        if (redis_slot(key, strlen(key)) * NODES / REDIS_SLOTS == node)
            return;
    }
    fail_msg("no name");
}

/* A pipeline to the wrong node fails once; then the way is known. */
#define assert_ok_soon(expression)                                               \
    do {                                                                         \
        enum status st_ = ST_OK;                                                 \
        assert_true(kit_wait((st_ = (expression)) != ST_UNAVAILABLE, START_MS)); \
        assert_ok(st_);                                                          \
    } while (0)

/* Runs jobs until `wanted` are done. */
static void drain(struct queue *q, struct redis *r, struct arena *arena, size_t wanted)
{
    const int64_t deadline = kit_real_mono_ms() + START_MS;
    size_t got = 0;
    while (got < wanted) {
        struct job_batch b = {.arena = arena};
        struct job_outcome done[LIMIT_FETCH_BATCH];
        assert_true(kit_real_mono_ms() < deadline);
        assert_ok_soon(queue_fetch(q, r, "w", LIMIT_FETCH_BATCH, 0, &b));
        for (size_t k = 0; k < b.count; k++)
            done[k] = (struct job_outcome){.state = JOB_SUCCEEDED};
        assert_ok_soon(queue_finish(q, r, "w", b.jobs, done, b.count));
        got += b.count;
    }
    assert_int_equal(got, wanted);
}

static void test_all_nodes_over_one_connection(void **state)
{
    AUTO_REDIS r = open_node(0);
    AUTO_ARENA arena = arena_new(64 << 20);
    struct queue *q[NODES];
    for (int i = 0; i < NODES; i++) {
        char name[16];
        name_on(i, name);
        assert_ok(queue_new(name, 0, &q[i]));
        assert_ok_soon(queue_heartbeat(q[i], r, "w", "{}", 60000));
    }
    enum { COUNT = 600 };
    AUTO_FREE struct job *jobs = calloc(COUNT, sizeof(*jobs));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < NODES; i++) {
            for (int k = 0; k < COUNT; k++) {
                jobs[k] = queue_fixture_job();
                jobs[k].tenant = k % 100 == 7 ? "t" : NULL;
                jobs[k].dedup = k == 8 ? "d" : NULL;
            }
            assert_ok(queue_enqueue_many(q[i], r, jobs, COUNT, NULL));
        }
        for (int i = NODES - 1; i >= 0; i--) {
            drain(q[i], r, arena, COUNT);
            struct queue_info info;
            assert_ok(queue_info_get(q[i], r, clock_wall_ms(), arena, &info));
            assert_int_equal(info.depth + info.in_flight + info.dead, 0);
            assert_ok(queue_maintain(q[i], r, clock_wall_ms(), NULL));
        }
    }
    for (int i = 0; i < NODES; i++)
        queue_free(q[i]);
}

static void test_group_over_nodes(void **state)
{
    AUTO_REDIS r = open_node(1);
    AUTO_ARENA arena = arena_new(64 << 20);
    char name[NODES][16], group_name[GROUP_NAME_BYTES], routes[64];
    struct queue *q[NODES];
    for (int i = 0; i < NODES; i++) {
        name_on(i, name[i]);
        assert_ok(queue_new(name[i], 0, &q[i]));
    }
    (void)snprintf(routes, sizeof(routes), "queue.noop=%s", name[2]);
    assert_ok(task_routes_set(routes, NULL));
    struct job callback = queue_fixture_job();
    struct group group = {.id = uuid_new(), .queue = name[0], .total = 1, .callback = &callback};
    assert_ok(queue_group_create(r, &group, group_name));
    struct job member = queue_fixture_job();
    member.group = group_name;
    assert_ok(queue_enqueue(q[1], r, &member));
    struct job_batch b = {.arena = arena};
    assert_ok_soon(queue_fetch(q[1], r, "w", 1, 0, &b));
    assert_int_equal(b.count, 1);
    struct job_outcome done = {.state = JOB_SUCCEEDED};
    assert_ok_soon(queue_finish(q[1], r, "w", b.jobs, &done, 1));
    assert_ok_soon(queue_fetch(q[2], r, "w", 1, 0, &b));
    assert_int_equal(b.count, 1);
    assert_true(uuid_eq(&b.jobs[0].id, &callback.id));
    assert_ok(task_routes_set("", NULL));
    for (int i = 0; i < NODES; i++)
        queue_free(q[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_nodes_over_one_connection),
        cmocka_unit_test(test_group_over_nodes),
    };
    return cmocka_run_group_tests(tests, start_cluster, stop_cluster);
}
