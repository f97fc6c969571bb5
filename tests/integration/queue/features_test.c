/* What a job can ask for beside being run: keys, tenants, limits, cancel, pause, results. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "queue/control.h"
#include "queue/inspect.h"
#include "tests/kit/queue.h"

#define fetch queue_fixture_fetch
#define put queue_fixture_put
#define info queue_fixture_info
#define end queue_fixture_end
#define maintain queue_fixture_maintain

static struct job_view find(struct queue_fixture *f, const struct uuid *id)
{
    struct job_view v;
    assert_ok(queue_job_get(f->q, f->r, id, f->arena, &v));
    return v;
}

static void test_many_at_once(void **state)
{
    struct queue_fixture *f = *state;
    enum { COUNT = 1203 };
    AUTO_FREE struct job *jobs = calloc(COUNT, sizeof(*jobs));
    for (int i = 0; i < COUNT; i++) {
        jobs[i] = queue_fixture_job();
        jobs[i].priority = i % QUEUE_PRIORITIES;
    }
    jobs[700].dedup = "one of them has a key";
    jobs[701].not_before_ms = jobs[701].enqueued_at_ms + 60000;
    size_t added = 0;
    assert_ok(queue_enqueue_many(f->q, f->r, jobs, COUNT, &added));
    assert_int_equal(added, COUNT);
    struct queue_info i = info(f);
    assert_int_equal(i.depth, COUNT - 1);
    assert_int_equal(i.delayed, 1);
    assert_int_equal(i.enqueued, COUNT);
    assert_int_equal(fetch(f, "a", 500), 500);
    assert_int_equal(fetch(f, "a", 5000), 500); /* the limit of one fetch */
    assert_int_equal(fetch(f, "a", 500), COUNT - 1 - 1000);
    /* What comes before a job that is refused is added. */
    jobs[5].priority = 9;
    assert_status(ST_INVALID, queue_enqueue_many(f->q, f->r, jobs, COUNT, &added));
    assert_int_equal(added, 5);
}

static void test_unique_while_alive(void **state)
{
    struct queue_fixture *f = *state;
    for (int round = 0; round < 3; round++) {
        struct job first = queue_fixture_job(), second = queue_fixture_job();
        first.dedup = second.dedup = "nightly";
        struct uuid id;
        bool is_new = false;
        assert_ok(queue_enqueue_once(f->q, f->r, &first, &id, &is_new));
        assert_true(is_new);
        assert_ok(queue_enqueue_once(f->q, f->r, &second, &id, &is_new));
        assert_false(is_new);
        assert_true(uuid_eq(&id, &first.id));
        assert_int_equal(fetch(f, "a", 10), 1);
        /* It runs: alive still. */
        assert_ok(queue_enqueue_once(f->q, f->r, &second, &id, &is_new));
        assert_false(is_new);
        /* However it ends, the key is free again. */
        static const enum job_state ends[] = {JOB_SUCCEEDED, JOB_DEAD, JOB_CANCELLED};
        end(f, "a", 0, ends[round], NULL);
    }
    assert_int_equal(info(f).in_flight, 0);
}

static void test_idempotency_outlives_the_job(void **state)
{
    struct queue_fixture *f = *state;
    struct job first = queue_fixture_job(), second = queue_fixture_job();
    first.idempotency = second.idempotency = "order 7";
    first.idempotency_ttl_ms = 600000;
    put(f, &first);
    assert_int_equal(fetch(f, "a", 10), 1);
    end(f, "a", 0, JOB_SUCCEEDED, NULL);
    struct uuid id;
    bool is_new = true;
    assert_ok(queue_enqueue_once(f->q, f->r, &second, &id, &is_new));
    assert_false(is_new);
    assert_true(uuid_eq(&id, &first.id));
    /* Its time is over: at once, as nobody waits for ten minutes. */
    const char *key = queue_key(f->q, "idem:order 7", f->arena);
    AUTO_REPLY left = NULL;
    assert_ok(redis_do(f->r, &left, "PTTL", key));
    assert_in_range(left->integer, 1, 600000);
    assert_ok(redis_do(f->r, NULL, "PEXPIRE", key, "1"));
    assert_true(kit_wait(queue_enqueue_once(f->q, f->r, &second, &id, &is_new) == ST_OK && is_new,
                         KIT_PATIENCE_MS));
    assert_true(uuid_eq(&id, &second.id));
}

