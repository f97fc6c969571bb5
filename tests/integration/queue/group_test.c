/* Groups and chains in detail: what a follower is told, who is listed, cancelling, a crash between
 * two steps. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "queue/control.h"
#include "queue/group.h"
#include "queue/inspect.h"
#include "queue/internal.h"
#include "tests/integration/queue/fixture.h"

enum { MEMBERS_MAX = 8 };

struct members {
    char name[GROUP_NAME_BYTES];
    struct job job[MEMBERS_MAX];
    struct job callback;
};

static size_t fetch(struct queue_fixture *f, const char *consumer, size_t max)
{
    return queue_fixture_fetch(f, consumer, max);
}

static void end(struct queue_fixture *f, size_t i, enum job_state state, const char *text)
{
    queue_fixture_end(f, "a", i, state, text);
}

/* A group whose callback takes results; its members wait in the queue, the last `delayed` of them
 * for an hour. */
static void make_group(struct queue_fixture *f, struct group *group, size_t delayed,
                       struct members *out)
{
    struct group_member list[MEMBERS_MAX];
    out->callback = queue_fixture_job();
    out->callback.takes_previous = 1;
    group->id = uuid_new();
    group->queue = "default";
    group->callback = &out->callback;
    group->members = list;
    for (size_t i = 0; i < group->total; i++) {
        out->job[i] = queue_fixture_job();
        out->job[i].group = out->name;
        out->job[i].result_ttl_ms = 60000;
        if (i + delayed >= group->total)
            out->job[i].not_before_ms = out->job[i].enqueued_at_ms + 3600000;
        list[i] = (struct group_member){out->job[i].id, "default"};
    }
    assert_ok(queue_group_create(f->r, group, out->name));
    assert_ok(queue_enqueue_many(f->q, f->r, out->job, group->total, NULL));
    group->members = NULL;
}

static void must_members(struct queue_fixture *f, const char *name, const char *want)
{
    struct group_member_view *list = NULL;
    size_t count = 0;
    char got[MEMBERS_MAX + 1] = "";
    assert_ok(queue_group_members(f->r, name, 0, GROUP_PAGE, f->arena, &list, &count));
    for (size_t i = 0; i < count && i < MEMBERS_MAX; i++) {
        assert_string_equal(list[i].queue, "default");
        got[i] = list[i].state == JOB_STATE_COUNT_ ? '.' : job_state_name(list[i].state)[0];
    }
    assert_string_equal(got, want);
}

static struct group_view view_of(struct queue_fixture *f, const char *name)
{
    struct group_view view;
    assert_ok(queue_group_get(f->r, name, f->arena, &view));
    return view;
}

/* --- what a follower is told --- */

