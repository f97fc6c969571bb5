/* Jobs that have not come yet are found: the next ones of a chain, the callback of a group. */
#include <stdio.h>

#include "base/str.h"
#include "queue/control.h"
#include "queue/group.h"
#include "queue/inspect.h"
#include "tests/integration/queue/fixture.h"

enum { STEPS = 4, RESULT_MS = 60000 };

/* A chain whose results are kept; nothing of it is enqueued. */
static void make_chain(struct queue_fixture *f, struct job jobs[STEPS])
{
    for (size_t i = 0; i < STEPS; i++) {
        jobs[i] = queue_fixture_job();
        jobs[i].result_ttl_ms = RESULT_MS;
        jobs[i].tenant = "ada";
        jobs[i].not_before_ms = jobs[i].enqueued_at_ms + 3600000 * (int64_t)i;
    }
    jobs[2].args = "{\"step\":2}";
    assert_ok(job_chain_make(jobs, STEPS, f->arena));
    assert_ok(job_chain_note(f->r, &jobs[0]));
}

static enum status ask(struct queue_fixture *f, const struct uuid *id, struct job_view *v,
                       struct uuid *first)
{
    const char *queue = NULL;
    const enum status st = queue_awaited_get(f->r, id, f->arena, &queue, v, first);
    if (st == ST_OK)
        assert_string_equal(queue, "default");
    return st;
}

/* The job is in that state, by its name; NULL: nothing is known of it. */
static struct job_view must_be(struct queue_fixture *f, const struct uuid *id, const char *state)
{
    struct job_view v = {.awaited = NULL};
    struct uuid first;
    const enum status st = ask(f, id, &v, &first);
    if (!state)
        assert_status(ST_NOT_FOUND, st);
    else if (st != ST_OK || !str_eq(job_view_state(&v), state))
        fail_msg("%s: %s, not %s", status_name(st), st == ST_OK ? job_view_state(&v) : "none",
                 state);
    return v;
}

/* Everything of the chain that waits is said of it, in the view of the one before. */
static void must_wait(struct queue_fixture *f, const struct job jobs[STEPS], size_t step,
                      const char *state)
{
    const struct job_view v = must_be(f, &jobs[step].id, state);
    struct uuid *ids = NULL;
    size_t count = 0;
    assert_true(uuid_eq(&v.job.id, &jobs[step].id));
    assert_true(uuid_eq(&v.awaits_job, &jobs[step - 1].id));
    assert_true(uuid_is_nil(&v.awaits_group));
    assert_string_equal(v.job.tenant, "ada");
    assert_int_equal(v.job.enqueued_at_ms, 0);
    assert_int_equal(v.job.not_before_ms, 0);
    assert_ok(job_view_chain(&v, f->arena, &ids, &count));
    assert_int_equal(count, STEPS - 1 - step);
    for (size_t i = 0; i < count; i++)
        assert_true(uuid_eq(&ids[i], &jobs[step + 1 + i].id));
}

/* Ends the one job that waits; the next of its chain, which is delayed, comes at once. */
static void end_step(struct queue_fixture *f, enum job_state state)
{
    assert_int_equal(queue_fixture_fetch(f, "a", 10), 1);
    queue_fixture_end(f, "a", 0, state, state == JOB_SUCCEEDED ? "1" : "no");
    (void)queue_fixture_maintain(f, clock_wall_ms() + STEPS * 3600000LL);
}

static void test_steps_of_a_chain(void **state)
{
    struct queue_fixture *f = *state;
    struct job jobs[STEPS];
    make_chain(f, jobs);
    assert_ok(queue_enqueue(f->q, f->r, &jobs[0]));
    for (size_t i = 1; i < STEPS; i++)
        must_wait(f, jobs, i, "waiting");
    assert_string_equal(must_be(f, &jobs[2].id, "waiting").job.args, "{\"step\":2}");
    end_step(f, JOB_SUCCEEDED);
    /* It has come: who looked into its queue just before is told so. */
    assert_null(must_be(f, &jobs[1].id, "queued").awaited);
    must_wait(f, jobs, 2, "waiting");
    must_wait(f, jobs, 3, "waiting");
    end_step(f, JOB_DEAD);
    must_wait(f, jobs, 2, "dropped");
    must_wait(f, jobs, 3, "dropped");
    /* After all. */
    assert_ok(queue_dead_requeue(f->q, f->r, &jobs[1].id));
    must_wait(f, jobs, 3, "waiting");
    end_step(f, JOB_SUCCEEDED);
    end_step(f, JOB_SUCCEEDED);
    assert_null(must_be(f, &jobs[3].id, "queued").awaited);
    end_step(f, JOB_SUCCEEDED);
    must_be(f, &jobs[3].id, "succeeded");
}

static void forget(struct queue_fixture *f, const char *what, const struct uuid *id)
{
    char key[128];
    (void)snprintf(key, sizeof(key), "{q:default:0}:%s:%s", what, kit_id(id));
    assert_ok(redis_do(f->r, NULL, "DEL", key));
}

