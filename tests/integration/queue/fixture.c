/* Jobs of a priority, and what the queue holds. */
#include "tests/integration/queue/fixture.h"

struct job fx_make_job(int priority)
{
    struct job job;
    assert_ok(job_init(&job, "check.scheduled", "{\"n\":1}", clock_wall_ms()));
    job.priority = priority;
    return job;
}

struct uuid fx_put(struct queue_fixture *f, int priority)
{
    struct job job = fx_make_job(priority);
    assert_ok(queue_enqueue(f->q, f->r, &job));
    return job.id;
}

size_t fx_fetch(struct queue_fixture *f, const char *consumer, size_t max)
{
    assert_ok(queue_fetch(f->q, f->r, consumer, max, 0, &f->batch));
    return f->batch.count;
}

struct queue_stats fx_stats(struct queue_fixture *f)
{
    struct queue_stats s;
    assert_ok(queue_stats_get(f->q, f->r, &s));
    return s;
}