static void test_a_chain_passes_results_on(void **state)
{
    struct queue_fixture *f = *state;
    static const struct {
        const char *args, *result;
        int takes;
        const char *want;
    } rows[] = {
        {"{}", "{\"n\":1}", 1, "{\"previous\":{\"n\":1}}"},
        {"{\"a\":2}", "[1,2]", 1, "{\"a\":2,\"previous\":[1,2]}"},
        {"{\"previous\":\"own\"}", "true", 1, "{\"previous\":true}"},
        {"{\"a\":2}", NULL, 1, "{\"a\":2,\"previous\":null}"},
        {"{\"a\":2}", "{\"n\":1}", 0, "{\"a\":2}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job jobs[] = {queue_fixture_job(), queue_fixture_job()};
        jobs[1].args = rows[i].args;
        jobs[1].takes_previous = rows[i].takes;
        assert_ok(job_chain_make(jobs, 2, f->arena));
        assert_ok(queue_enqueue(f->q, f->r, &jobs[0]));
        assert_int_equal(fetch(f, "a", 10), 1);
        end(f, 0, JOB_SUCCEEDED, rows[i].result);
        assert_int_equal(fetch(f, "a", 10), 1);
        assert_string_equal(f->batch.jobs[0].args, rows[i].want);
        end(f, 0, JOB_SUCCEEDED, NULL);
    }
}

static void test_a_result_that_is_too_large_ends_its_chain(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_FREE char *result = malloc(LIMIT_PREVIOUS_BYTES + 2);
    struct job jobs[] = {queue_fixture_job(), queue_fixture_job()};
    assert_non_null(result);
    memset(result, '1', LIMIT_PREVIOUS_BYTES + 1);
    result[0] = result[LIMIT_PREVIOUS_BYTES] = '"';
    result[LIMIT_PREVIOUS_BYTES + 1] = '\0';
    const struct job_outcome o = {.state = JOB_SUCCEEDED, .result = result};
    jobs[1].takes_previous = 1;
    assert_ok(job_chain_make(jobs, 2, f->arena));
    assert_ok(queue_enqueue(f->q, f->r, &jobs[0]));
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_status(ST_TOO_LARGE, queue_finish(f->q, f->r, "a", &f->batch.jobs[0], &o, 1));
    assert_int_equal(fetch(f, "a", 10), 0);
}

/* It goes where it was sent, and its times count from then on. */
static void test_a_follower_keeps_its_options(void **state)
{
    struct queue_fixture *f = *state;
    struct queue *side = NULL;
    struct job_view v;
    struct job jobs[] = {queue_fixture_job(), queue_fixture_job()};
    jobs[0].enqueued_at_ms -= 1800000;
    jobs[1].enqueued_at_ms -= 1800000; /* written down half an hour ago */
    jobs[1].not_before_ms = jobs[1].enqueued_at_ms + 600000;
    jobs[1].expires_at_ms = jobs[1].enqueued_at_ms + 900000;
    jobs[1].queue = "side";
    assert_ok(job_chain_make(jobs, 2, f->arena));
    assert_ok(queue_enqueue(f->q, f->r, &jobs[0]));
    assert_int_equal(fetch(f, "a", 10), 1);
    const int64_t now_ms = clock_wall_ms();
    end(f, 0, JOB_SUCCEEDED, NULL);
    assert_ok(queue_new("side", 0, &side));
    assert_ok(queue_job_get(side, f->r, &jobs[1].id, f->arena, &v));
    queue_free(side);
    assert_int_equal(v.state, JOB_DELAYED);
    assert_true(v.due_at_ms >= now_ms + 600000);
    assert_true(v.job.enqueued_at_ms >= now_ms);
    assert_int_equal(v.job.expires_at_ms - v.due_at_ms, 300000);
}

static void test_a_callback_gets_results_in_order(void **state)
{
    struct queue_fixture *f = *state;
    struct group group = {.total = 3, .is_lenient = true, .tenant = "t", .created_at_ms = 7};
    struct members m;
    char want[256], id[UUID_TEXT_BYTES];
    make_group(f, &group, 0, &m);
    assert_int_equal(fetch(f, "a", 10), 3);
    must_members(f, m.name, "...");
    end(f, 2, JOB_SUCCEEDED, "{\"n\":3}");
    end(f, 1, JOB_DEAD, "broken");
    must_members(f, m.name, ".ds");
    end(f, 0, JOB_SUCCEEDED, "\"one\"");
    assert_int_equal(fetch(f, "a", 10), 1);
    uuid_format(&group.id, id);
    (void)snprintf(want, sizeof(want),
                   "{\"previous\":{\"group\":\"%s\",\"total\":3,\"succeeded\":2,\"failed\":1,"
                   "\"left_out\":0,\"results\":[\"one\",null,{\"n\":3}]}}",
                   id);
    assert_string_equal(f->batch.jobs[0].args, want);
    const struct group_view v = view_of(f, m.name);
    assert_true(v.is_lenient);
    assert_string_equal(v.tenant, "t");
    assert_int_equal(v.created_at_ms, 7);
    assert_true(v.expires_at_ms > clock_wall_ms());
    assert_true(uuid_eq(&v.callback.id, &m.callback.id));
}

static void test_results_beyond_the_room_are_left_out(void **state)
{
    struct queue_fixture *f = *state;
    enum { LARGE = 20000 };
    static char large[LARGE];
    struct group group = {.total = 3};
    struct members m;
    memset(large, '1', LARGE - 1);
    large[0] = large[LARGE - 2] = '"';
    make_group(f, &group, 0, &m);
    assert_int_equal(fetch(f, "a", 10), 3);
    end(f, 0, JOB_SUCCEEDED, large);
    end(f, 1, JOB_SUCCEEDED, large);
    end(f, 2, JOB_SUCCEEDED, "3");
    assert_int_equal(fetch(f, "a", 10), 1);
    const char *args = f->batch.jobs[0].args;
    assert_non_null(strstr(args, "\"left_out\":1,"));
    assert_non_null(strstr(args, "\",null,3]}}"));
    assert_true(strlen(args) <= LIMIT_PREVIOUS_BYTES);
}

/* --- links --- */

static void test_what_follows_is_shown(void **state)
{
    struct queue_fixture *f = *state;
    struct job jobs[] = {queue_fixture_job(), queue_fixture_job(), queue_fixture_job()};
    struct uuid *ids = NULL;
    size_t count = 0;
    jobs[0].result_ttl_ms = 60000;
    jobs[0].group = "default/0190163d-8694-739b-aea5-966c26f8ad91";
    assert_ok(job_chain_make(jobs, 3, f->arena));
    assert_ok(queue_enqueue(f->q, f->r, &jobs[0]));
    for (int ended = 0; ended < 2; ended++) {
        struct job_view v;
        assert_ok(queue_job_get(f->q, f->r, &jobs[0].id, f->arena, &v));
        assert_int_equal(v.state, ended ? JOB_SUCCEEDED : JOB_QUEUED);
        assert_string_equal(v.job.group, jobs[0].group);
        assert_ok(job_view_chain(&v, f->arena, &ids, &count));
        assert_int_equal(count, 2);
        assert_true(uuid_eq(&ids[0], &jobs[1].id) && uuid_eq(&ids[1], &jobs[2].id));
        if (!ended) {
            assert_int_equal(fetch(f, "a", 1), 1);
            end(f, 0, JOB_SUCCEEDED, NULL);
        }
    }
    const struct job_view broken = {.job = {.chain = "zz"}};
    assert_status(ST_INVALID, job_view_chain(&broken, f->arena, &ids, &count));
}

/* --- cancelling --- */

static void test_a_cancelled_group(void **state)
{
    struct queue_fixture *f = *state;
    struct group group = {.total = 4, .is_lenient = true};
    struct members m;
    bool wanted = false;
    make_group(f, &group, 1, &m);
    assert_int_equal(fetch(f, "a", 2), 2);
    end(f, 0, JOB_SUCCEEDED, NULL);
    const struct job running = f->batch.jobs[1];
    assert_ok(queue_group_cancel(f->r, m.name, clock_wall_ms()));
    must_members(f, m.name, "s..c"); /* a delayed one at once */
    assert_ok(queue_cancel_wanted(f->q, f->r, &running, 1, &wanted));
    assert_true(wanted);
    assert_ok(queue_group_cancel(f->r, m.name, clock_wall_ms())); /* again: the same */
    const struct job_outcome o = {.state = JOB_CANCELLED};
    assert_ok(queue_finish(f->q, f->r, "a", &running, &o, 1));
    f->q->seen.at_mono_ms = 0; /* not by what was seen before */
    assert_int_equal(fetch(f, "a", 10), 0);
    must_members(f, m.name, "sccc");
    assert_status(ST_CONFLICT, queue_group_cancel(f->r, m.name, clock_wall_ms()));
    const struct group_view v = view_of(f, m.name);
    assert_int_equal(v.succeeded, 1);
    assert_int_equal(v.failed, 3);
    assert_true(v.cancelled_at_ms > 0);
    assert_int_equal(fetch(f, "a", 10), 0); /* no callback */
}

/* The wish was there first: nobody gets it, at once or later. */
static void test_a_job_that_was_cancelled_before_it_came(void **state)
{
    struct queue_fixture *f = *state;
    f->q->seen.at_mono_ms = clock_mono_ms(); /* a fetch that has not heard of it */
    for (int is_delayed = 0; is_delayed < 2; is_delayed++) {
        struct job job = queue_fixture_job();
        struct job_view v;
        job.not_before_ms = is_delayed ? job.enqueued_at_ms + 3600000 : 0;
        job.result_ttl_ms = 60000;
        assert_ok(queue_cancel(f->q, f->r, &job.id, clock_wall_ms(), NULL));
        job.idempotency = is_delayed ? "later" : "now";
        assert_ok(queue_enqueue(f->q, f->r, &job));
        assert_int_equal(fetch(f, "a", 10), 0);
        assert_ok(queue_job_get(f->q, f->r, &job.id, f->arena, &v));
        assert_int_equal(v.state, JOB_CANCELLED);
    }
}

static void test_groups_that_are_none(void **state)
{
    struct queue_fixture *f = *state;
    const char *unknown = "default/0190163d-8694-739b-aea5-966c26f8ad91";
    struct group_member_view *list = NULL;
    struct group_member members[GROUP_QUEUES_MAX + 1];
    char names[GROUP_QUEUES_MAX + 1][8], name[GROUP_NAME_BYTES];
    size_t count = 0;
    assert_status(ST_NOT_FOUND, queue_group_cancel(f->r, unknown, 1));
    assert_status(ST_NOT_FOUND, queue_group_members(f->r, unknown, 0, 1, f->arena, &list, &count));
    assert_ok(queue_group_drop(f->r, unknown));
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "q%zu", i);
        members[i] = (struct group_member){uuid_new(), names[i]};
    }
    struct group group = {
        .id = uuid_new(), .queue = "default", .total = ARRAY_LEN(members), .members = members};
    assert_status(ST_TOO_LARGE, queue_group_create(f->r, &group, name));
    members[0].queue = "no name";
    group.total = 1;
    assert_status(ST_INVALID, queue_group_create(f->r, &group, name));
    group.members = NULL;
    assert_ok(queue_group_create(f->r, &group, name));
    assert_ok(queue_group_members(f->r, name, 0, 1, f->arena, &list, &count));
    assert_int_equal(count, 0);
    assert_ok(queue_group_cancel(f->r, name, 1));
    assert_ok(queue_group_drop(f->r, name));
    struct group_view v;
    assert_status(ST_NOT_FOUND, queue_group_get(f->r, name, f->arena, &v));
}