static void test_expired(void **state)
{
    struct queue_fixture *f = *state;
    struct job job = queue_fixture_job();
    job.expires_at_ms = job.enqueued_at_ms - 1;
    job.result_ttl_ms = 60000;
    put(f, &job);
    assert_int_equal(fetch(f, "a", 10), 0);
    assert_int_equal(find(f, &job.id).state, JOB_EXPIRED);
    assert_int_equal(info(f).expired, 1);
    assert_int_equal(info(f).in_flight, 0);
}

static void test_pause(void **state)
{
    struct queue_fixture *f = *state;
    struct job job = queue_fixture_job();
    assert_int_equal(fetch(f, "a", 1), 0);
    assert_ok(queue_pause(f->q, f->r, "ada: deploying", clock_wall_ms()));
    put(f, &job);
    /* Within a second no fetch gives anything any more, whatever it has seen before. */
    assert_true(kit_wait(({
                             size_t n = fetch(f, "a", 1);
                             if (n == 1)
                                 assert_ok(queue_hand_back(f->q, f->r, "a", f->batch.jobs));
                             n == 0;
                         }),
                         KIT_PATIENCE_MS));
    int64_t began = kit_real_mono_ms();
    assert_ok(queue_fetch(f->q, f->r, "b", 10, 50, &f->batch));
    assert_true(kit_real_mono_ms() - began >= 50);
    struct queue *fresh = NULL; /* as after a restart */
    assert_ok(queue_new("default", 0, &fresh));
    assert_ok(queue_fetch(fresh, f->r, "b", 10, 0, &f->batch));
    assert_int_equal(f->batch.count, 0);
    assert_string_equal(info(f).paused_by, "ada: deploying");
    assert_int_equal(info(f).depth, 1);
    assert_ok(queue_resume(f->q, f->r));
    assert_true(
        kit_wait(queue_fetch(fresh, f->r, "b", 10, 0, &f->batch) == ST_OK && f->batch.count == 1,
                 KIT_PATIENCE_MS));
    queue_free(fresh);
}

static void test_cancel_delayed(void **state)
{
    struct queue_fixture *f = *state;
    struct job job = queue_fixture_job();
    job.not_before_ms = job.enqueued_at_ms + 60000;
    job.dedup = "k";
    job.tenant = "ada";
    job.result_ttl_ms = 60000;
    put(f, &job);
    enum job_state what = JOB_QUEUED;
    assert_ok(queue_cancel(f->q, f->r, &job.id, clock_wall_ms(), &what));
    assert_int_equal(what, JOB_CANCELLED);
    assert_int_equal(info(f).delayed, 0);
    assert_int_equal(find(f, &job.id).state, JOB_CANCELLED);
    assert_string_equal(find(f, &job.id).job.tenant, "ada");
    assert_status(ST_CONFLICT, queue_cancel(f->q, f->r, &job.id, clock_wall_ms(), &what));
    bool is_new = false;
    job = queue_fixture_job();
    job.dedup = "k";
    assert_ok(queue_enqueue_once(f->q, f->r, &job, NULL, &is_new));
    assert_true(is_new);
}

