/* Rate limits of tasks and of keys, and which of several rules counts. */
#include <string.h>

#include "base/str.h"
#include "queue/control.h"
#include "queue/inspect.h"
#include "tests/kit/queue.h"

#define fetch queue_fixture_fetch
#define maintain queue_fixture_maintain

#define NOOP "queue.noop"
static const struct queue_rate one_a_minute = {.count = 1, .period_ms = 60000, .burst = 1};
static const struct queue_rate two_a_minute = {.count = 1, .period_ms = 60000, .burst = 2};
static const struct queue_rate any = {.count = 0, .period_ms = 1};

static void put(struct queue_fixture *f, const char *key, const struct queue_rate *rate)
{
    struct job job = queue_fixture_job();
    job.key = key;
    job.key_rate = rate ? *rate : (struct queue_rate){0};
    assert_ok(queue_enqueue(f->q, f->r, &job));
}

static size_t delayed(struct queue_fixture *f, struct job_page *page)
{
    assert_ok(kit_jobs_list(f->q, f->r, JOB_DELAYED, NULL, 100, f->arena, page));
    return page->count;
}

static void test_keys_have_rates_of_their_own(void **state)
{
    struct queue_fixture *f = *state;
    struct job_page page;
    int64_t now = clock_wall_ms();
    for (int i = 0; i < 3; i++)
        put(f, "a", &one_a_minute);
    for (int i = 0; i < 2; i++)
        put(f, "b", &one_a_minute);
    put(f, NULL, &one_a_minute); /* without a key there is nothing to limit */
    assert_int_equal(fetch(f, "w", 10), 3);
    assert_int_equal(delayed(f, &page), 3);
    static const struct {
        const char *key;
        int minutes;
    } want[] = {{"a", 1}, {"b", 1}, {"a", 2}};
    bool found[ARRAY_LEN(want)] = {false};
    for (size_t i = 0; i < page.count; i++) {
        for (size_t k = 0; k < ARRAY_LEN(want); k++) {
            int64_t off_ms = page.jobs[i].due_at_ms - now - 60000LL * want[k].minutes;
            found[k] |= str_eq(page.jobs[i].job.key, want[k].key) && off_ms > -1000 &&
                        off_ms < 50000;
        }
        assert_int_equal(page.jobs[i].job.attempt, 1); /* waiting is no attempt */
    }
    for (size_t k = 0; k < ARRAY_LEN(want); k++)
        assert_true(found[k]);
}