/* --- a crash --- */

/* What follows a job was enqueued, and its worker died before it said so: the job comes again, its
 * followers do not. */
static void test_a_crash_between_steps(void **state)
{
    struct queue_fixture *f = *state;
    struct job chain[] = {queue_fixture_job(), queue_fixture_job()};
    struct group group = {.total = 1};
    struct members m;
    chain[1].takes_previous = 1;
    assert_ok(job_chain_make(chain, 2, f->arena));
    assert_ok(queue_enqueue(f->q, f->r, &chain[0]));
    make_group(f, &group, 0, &m);
    assert_int_equal(fetch(f, "dead", 10), 2);
    const struct job_outcome first = {.state = JOB_SUCCEEDED, .result = "1"};
    for (size_t i = 0; i < 2; i++)
        assert_ok(queue_follow_up(f->r, &f->batch.jobs[i], &first));
    assert_ok(queue_leave(f->q, f->r, "dead"));
    assert_int_equal(fetch(f, "a", 10), 4); /* both again, and what follows them */
    const struct job_batch all = f->batch;
    for (size_t i = 0; i < all.count; i++) {
        const char *args = all.jobs[i].args;
        if (uuid_eq(&all.jobs[i].id, &chain[1].id))
            assert_string_equal(args, "{\"previous\":1}");
        else if (uuid_eq(&all.jobs[i].id, &m.callback.id))
            assert_non_null(strstr(args, "\"results\":[1]"));
        end(f, i, JOB_SUCCEEDED, "2");
    }
    assert_int_equal(fetch(f, "a", 10), 0);
    assert_int_equal(view_of(f, m.name).succeeded, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_a_chain_passes_results_on),
        QUEUE_CASE(test_a_result_that_is_too_large_ends_its_chain),
        QUEUE_CASE(test_a_follower_keeps_its_options),
        QUEUE_CASE(test_a_callback_gets_results_in_order),
        QUEUE_CASE(test_results_beyond_the_room_are_left_out),
        QUEUE_CASE(test_what_follows_is_shown),
        QUEUE_CASE(test_a_cancelled_group),
        QUEUE_CASE(test_a_job_that_was_cancelled_before_it_came),
        QUEUE_CASE(test_groups_that_are_none),
        QUEUE_CASE(test_a_crash_between_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
