/* Looking at queues, pages of jobs, dead letters, events, groups and chains. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "queue/control.h"
#include "queue/group.h"
#include "queue/inspect.h"
#include "tests/kit/queue.h"

#define fetch queue_fixture_fetch
#define end queue_fixture_end
#define maintain queue_fixture_maintain

static void put_many(struct queue_fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        struct job job = queue_fixture_job();
        job.priority = i % QUEUE_PRIORITIES;
        assert_ok(queue_enqueue(f->q, f->r, &job));
    }
}

/* How many different jobs all pages of a state hold. */
static size_t walk(struct queue_fixture *f, enum job_state state, size_t limit, size_t wanted)
{
    AUTO_FREE struct uuid *seen = calloc(wanted + 1, sizeof(*seen));
    size_t count = 0;
    const char *cursor = NULL;
    do {
        struct job_page page;
        assert_ok(kit_jobs_list(f->q, f->r, state, cursor, limit, f->arena, &page));
        assert_true(page.count <= limit);
        for (size_t i = 0; i < page.count; i++) {
            for (size_t k = 0; k < count; k++)
                assert_false(uuid_eq(&seen[k], &page.jobs[i].job.id));
            assert_true(count < wanted);
            assert_int_equal(page.jobs[i].state, state);
            seen[count++] = page.jobs[i].job.id;
        }
        cursor = page.next;
    } while (cursor);
    return count;
}

static void test_pages(void **state)
{
    struct queue_fixture *f = *state;
    put_many(f, 60);
    assert_int_equal(fetch(f, "a", 22), 22);
    for (int i = 0; i < 17; i++) {
        struct job job = queue_fixture_job();
        job.not_before_ms = job.enqueued_at_ms + 60000 + i;
        assert_ok(queue_enqueue(f->q, f->r, &job));
    }
    for (size_t i = 0; i < 9; i++)
        end(f, "a", i, JOB_DEAD, "no");
    static const struct {
        enum job_state state;
        size_t count;
    } rows[] = {{JOB_QUEUED, 38}, {JOB_RUNNING, 13}, {JOB_DELAYED, 17}, {JOB_DEAD, 9}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t limit = 1; limit <= 100; limit += 33)
            assert_int_equal(walk(f, rows[i].state, limit, rows[i].count), rows[i].count);
    }
    struct job_page page;
    static const char *const bad[] = {"", "0", "4:1", "0:x", "0:1 2", "p0:1", "1:t1,2"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_status(ST_INVALID,
                      kit_jobs_list(f->q, f->r, JOB_QUEUED, bad[i], 1, f->arena, &page));
    assert_status(ST_INVALID, kit_jobs_list(f->q, f->r, JOB_SUCCEEDED, NULL, 1, f->arena, &page));
}

/* All that fit a filter, from look to look; *matched: how many the looks counted. */
static size_t scan_all(struct queue_fixture *f, struct job_scan scan, size_t *matched)
{
    size_t count = 0;
    *matched = 0;
    do {
        struct job_page page;
        assert_ok(queue_jobs_scan(f->q, f->r, &scan, f->arena, &page));
        assert_true(page.looked <= LIMIT_JOB_LIST && page.matched <= page.looked);
        for (size_t i = 0; i < page.count; i++) {
            const struct job *job = &page.jobs[i].job;
            assert_true(!scan.task || str_eq(job->task, scan.task));
            assert_true(!scan.tenant || str_eq(job->tenant, scan.tenant) ||
                        (scan.or_no_tenant && !job->tenant));
        }
        count += page.count;
        *matched += page.matched;
        scan.cursor = page.next;
    } while (scan.cursor);
    return count;
}

/* Found by its id, in its tenant's line, too. */
static void must_be_queued(struct queue_fixture *f, const struct uuid *id, const char *tenant)
{
    struct job_view v;
    assert_ok(queue_job_get(f->q, f->r, id, f->arena, &v));
    assert_int_equal(v.state, JOB_QUEUED);
    assert_true(uuid_eq(&v.job.id, id));
    assert_string_equal(v.job.tenant, tenant);
}