/* Over what is not known any more, back to what is, and on from there. */
static void test_gaps(void **state)
{
    struct queue_fixture *f = *state;
    struct job jobs[STEPS];
    make_chain(f, jobs);
    assert_ok(queue_enqueue(f->q, f->r, &jobs[0]));
    end_step(f, JOB_SUCCEEDED);
    end_step(f, JOB_SUCCEEDED);
    forget(f, "result", &jobs[1].id);
    must_wait(f, jobs, 3, "waiting");
    end_step(f, JOB_SUCCEEDED);
    forget(f, "result", &jobs[2].id);
    must_be(f, &jobs[3].id, NULL); /* the one before is neither there nor known to have ended */
    forget(f, "result", &jobs[0].id);
    must_be(f, &jobs[3].id, NULL);
}

/* Cancelled while nobody had it: what followed it is not known any more, but that it does not come.
 */
static void test_a_step_that_was_cancelled(void **state)
{
    struct queue_fixture *f = *state;
    struct job jobs[STEPS];
    make_chain(f, jobs);
    jobs[0].not_before_ms = jobs[0].enqueued_at_ms + 3600000;
    assert_ok(queue_enqueue(f->q, f->r, &jobs[0]));
    must_wait(f, jobs, 3, "waiting");
    assert_ok(queue_cancel(f->q, f->r, &jobs[0].id, clock_wall_ms(), NULL));
    for (size_t i = 1; i < STEPS; i++) {
        const struct job_view v = must_be(f, &jobs[i].id, "dropped");
        assert_true(uuid_eq(&v.awaits_job, &jobs[i - 1].id));
        assert_string_equal(v.job.tenant, "ada");
    }
}

/* Its first job is not published: who knows of it can say how the others are. */
static void test_a_chain_that_has_not_begun(void **state)
{
    struct queue_fixture *f = *state;
    struct job jobs[STEPS];
    struct uuid first;
    struct job_view v;
    make_chain(f, jobs);
    for (size_t i = 1; i < STEPS; i++) {
        assert_status(ST_NOT_FOUND, ask(f, &jobs[i].id, &v, &first));
        assert_true(uuid_eq(&first, &jobs[0].id));
        const struct job_view before = {.job = jobs[0], .state = JOB_QUEUED};
        assert_ok(job_awaited_after(&before, &jobs[i].id, f->arena, &v));
        assert_string_equal(v.awaited, "waiting");
        assert_true(uuid_eq(&v.awaits_job, &jobs[i - 1].id));
    }
    const struct uuid stranger = uuid_new();
    const struct job_view before = {.job = jobs[0], .state = JOB_QUEUED};
    assert_status(ST_NOT_FOUND, job_awaited_after(&before, &stranger, f->arena, &v));
    assert_status(ST_NOT_FOUND, ask(f, &stranger, &v, &first));
    assert_true(uuid_is_nil(&first));
}

static void test_a_callback(void **state)
{
    struct queue_fixture *f = *state;
    for (int fails = 0; fails < 2; fails++) {
        struct job member = queue_fixture_job(), callback = queue_fixture_job();
        const struct group group = {
            .id = uuid_new(), .queue = "default", .total = 1, .callback = &callback};
        char name[GROUP_NAME_BYTES];
        callback.tenant = "ada";
        assert_ok(queue_group_create(f->r, &group, name));
        member.group = name;
        assert_ok(queue_enqueue(f->q, f->r, &member));
        const struct job_view v = must_be(f, &callback.id, "waiting");
        assert_true(uuid_eq(&v.awaits_group, &group.id));
        assert_true(uuid_is_nil(&v.awaits_job));
        assert_string_equal(v.job.task, callback.task);
        assert_string_equal(v.job.tenant, "ada");
        end_step(f, fails ? JOB_DEAD : JOB_SUCCEEDED);
        must_be(f, &callback.id, fails ? "dropped" : "queued");
        if (!fails)
            end_step(f, JOB_SUCCEEDED);
        assert_ok(queue_group_drop(f->r, name));
        must_be(f, &callback.id, NULL);
    }
}

/* What others wrote there is nothing. */
static void test_notes_that_are_none(void **state)
{
    struct queue_fixture *f = *state;
    static const char *const notes[] = {
        "",
        " ",
        "default",
        "no-name! default/0190163d-8694-739b-aea5-966c26f8ad91",
        "default nonsense",
        "default default/0190163d-8694-739b-aea5-966c26f8ad91",
        "default default nonsense",
        "default no-name! 0190163d-8694-739b-aea5-966c26f8ad91",
        "default default 0190163d-8694-739b-aea5-966c26f8ad91",
    };
    const struct uuid id = uuid_new();
    char key[128];
    (void)snprintf(key, sizeof(key), "{q:default:0}:awaited:%s", kit_id(&id));
    for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
        assert_ok(redis_do(f->r, NULL, "SET", key, notes[i]));
        must_be(f, &id, NULL);
    }
    /* One that waits for itself, and a list. */
    char itself[128];
    (void)snprintf(itself, sizeof(itself), "default default %s", kit_id(&id));
    assert_ok(redis_do(f->r, NULL, "SET", key, itself));
    must_be(f, &id, NULL);
    assert_ok(redis_do(f->r, NULL, "DEL", key));
    assert_ok(redis_do(f->r, NULL, "RPUSH", key, "default"));
    must_be(f, &id, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_steps_of_a_chain),
        QUEUE_CASE(test_gaps),
        QUEUE_CASE(test_a_step_that_was_cancelled),
        QUEUE_CASE(test_a_chain_that_has_not_begun),
        QUEUE_CASE(test_a_callback),
        QUEUE_CASE(test_notes_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
