/* What hangs on a job, however it ends: keys, followers, who waits for it. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "queue/control.h"
#include "queue/group.h"
#include "queue/inspect.h"
#include "queue/internal.h"
#include "tests/kit/queue.h"

#define fetch queue_fixture_fetch
#define end queue_fixture_end

static struct uuid holder_of(struct queue_fixture *f, const char *dedup)
{
    struct job job = queue_fixture_job();
    struct uuid id;
    bool is_new = false;
    job.dedup = dedup;
    assert_ok(queue_enqueue_once(f->q, f->r, &job, &id, &is_new));
    return id;
}

static void test_a_requeued_job_has_its_key_again(void **state)
{
    struct queue_fixture *f = *state;
    const struct uuid id = holder_of(f, "nightly");
    assert_int_equal(fetch(f, "a", 1), 1);
    end(f, "a", 0, JOB_DEAD, "no");
    assert_ok(queue_dead_requeue(f->q, f->r, &id));
    const struct uuid same = holder_of(f, "nightly");
    assert_true(uuid_eq(&same, &id));
    assert_int_equal(fetch(f, "a", 10), 1);
    end(f, "a", 0, JOB_SUCCEEDED, NULL);
    const struct uuid next = holder_of(f, "nightly");
    assert_false(uuid_eq(&next, &id));
}

static void test_a_purge_leaves_others_their_keys(void **state)
{
    struct queue_fixture *f = *state;
    int64_t removed = 0;
    char other[UUID_TEXT_BYTES];
    const struct uuid id = uuid_new();
    (void)holder_of(f, "late");
    (void)holder_of(f, "in time");
    /* The first one's key ran out, and somebody else took it. */
    uuid_format(&id, other);
    assert_ok(redis_do(f->r, NULL, "SET", queue_key(f->q, "unique:late", f->arena), other));
    assert_ok(queue_purge(f->q, f->r, JOB_QUEUED, &removed));
    assert_int_equal(removed, 2);
    const struct uuid still = holder_of(f, "late"), fresh = holder_of(f, "in time");
    assert_true(uuid_eq(&still, &id));
    assert_false(uuid_eq(&fresh, &id));
    assert_int_equal(fetch(f, "a", 10), 1);
}

/* A second place for the same job would be one too few for its key. */
static void test_an_overdue_job_gives_its_place_back(void **state)
{
    struct queue_fixture *f = *state;
    struct job job = queue_fixture_job();
    job.key = "host";
    job.key_limit = 1;
    job.time_limit_ms = 1000;
    assert_ok(queue_enqueue(f->q, f->r, &job));
    assert_int_equal(fetch(f, "a", 1), 1);
    const char *running = queue_key(f->q, "running:host", f->arena);
    assert_ok(redis_do(f->r, NULL, "XCLAIM", f->batch.jobs[0].stream, "workers", "a", "0",
                       f->batch.jobs[0].entry, "IDLE", "700000", "JUSTID"));
    (void)queue_fixture_maintain(f, clock_wall_ms());
    AUTO_REPLY count = NULL;
    assert_ok(redis_do(f->r, &count, "ZCARD", running));
    assert_int_equal(count->integer, 0);
    assert_int_equal(fetch(f, "b", 1), 1);
}

/* The next of `r`'s subscription: "<id> <rest>", as it is. */
static void must_hear(struct redis *r, const struct uuid *id, const char *rest)
{
    char text[UUID_TEXT_BYTES];
    AUTO_REPLY message = NULL;
    uuid_format(id, text);
    assert_ok(redis_next(r, KIT_PATIENCE_MS, &message));
    assert_true(str_starts(message->element[2]->str, text));
    assert_string_equal(message->element[2]->str + strlen(text) + 1, rest);
}

static void test_who_waits_hears_of_what_is_not_run(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_REDIS waiting = kit_redis_open(kit_redis());
    struct job late = queue_fixture_job(), unwanted = queue_fixture_job();
    late.reply = unwanted.reply = "kit:reply";
    late.expires_at_ms = clock_wall_ms() - 1;
    assert_ok(redis_subscribe(waiting, "kit:reply"));
    assert_ok(queue_enqueue(f->q, f->r, &late));
    assert_int_equal(fetch(f, "a", 1), 0);
    must_hear(waiting, &late.id, "{\"error\":\"The job's time was over before its turn came\"}");
    assert_ok(queue_enqueue(f->q, f->r, &unwanted));
    assert_ok(queue_cancel(f->q, f->r, &unwanted.id, clock_wall_ms(), NULL));
    f->q->seen.at_mono_ms = 0; /* not by what was seen before */
    assert_int_equal(fetch(f, "a", 1), 0);
    must_hear(waiting, &unwanted.id, "{\"error\":\"The job was cancelled\"}");
}