static void test_filters_and_lines(void **state)
{
    struct queue_fixture *f = *state;
    static const struct {
        const char *tenant, *task;
        int count;
    } made[] = {
        {NULL, "queue.noop", 3}, {"ada", "queue.noop", 1100}, {"bob", "queue.noop", 40},
        {"bob", "report", 7},    {NULL, "report", 5},
    };
    size_t all = 0, matched = 0;
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        for (int k = 0; k < made[i].count; k++, all++) {
            struct job job = queue_fixture_job();
            job.task = made[i].task;
            job.tenant = made[i].tenant;
            job.priority = k % 2;
            assert_ok(queue_enqueue(f->q, f->r, &job));
            if (k == made[i].count - 1 && job.tenant)
                must_be_queued(f, &job.id, job.tenant);
        }
    }
    /* One that cannot be read is nobody's. */
    assert_ok(redis_do(f->r, NULL, "XADD", queue_stream_key(f->q, 2), "*", "what", "ever"));
    all++;
    static const struct {
        const char *tenant, *task;
        bool or_nobody;
        size_t want;
    } rows[] = {
        {NULL, NULL, false, 1156},   {"ada", NULL, false, 1100},  {"bob", NULL, false, 47},
        {"bob", NULL, true, 56},     {NULL, "report", false, 12}, {"bob", "report", false, 7},
        {"bob", "report", true, 12}, {"eve", NULL, false, 0},     {NULL, "none", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_scan scan = {.state = JOB_QUEUED,
                                .take = 100,
                                .tenant = rows[i].tenant,
                                .task = rows[i].task,
                                .or_no_tenant = rows[i].or_nobody};
        assert_int_equal(scan_all(f, scan, &matched), rows[i].want);
        scan.is_counting = true;
        (void)scan_all(f, scan, &matched);
        assert_int_equal(matched, rows[i].want);
    }
    assert_int_equal(walk(f, JOB_QUEUED, 1, all), all);
}

static void test_a_window(void **state)
{
    struct queue_fixture *f = *state;
    struct job_page page;
    put_many(f, 20);
    struct job_scan scan = {.state = JOB_QUEUED, .skip = 7, .take = 4, .is_counting = true};
    assert_ok(queue_jobs_scan(f->q, f->r, &scan, f->arena, &page));
    assert_int_equal(page.count, 4);
    assert_int_equal(page.matched, 20);
    assert_null(page.next);
    const struct uuid last = page.jobs[3].job.id;
    scan = (struct job_scan){.state = JOB_QUEUED, .cursor = page.last, .take = 100};
    assert_ok(queue_jobs_scan(f->q, f->r, &scan, f->arena, &page));
    assert_int_equal(page.count, 9);
    assert_null(page.last);
    for (size_t i = 0; i < page.count; i++)
        assert_false(uuid_eq(&page.jobs[i].job.id, &last));
}

static void test_one_job_wherever_it_is(void **state)
{
    struct queue_fixture *f = *state;
    put_many(f, 50);
    struct job job = queue_fixture_job();
    job.priority = 0;
    job.args = "{\"find\":\"me\"}";
    job.not_before_ms = job.enqueued_at_ms + 1000;
    assert_ok(queue_enqueue(f->q, f->r, &job));
    struct job_view v;
    assert_ok(queue_job_get(f->q, f->r, &job.id, f->arena, &v));
    assert_int_equal(v.state, JOB_DELAYED);
    assert_int_equal(v.due_at_ms, job.not_before_ms);
    assert_int_equal(maintain(f, job.not_before_ms), 1);
    assert_ok(queue_job_get(f->q, f->r, &job.id, f->arena, &v));
    assert_int_equal(v.state, JOB_QUEUED);
    assert_string_equal(v.job.args, job.args);
    assert_int_equal(fetch(f, "a", 51), 51);
    assert_ok(queue_job_get(f->q, f->r, &job.id, f->arena, &v));
    assert_int_equal(v.state, JOB_RUNNING);
    assert_string_equal(v.worker, "a");
    size_t at = 0;
    while (!uuid_eq(&f->batch.jobs[at].id, &job.id))
        at++;
    assert_ok(queue_retry(f->q, f->r, "a", &f->batch.jobs[at], "it broke", clock_wall_ms()));
    assert_ok(queue_job_get(f->q, f->r, &job.id, f->arena, &v));
    assert_int_equal(v.state, JOB_DELAYED);
    assert_int_equal(v.job.attempt, 2);
    assert_string_equal(v.error, "it broke");
    assert_int_equal(maintain(f, clock_wall_ms() + 60000), 1);
    assert_int_equal(fetch(f, "a", 1), 1);
    end(f, "a", 0, JOB_DEAD, "for good");
    assert_ok(queue_job_get(f->q, f->r, &job.id, f->arena, &v));
    assert_int_equal(v.state, JOB_DEAD);
    assert_string_equal(v.error, "for good");
    assert_true(v.finished_at_ms > 0);
    struct uuid unknown = uuid_new();
    assert_status(ST_NOT_FOUND, queue_job_get(f->q, f->r, &unknown, f->arena, &v));
}