static void test_cancel_queued_and_running(void **state)
{
    struct queue_fixture *f = *state;
    struct job running = queue_fixture_job(), queued = queue_fixture_job();
    put(f, &running);
    assert_int_equal(fetch(f, "a", 1), 1);
    put(f, &queued);
    enum job_state what = JOB_CANCELLED;
    assert_ok(queue_cancel(f->q, f->r, &queued.id, clock_wall_ms(), &what));
    assert_int_equal(what, JOB_QUEUED);
    assert_true(find(f, &queued.id).is_cancel_wanted);
    assert_ok(queue_cancel(f->q, f->r, &running.id, clock_wall_ms(), &what));
    /* A worker asks. */
    bool wanted[1] = {false};
    assert_ok(queue_cancel_wanted(f->q, f->r, f->batch.jobs, 1, wanted));
    assert_true(wanted[0]);
    end(f, "a", 0, JOB_CANCELLED, NULL);
    assert_true(kit_wait(fetch(f, "a", 10) == 0 && info(f).cancelled == 2, KIT_PATIENCE_MS));
    assert_int_equal(info(f).depth, 0);
    assert_int_equal(info(f).in_flight, 0);
}

static void test_rate_limit(void **state)
{
    struct queue_fixture *f = *state;
    /* Two at once, then one in 60 s. */
    assert_ok(queue_rate_set(f->q, f->r, "queue.noop",
                             &(struct queue_rate){.count = 1, .period_ms = 60000, .burst = 2}));
    int64_t now = clock_wall_ms();
    for (int i = 0; i < 4; i++) {
        struct job job = queue_fixture_job();
        put(f, &job);
    }
    assert_int_equal(fetch(f, "a", 10), 2);
    struct queue_info i = info(f);
    assert_int_equal(i.delayed, 2);
    struct job_page page;
    assert_ok(kit_jobs_list(f->q, f->r, JOB_DELAYED, NULL, 10, f->arena, &page));
    assert_int_equal(page.count, 2);
    for (int k = 0; k < 2; k++) {
        int64_t wait = page.jobs[k].due_at_ms - now - 60000 * (k + 1);
        assert_true(wait > -1000 && wait < 50000);
        assert_int_equal(page.jobs[k].job.attempt, 1); /* waiting is no attempt */
    }
    /* Promoted before their time (a clock that is wrong), they wait again. */
    assert_int_equal(maintain(f, now + 300000), 2);
    assert_int_equal(fetch(f, "a", 10), 0);
    assert_int_equal(info(f).delayed, 2);
    assert_ok(queue_rate_set(f->q, f->r, "queue.noop", NULL));
    assert_int_equal(maintain(f, now + 900000), 2);
    assert_true(kit_wait(fetch(f, "a", 10) == 2, KIT_PATIENCE_MS));
    static const struct queue_rate bad[] = {{-1, 1000, 1}, {1, 0, 1}, {1, 1000, -1}};
    for (size_t k = 0; k < ARRAY_LEN(bad); k++)
        assert_status(ST_INVALID, queue_rate_set(f->q, f->r, "queue.noop", &bad[k]));
}

static void test_grant_is_used(void **state)
{
    struct queue_fixture *f = *state;
    assert_ok(queue_rate_set(f->q, f->r, "queue.noop",
                             &(struct queue_rate){.count = 5, .period_ms = 1000, .burst = 1}));
    for (int i = 0; i < 4; i++) {
        struct job job = queue_fixture_job();
        put(f, &job);
    }
    int64_t began = kit_real_mono_ms();
    size_t got = 0;
    assert_true(kit_wait(({
                             (void)maintain(f, clock_wall_ms());
                             got += fetch(f, "a", 10);
                             got == 4;
                         }),
                         KIT_PATIENCE_MS));
    /* 200 ms apart: the last one not before 600 ms. */
    assert_true(kit_real_mono_ms() - began >= 550);
}

static struct job keyed(const char *key, int limit)
{
    struct job job = queue_fixture_job();
    job.key = key;
    job.key_limit = limit;
    return job;
}