static void test_a_cancelled_delayed_job_is_announced(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_REDIS waiting = kit_redis_open(kit_redis());
    struct job job = queue_fixture_job();
    job.result_ttl_ms = 60000;
    job.not_before_ms = job.enqueued_at_ms + 60000;
    assert_ok(redis_subscribe(waiting, queue_key(f->q, "done", f->arena)));
    assert_ok(queue_enqueue(f->q, f->r, &job));
    assert_ok(queue_cancel(f->q, f->r, &job.id, clock_wall_ms(), NULL));
    must_hear(waiting, &job.id, "cancelled");
}

static void test_a_chain_goes_on_after_a_retry(void **state)
{
    struct queue_fixture *f = *state;
    struct job jobs[] = {queue_fixture_job(), queue_fixture_job()};
    jobs[0].dedup = "first";
    assert_ok(job_chain_make(jobs, 2, f->arena));
    assert_ok(queue_enqueue(f->q, f->r, &jobs[0]));
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_ok(queue_retry(f->q, f->r, "a", &f->batch.jobs[0], "not yet", clock_wall_ms()));
    const struct uuid alive = holder_of(f, "first");
    assert_true(uuid_eq(&alive, &jobs[0].id)); /* it keeps its key meanwhile */
    assert_int_equal(queue_fixture_maintain(f, clock_wall_ms() + 3600000), 1);
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_int_equal(f->batch.jobs[0].attempt, 2);
    end(f, "a", 0, JOB_SUCCEEDED, NULL);
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &jobs[1].id));
    end(f, "a", 0, JOB_SUCCEEDED, NULL);
    assert_int_equal(fetch(f, "a", 10), 0);
}

/* Who lost his lease says nothing to a group: whoever has the job now does. */
static void test_a_zombie_tells_no_group(void **state)
{
    struct queue_fixture *f = *state;
    struct job done = queue_fixture_job(), member = queue_fixture_job();
    const struct group group = {
        .id = uuid_new(), .queue = "default", .total = 1, .callback = &done};
    char name[GROUP_NAME_BYTES];
    struct group_view view;
    assert_ok(queue_group_create(f->r, &group, name));
    member.group = name;
    assert_ok(queue_enqueue(f->q, f->r, &member));
    assert_int_equal(fetch(f, "zombie", 1), 1);
    const struct job held = f->batch.jobs[0];
    const struct job_outcome dead = {.state = JOB_DEAD, .finished_at_ms = clock_wall_ms()};
    assert_ok(queue_leave(f->q, f->r, "zombie"));
    assert_ok(queue_finish(f->q, f->r, "zombie", &held, &dead, 1));
    assert_ok(queue_group_get(f->r, name, f->arena, &view));
    assert_int_equal(view.failed, 0);
    assert_int_equal(fetch(f, "b", 1), 1);
    end(f, "b", 0, JOB_SUCCEEDED, NULL);
    assert_int_equal(fetch(f, "b", 1), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &done.id));
}

/* What no worker could read is not accepted. */
static void test_limits_of_an_envelope(void **state)
{
    struct queue_fixture *f = *state;
    char long_name[JOB_TASK_MAX + 2];
    AUTO_FREE char *chain = malloc(JOB_CHAIN_MAX + 2);
    struct job jobs[] = {queue_fixture_job(), queue_fixture_job(), queue_fixture_job()};
    const enum status wanted[] = {ST_INVALID, ST_INVALID, ST_TOO_LARGE};
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    memset(chain, 'a', JOB_CHAIN_MAX + 1);
    chain[JOB_CHAIN_MAX + 1] = '\0';
    jobs[0].task = long_name;
    jobs[1].max_attempts = JOB_ATTEMPTS_MAX + 1;
    jobs[2].chain = chain;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        assert_status(wanted[i], queue_enqueue(f->q, f->r, &jobs[i]));
    assert_int_equal(fetch(f, "a", 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_a_requeued_job_has_its_key_again),
        QUEUE_CASE(test_a_purge_leaves_others_their_keys),
        QUEUE_CASE(test_an_overdue_job_gives_its_place_back),
        QUEUE_CASE(test_who_waits_hears_of_what_is_not_run),
        QUEUE_CASE(test_a_cancelled_delayed_job_is_announced),
        QUEUE_CASE(test_a_chain_goes_on_after_a_retry),
        QUEUE_CASE(test_a_zombie_tells_no_group),
        QUEUE_CASE(test_limits_of_an_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