static void test_dead_letters(void **state)
{
    struct queue_fixture *f = *state;
    struct job job = queue_fixture_job();
    job.priority = 3;
    job.result_ttl_ms = 60000;
    job.max_attempts = 1;
    assert_ok(queue_enqueue(f->q, f->r, &job));
    assert_int_equal(fetch(f, "a", 1), 1);
    assert_ok(queue_retry(f->q, f->r, "a", &f->batch.jobs[0], "no", clock_wall_ms()));
    struct job_view v;
    assert_ok(queue_job_get(f->q, f->r, &job.id, f->arena, &v));
    assert_int_equal(v.state, JOB_DEAD);
    assert_ok(queue_dead_requeue(f->q, f->r, &job.id));
    assert_status(ST_NOT_FOUND, queue_dead_requeue(f->q, f->r, &job.id));
    assert_ok(queue_job_get(f->q, f->r, &job.id, f->arena, &v));
    assert_int_equal(v.state, JOB_QUEUED);
    assert_int_equal(fetch(f, "a", 1), 1);
    assert_int_equal(f->batch.jobs[0].attempt, 1);
    assert_int_equal(f->batch.jobs[0].priority, 3);
    end(f, "a", 0, JOB_DEAD, "no");
    assert_ok(queue_purge(f->q, f->r, JOB_DEAD, NULL));

    put_many(f, 250);
    assert_int_equal(fetch(f, "a", 250), 250);
    for (size_t i = 0; i < 250; i++)
        end(f, "a", i, JOB_DEAD, "no");
    assert_ok(redis_do(f->r, NULL, "XADD", queue_key(f->q, "dead", f->arena), "*", "what", "ever"));
    int64_t moved = 0;
    assert_ok(queue_dead_requeue_all(f->q, f->r, "check.run", &moved));
    assert_int_equal(moved, 0);
    assert_ok(queue_dead_requeue_all(f->q, f->r, "queue.noop", &moved));
    assert_int_equal(moved, 250);
    struct queue_info i;
    assert_ok(queue_info_get(f->q, f->r, clock_wall_ms(), f->arena, &i));
    assert_int_equal(i.depth, 250);
    assert_int_equal(i.dead, 1); /* the one that cannot be read */
}

static void test_purge(void **state)
{
    struct queue_fixture *f = *state;
    struct queue_info i;
    int64_t removed = 0;
    put_many(f, 700);
    assert_int_equal(fetch(f, "a", 20), 20);
    for (int k = 0; k < 30; k++) {
        struct job job = queue_fixture_job();
        job.tenant = k % 2 ? "x" : "y";
        assert_ok(queue_enqueue(f->q, f->r, &job));
    }
    struct job unique = queue_fixture_job();
    unique.dedup = "u";
    unique.not_before_ms = unique.enqueued_at_ms + 60000;
    assert_ok(queue_enqueue(f->q, f->r, &unique));
    assert_ok(queue_purge(f->q, f->r, JOB_QUEUED, &removed));
    assert_int_equal(removed, 710);
    assert_ok(queue_purge(f->q, f->r, JOB_DELAYED, &removed));
    assert_int_equal(removed, 1);
    bool is_new = false;
    assert_ok(queue_enqueue_once(f->q, f->r, &unique, NULL, &is_new));
    assert_true(is_new);
    for (size_t k = 0; k < 20; k++)
        end(f, "a", k, JOB_DEAD, "no"); /* what ran went on */
    assert_ok(queue_purge(f->q, f->r, JOB_DEAD, &removed));
    assert_int_equal(removed, 20);
    assert_ok(queue_info_get(f->q, f->r, clock_wall_ms(), f->arena, &i));
    assert_int_equal(i.depth + i.in_flight + i.dead, 0);
    assert_status(ST_INVALID, queue_purge(f->q, f->r, JOB_RUNNING, &removed));
}