static void test_concurrency_of_a_key(void **state)
{
    struct queue_fixture *f = *state;
    for (int i = 0; i < 4; i++) {
        struct job job = keyed("db", 2);
        put(f, &job);
    }
    struct job other = keyed("mail", 1);
    put(f, &other);
    assert_int_equal(fetch(f, "a", 10), 3);
    assert_int_equal(info(f).delayed, 2);
    AUTO_FREE struct job *held = calloc(3, sizeof(*held));
    memcpy(held, f->batch.jobs, 3 * sizeof(*held));
    /* None before one ends; then the next comes, long before its own time. */
    assert_int_equal(maintain(f, clock_wall_ms()), 0);
    for (int i = 0; i < 3; i++) {
        struct job_outcome o = {.state = JOB_SUCCEEDED};
        assert_ok(queue_finish(f->q, f->r, "a", &held[i], &o, 1));
    }
    assert_int_equal(maintain(f, clock_wall_ms()), 2);
    assert_int_equal(fetch(f, "b", 10), 2);
    end(f, "b", 0, JOB_SUCCEEDED, NULL);
    assert_ok(queue_hand_back(f->q, f->r, "b", &f->batch.jobs[1]));
    assert_int_equal(fetch(f, "b", 10), 1);
}

static void test_key_of_a_dead_worker(void **state)
{
    struct queue_fixture *f = *state;
    struct job first = keyed("db", 1), second = keyed("db", 1);
    put(f, &first);
    assert_int_equal(fetch(f, "victim", 1), 1);
    put(f, &second);
    assert_int_equal(fetch(f, "a", 1), 0);
    assert_ok(queue_leave(f->q, f->r, "victim")); /* as when its lease ends */
    /* What it held comes first, and the key is free for it. */
    assert_int_equal(fetch(f, "a", 1), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &first.id));
    end(f, "a", 0, JOB_SUCCEEDED, NULL);
    assert_int_equal(maintain(f, clock_wall_ms()), 1);
    assert_int_equal(fetch(f, "a", 1), 1);
}

static void test_tenants_take_turns(void **state)
{
    struct queue_fixture *f = *state;
    enum { LOUD = 300, QUIET = 20 };
    for (int i = 0; i < LOUD + QUIET; i++) {
        struct job job = queue_fixture_job();
        job.tenant = i < LOUD ? "loud" : "quiet";
        put(f, &job);
    }
    assert_int_equal(info(f).depth, LOUD + QUIET);
    int quiet = 0, all = 0;
    while (quiet < QUIET) {
        assert_true(kit_wait(fetch(f, "a", 10) > 0, KIT_PATIENCE_MS));
        all += (int)f->batch.count;
        for (size_t i = 0; i < f->batch.count; i++)
            quiet += str_eq(f->batch.jobs[i].tenant, "quiet");
        assert_ok(queue_ack(f->q, f->r, f->batch.jobs, f->batch.count));
    }
    /* The quiet one is done when the loud one has had about as many, and what was there before. */
    assert_true(all <= 2 * QUIET + 40);
    while (all < LOUD + QUIET) {
        assert_true(kit_wait(fetch(f, "a", 500) > 0, KIT_PATIENCE_MS));
        all += (int)f->batch.count;
        assert_ok(queue_ack(f->q, f->r, f->batch.jobs, f->batch.count));
    }
    assert_int_equal(info(f).depth, 0);
    /* A line that is empty leaves nothing behind. */
    AUTO_REPLY keys = NULL;
    assert_ok(redis_do(f->r, &keys, "KEYS", "{q:default:0}:[lr]in*"));
    assert_int_equal(keys->elements, 0);
}

