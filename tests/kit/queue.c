/* The fixture of the queue's tests. */
#include "tests/kit/queue.h"

enum { LEASE_MS = 60000 };

int queue_fixture_setup(void **state)
{
    struct queue_fixture *f = calloc(1, sizeof(*f));
    f->r = kit_redis_open(kit_redis());
    assert_ok(redis_do(f->r, NULL, "FLUSHDB"));
    assert_ok(queue_new("default", 0, &f->q));
    f->arena = arena_new(64 << 20);
    f->batch.arena = f->arena;
    *state = f;
    return 0;
}

int queue_fixture_teardown(void **state)
{
    struct queue_fixture *f = *state;
    queue_free(f->q);
    redis_free(f->r);
    arena_free(f->arena);
    free(f);
    return 0;
}

struct job queue_fixture_job(void)
{
    struct job job;
    assert_ok(job_init(&job, "queue.noop", "{}", clock_wall_ms()));
    return job;
}

struct uuid queue_fixture_put(struct queue_fixture *f, const struct job *job)
{
    assert_ok(queue_enqueue(f->q, f->r, job));
    return job->id;
}

struct queue_info queue_fixture_info(struct queue_fixture *f)
{
    struct queue_info out;
    assert_ok(queue_info_get(f->q, f->r, clock_wall_ms(), f->arena, &out));
    return out;
}

size_t queue_fixture_fetch(struct queue_fixture *f, const char *consumer, size_t max)
{
    assert_ok(queue_heartbeat(f->q, f->r, consumer, "{}", LEASE_MS));
    assert_ok(queue_fetch(f->q, f->r, consumer, max, 0, &f->batch));
    return f->batch.count;
}

void queue_fixture_end(struct queue_fixture *f, const char *consumer, size_t i,
                       enum job_state state, const char *text)
{
    struct job_outcome o = {
        .state = state, .started_at_ms = clock_wall_ms(), .finished_at_ms = clock_wall_ms()};
    if (state == JOB_SUCCEEDED)
        o.result = text;
    else
        o.error = text;
    assert_ok(queue_finish(f->q, f->r, consumer, &f->batch.jobs[i], &o, 1));
}

size_t queue_fixture_maintain(struct queue_fixture *f, int64_t now_ms)
{
    size_t moved = 0;
    assert_ok(queue_maintain(f->q, f->r, now_ms, &moved));
    return moved;
}

bool kit_queue_is_paused(struct queue *q, struct redis *r)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct queue_info info;
    assert_ok(queue_info_get(q, r, clock_wall_ms(), arena, &info));
    return info.is_paused;
}

enum status kit_jobs_list(struct queue *q, struct redis *r, enum job_state state,
                          const char *cursor, size_t limit, struct arena *arena,
                          struct job_page *out)
{
    const struct job_scan scan = {.state = state, .cursor = cursor, .take = limit};
    return queue_jobs_scan(q, r, &scan, arena, out);
}