static void test_numbers_and_names(void **state)
{
    struct queue_fixture *f = *state;
    const char **names = NULL;
    size_t count = 0;
    struct queue *side = NULL;
    assert_ok(queue_new("a-side", 0, &side));
    assert_ok(queue_heartbeat(side, f->r, "w", "{\"pid\":7}", 60000));
    assert_ok(queue_names(f->r, f->arena, &names, &count));
    assert_int_equal(count, 3);
    static const char *const wanted[] = {"a-side", "checks", "default"};
    for (size_t i = 0; i < count; i++)
        assert_string_equal(names[i], wanted[i]);
    struct worker_view *workers = NULL;
    assert_ok(queue_workers_list(side, f->r, f->arena, &workers, &count));
    assert_int_equal(count, 1);
    assert_string_equal(workers[0].consumer, "w");
    assert_string_equal(workers[0].info, "{\"pid\":7}");
    queue_free(side);

    put_many(f, 8);
    assert_int_equal(fetch(f, "a", 4), 4);
    end(f, "a", 0, JOB_SUCCEEDED, NULL);
    end(f, "a", 1, JOB_DEAD, "no");
    assert_ok(queue_retry(f->q, f->r, "a", &f->batch.jobs[2], "again", clock_wall_ms()));
    struct queue_info i;
    assert_ok(queue_info_get(f->q, f->r, clock_wall_ms() + 5000, f->arena, &i));
    assert_int_equal(i.depth, 4);
    assert_int_equal(i.in_flight, 1);
    assert_int_equal(i.delayed, 1);
    assert_int_equal(i.dead, 1);
    assert_int_equal(i.enqueued, 8);
    assert_int_equal(i.succeeded, 1);
    assert_int_equal(i.died, 1);
    assert_int_equal(i.retried, 1);
    assert_int_equal(i.workers, 1);
    assert_true(i.oldest_age_ms >= 4900 && i.oldest_age_ms < 60000);
    assert_false(i.is_paused);
}

static void test_events(void **state)
{
    struct queue_fixture *f = *state;
    struct job_event *e = NULL;
    size_t count = 0;
    const char *cursor = NULL;
    assert_ok(queue_events_read(f->q, f->r, "$", 100, f->arena, &e, &count, &cursor));
    assert_int_equal(count, 0);
    assert_int_equal(fetch(f, "a", 1), 0); /* sees that somebody reads */
    struct job job = queue_fixture_job();
    assert_ok(queue_enqueue(f->q, f->r, &job));
    assert_int_equal(fetch(f, "a", 1), 1);
    assert_ok(queue_retry(f->q, f->r, "a", &f->batch.jobs[0], "it broke", clock_wall_ms()));
    assert_int_equal(maintain(f, clock_wall_ms() + 60000), 1);
    assert_int_equal(fetch(f, "a", 1), 1);
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs, 1));
    assert_ok(queue_events_read(f->q, f->r, cursor, 100, f->arena, &e, &count, &cursor));
    static const char *const wanted[] = {"enqueued", "started", "retried", "started", "succeeded"};
    assert_int_equal(count, ARRAY_LEN(wanted));
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(e[i].event, wanted[i]);
        assert_true(uuid_eq(&e[i].id, &job.id));
        assert_true(e[i].at_ms > 0);
    }
    assert_string_equal(e[2].reason, "it broke");
    assert_string_equal(e[0].task, "queue.noop");
    assert_int_equal(e[4].attempt, 2);
    assert_ok(queue_events_read(f->q, f->r, cursor, 100, f->arena, &e, &count, &cursor));
    assert_int_equal(count, 0);
    assert_status(ST_INVALID, queue_events_read(f->q, f->r, "x", 1, f->arena, &e, &count, &cursor));
}