static void test_results(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_REDIS other = kit_redis_open(kit_redis());
    char channel[96], wanted[96], text[UUID_TEXT_BYTES];
    struct job job = queue_fixture_job();
    job.result_ttl_ms = 60000;
    job.tenant = "ada";
    put(f, &job);
    assert_int_equal(find(f, &job.id).state, JOB_QUEUED);
    queue_done_channel(f->q, channel);
    assert_ok(redis_subscribe(other, channel));
    struct job_view v;
    assert_status(ST_NOT_FOUND, queue_result_get(f->q, f->r, &job.id, f->arena, &v));
    const struct uuid asked[] = {job.id, uuid_new()};
    enum job_state ends[] = {JOB_DEAD, JOB_DEAD};
    assert_ok(queue_ends_get(f->q, f->r, asked, 2, ends));
    assert_int_equal(ends[0], JOB_STATE_COUNT_);
    assert_int_equal(fetch(f, "a", 1), 1);
    end(f, "a", 0, JOB_SUCCEEDED, "{\"n\":42}");
    AUTO_REPLY message = NULL;
    assert_ok(redis_next(other, KIT_PATIENCE_MS, &message));
    uuid_format(&job.id, text);
    (void)snprintf(wanted, sizeof(wanted), "%s succeeded", text);
    assert_string_equal(message->element[2]->str, wanted);
    assert_ok(queue_result_get(f->q, f->r, &job.id, f->arena, &v));
    assert_int_equal(v.state, JOB_SUCCEEDED);
    assert_string_equal(v.result, "{\"n\":42}");
    assert_string_equal(v.job.task, "queue.noop");
    assert_string_equal(v.job.tenant, "ada");
    assert_int_equal(v.job.enqueued_at_ms, job.enqueued_at_ms);
    assert_int_equal(v.job.attempt, 1);
    assert_null(v.error);
    assert_true(v.started_at_ms > 0 && v.finished_at_ms >= v.started_at_ms);
    assert_ok(queue_ends_get(f->q, f->r, asked, 2, ends));
    assert_int_equal(ends[0], JOB_SUCCEEDED);
    assert_int_equal(ends[1], JOB_STATE_COUNT_);
    /* Another worker that had it once cannot change what is written. */
    struct job_outcome late = {.state = JOB_DEAD, .error = "late"};
    assert_ok(queue_finish(f->q, f->r, "b", &f->batch.jobs[0], &late, 1));
    assert_ok(queue_result_get(f->q, f->r, &job.id, f->arena, &v));
    assert_int_equal(v.state, JOB_SUCCEEDED);
    AUTO_FREE char *big = calloc(1, LIMIT_JOB_RESULT_BYTES + 2);
    memset(big, '1', LIMIT_JOB_RESULT_BYTES + 1);
    late = (struct job_outcome){.state = JOB_SUCCEEDED, .result = big};
    assert_status(ST_TOO_LARGE, queue_finish(f->q, f->r, "b", &f->batch.jobs[0], &late, 1));
}

static void test_newer_envelope_says_so(void **state)
{
    struct queue_fixture *f = *state;
    assert_ok(redis_do(f->r, NULL, "XADD", queue_stream_key(f->q, 1), "*", "j",
                       "\x92\x02\xb0"
                       "0123456789abcdef"));
    assert_int_equal(fetch(f, "a", 1), 0);
    struct job_page page;
    assert_ok(kit_jobs_list(f->q, f->r, JOB_DEAD, NULL, 10, f->arena, &page));
    assert_int_equal(page.count, 1);
    assert_non_null(strstr(page.jobs[0].error, "newer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_many_at_once),
        QUEUE_CASE(test_unique_while_alive),
        QUEUE_CASE(test_idempotency_outlives_the_job),
        QUEUE_CASE(test_expired),
        QUEUE_CASE(test_pause),
        QUEUE_CASE(test_cancel_delayed),
        QUEUE_CASE(test_cancel_queued_and_running),
        QUEUE_CASE(test_rate_limit),
        QUEUE_CASE(test_grant_is_used),
        QUEUE_CASE(test_concurrency_of_a_key),
        QUEUE_CASE(test_key_of_a_dead_worker),
        QUEUE_CASE(test_tenants_take_turns),
        QUEUE_CASE(test_results),
        QUEUE_CASE(test_newer_envelope_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