/* The most precise rule counts: how many of four jobs of one key start at once. */
static void test_which_rule_counts(void **state)
{
    struct queue_fixture *f = *state;
    static const struct {
        const struct queue_rate *exact, *key, *task, *all, *own;
        size_t want;
    } rows[] = {
        {NULL, NULL, NULL, NULL, NULL, 4},
        {NULL, NULL, NULL, NULL, &two_a_minute, 2},
        {NULL, NULL, NULL, &one_a_minute, &two_a_minute, 1},
        {NULL, NULL, &two_a_minute, &one_a_minute, &any, 2},
        {NULL, &one_a_minute, &two_a_minute, &any, &any, 1},
        {&two_a_minute, &one_a_minute, &any, &any, &any, 2},
        {&any, &one_a_minute, &one_a_minute, &one_a_minute, &one_a_minute, 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_ok(redis_do(f->r, NULL, "FLUSHDB"));
        assert_ok(queue_key_rate_set(f->q, f->r, NOOP, "k", rows[i].exact));
        assert_ok(queue_key_rate_set(f->q, f->r, NULL, "k", rows[i].key));
        assert_ok(queue_key_rate_set(f->q, f->r, NOOP, NULL, rows[i].task));
        assert_ok(queue_key_rate_set(f->q, f->r, NULL, NULL, rows[i].all));
        /* Of others: no matter. */
        assert_ok(queue_key_rate_set(f->q, f->r, NULL, "other", &one_a_minute));
        assert_ok(queue_key_rate_set(f->q, f->r, "check.run", "k", &one_a_minute));
        for (int k = 0; k < 4; k++)
            put(f, "k", rows[i].own);
        struct queue *fresh = NULL; /* sees the new rules at once */
        assert_ok(queue_new("default", 0, &fresh));
        assert_ok(queue_heartbeat(fresh, f->r, "w", "{}", 60000));
        assert_ok(queue_fetch(fresh, f->r, "w", 10, 0, &f->batch));
        if (f->batch.count != rows[i].want)
            fail_msg("row %zu: %zu, not %zu", i, f->batch.count, rows[i].want);
        queue_free(fresh);
    }
}

static void test_key_and_task_together(void **state)
{
    struct queue_fixture *f = *state;
    struct job_page page;
    assert_ok(queue_rate_set(f->q, f->r, NOOP, &two_a_minute));
    put(f, "a", &one_a_minute);
    put(f, "a", &one_a_minute); /* waits for its key, and takes no place of the task's */
    put(f, "b", &one_a_minute);
    put(f, "c", &one_a_minute); /* the third of the task */
    assert_int_equal(fetch(f, "w", 10), 2);
    assert_true(str_eq(f->batch.jobs[0].key, "a") && str_eq(f->batch.jobs[1].key, "b"));
    assert_int_equal(delayed(f, &page), 2);
    /* The key's place moved along with the job that waits for its task. */
    put(f, "c", &one_a_minute);
    assert_int_equal(fetch(f, "w", 10), 0);
    assert_int_equal(delayed(f, &page), 3);
    assert_true(str_eq(page.jobs[2].job.key, "c"));
    assert_true(page.jobs[2].due_at_ms - page.jobs[1].due_at_ms > 50000);
}

static void test_grant_is_used(void **state)
{
    struct queue_fixture *f = *state;
    static const struct queue_rate five_a_second = {.count = 5, .period_ms = 1000};
    for (int i = 0; i < 4; i++)
        put(f, "k", &five_a_second);
    int64_t began = kit_real_mono_ms();
    size_t got = 0;
    assert_true(kit_wait(({
                             (void)maintain(f, clock_wall_ms());
                             got += fetch(f, "a", 10);
                             got == 4;
                         }),
                         KIT_PATIENCE_MS));
    assert_true(kit_real_mono_ms() - began >= 550);
}

static void test_rules_are_listed(void **state)
{
    struct queue_fixture *f = *state;
    static const struct rate_rule rules[] = {
        {.task = NOOP, .rate = {3, 1000, 2}},
        {.task = "a:b", .key = "7:c", .is_key = true, .rate = {1, 2000, 0}},
        {.key = "host\nwith 3: odd", .is_key = true, .rate = {0, 1, 0}},
        {.task = NOOP, .is_key = true, .rate = {9, 500, 9}},
        {.is_key = true, .rate = {2, 60000, 1}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct rate_rule *rule = &rules[i];
        assert_ok(rule->is_key ? queue_key_rate_set(f->q, f->r, rule->task, rule->key, &rule->rate)
                               : queue_rate_set(f->q, f->r, rule->task, &rule->rate));
    }
    struct rate_rule *got = NULL;
    size_t count = 0;
    assert_ok(queue_rates_list(f->q, f->r, f->arena, &got, &count));
    assert_int_equal(count, ARRAY_LEN(rules));
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        bool found = false;
        for (size_t k = 0; k < count; k++)
            found |= got[k].is_key == rules[i].is_key && str_eq(got[k].task, rules[i].task) &&
                     str_eq(got[k].key, rules[i].key) &&
                     memcmp(&got[k].rate, &rules[i].rate, sizeof(got[k].rate)) == 0;
        if (!found)
            fail_msg("rule %zu is not listed", i);
    }
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        assert_ok(rules[i].is_key
                      ? queue_key_rate_set(f->q, f->r, rules[i].task, rules[i].key, NULL)
                      : queue_rate_set(f->q, f->r, rules[i].task, NULL));
    /* Nothing is left that a fetch would ask for. */
    AUTO_REPLY keys = NULL;
    assert_ok(redis_do(f->r, &keys, "KEYS", "{q:default:0}:*"));
    assert_int_equal(keys->elements, 0);
}

static void test_what_is_no_rate(void **state)
{
    struct queue_fixture *f = *state;
    static const struct queue_rate bad[] = {
        {-1, 1000, 1}, {1, 0, 1}, {1, 1000, -1}, {1LL << 40, 1000, 1}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct job job = queue_fixture_job();
        job.key = "k";
        job.key_rate = bad[i];
        assert_status(ST_INVALID, queue_key_rate_set(f->q, f->r, NOOP, "k", &bad[i]));
        assert_status(ST_INVALID, queue_enqueue(f->q, f->r, &job));
    }
    assert_status(ST_INVALID, queue_key_rate_set(f->q, f->r, "", "k", &one_a_minute));
    assert_status(ST_INVALID, queue_key_rate_set(f->q, f->r, NULL, "", &one_a_minute));
    /* A rule that somebody else wrote is none. */
    assert_ok(queue_rate_set(f->q, f->r, NOOP, &one_a_minute));
    assert_ok(redis_do(f->r, NULL, "HSET", "{q:default:0}:rates", NOOP, "lots"));
    put(f, NULL, NULL);
    put(f, NULL, NULL);
    assert_int_equal(fetch(f, "w", 10), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_keys_have_rates_of_their_own),
        QUEUE_CASE(test_which_rule_counts),
        QUEUE_CASE(test_key_and_task_together),
        QUEUE_CASE(test_grant_is_used),
        QUEUE_CASE(test_rules_are_listed),
        QUEUE_CASE(test_what_is_no_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