static void test_group(void **state)
{
    struct queue_fixture *f = *state;
    for (int failing = 0; failing < 3; failing++) {
        struct job done = queue_fixture_job();
        done.args = "{\"all\":\"done\"}";
        struct group group = {.id = uuid_new(),
                              .queue = "default",
                              .total = 3,
                              .callback = &done,
                              .is_lenient = failing == 2};
        char name[GROUP_NAME_BYTES];
        assert_ok(queue_group_create(f->r, &group, name));
        for (int i = 0; i < 3; i++) {
            struct job job = queue_fixture_job();
            job.group = name;
            assert_ok(queue_enqueue(f->q, f->r, &job));
        }
        assert_int_equal(fetch(f, "a", 10), 3);
        for (size_t i = 0; i < 3; i++) {
            struct queue_info before;
            assert_ok(queue_info_get(f->q, f->r, clock_wall_ms(), f->arena, &before));
            assert_int_equal(before.depth, 0);
            end(f, "a", i, i == 1 && failing ? JOB_DEAD : JOB_SUCCEEDED, NULL);
            end(f, "a", i, JOB_SUCCEEDED, NULL); /* twice counts once */
        }
        struct group_view view;
        assert_ok(queue_group_get(f->r, name, f->arena, &view));
        assert_int_equal(view.total, 3);
        assert_int_equal(view.failed, failing ? 1 : 0);
        assert_int_equal(view.succeeded, failing ? 2 : 3);
        size_t callbacks = fetch(f, "a", 10);
        assert_int_equal(callbacks, failing == 1 ? 0 : 1);
        if (callbacks == 1) {
            assert_string_equal(f->batch.jobs[0].args, done.args);
            assert_ok(queue_ack(f->q, f->r, f->batch.jobs, 1));
        }
    }
    struct group_view view;
    assert_status(ST_NOT_FOUND, queue_group_get(f->r,
                                                "default/"
                                                "0190163d-8694-739b-aea5-966c26f8ad91",
                                                f->arena, &view));
    assert_status(ST_INVALID, queue_group_get(f->r, "nonsense", f->arena, &view));
}

static void test_chain(void **state)
{
    struct queue_fixture *f = *state;
    static const char *const args[] = {"{\"step\":1}", "{\"step\":2}", "{\"step\":3}"};
    for (size_t last = 1; last <= 3; last++) { /* how far it comes before it fails */
        struct job jobs[3];
        for (size_t i = 0; i < 3; i++) {
            jobs[i] = queue_fixture_job();
            jobs[i].args = args[i];
        }
        assert_ok(job_chain_make(jobs, 3, f->arena));
        assert_ok(queue_enqueue(f->q, f->r, &jobs[0]));
        for (size_t i = 0; i < last; i++) {
            assert_int_equal(fetch(f, "a", 10), 1);
            assert_string_equal(f->batch.jobs[0].args, args[i]);
            assert_true(uuid_eq(&f->batch.jobs[0].id, &jobs[i].id));
            end(f, "a", 0, i + 1 == last && last < 3 ? JOB_DEAD : JOB_SUCCEEDED, NULL);
            end(f, "a", 0, JOB_DEAD, NULL); /* ended is ended */
        }
        assert_int_equal(fetch(f, "a", 10), 0);
    }
    struct job many[LIMIT_CHAIN_JOBS + 1];
    assert_status(ST_TOO_LARGE, job_chain_make(many, ARRAY_LEN(many), f->arena));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_pages),
        QUEUE_CASE(test_filters_and_lines),
        QUEUE_CASE(test_a_window),
        QUEUE_CASE(test_one_job_wherever_it_is),
        QUEUE_CASE(test_dead_letters),
        QUEUE_CASE(test_purge),
        QUEUE_CASE(test_numbers_and_names),
        QUEUE_CASE(test_events),
        QUEUE_CASE(test_group),
        QUEUE_CASE(test_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
