/* The task table of the queue and those who execute its rows. */
#include "services/worker/tasks/task.h"

#include <string.h>

#include "services/worker/worker.h"
#include "tests/kit/kit.h"

static void test_each_row_has_one_executor(void **state)
{
    for (size_t i = 0; task_at(i); i++) {
        const char *name = task_at(i)->name;
        const int executors = plan_is_probe(name) + (task_handler_find(name) != NULL);
        if (executors != 1)
            fail_msg("%s has %d executors: a line in tasks/tasks.def, or a reader in plan.c", name,
                     executors);
    }
}

static void test_each_row_is_sound(void **state)
{
    for (size_t i = 0; task_at(i); i++) {
        const struct task *t = task_at(i);
        struct job job;
        assert_ok(job_init(&job, t->name, "{}", 1));
        if (t->time_limit_ms <= 0 || (t->soft_limit_ms > 0 && t->soft_limit_ms >= t->time_limit_ms))
            fail_msg("%s: its time limits are none", t->name);
        if (t->max_attempts < 1 || t->retry_base_ms < 1 || t->retry_cap_ms < t->retry_base_ms)
            fail_msg("%s: its retries are none", t->name);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(task_at(k)->name, t->name);
    }
}

static void test_each_handler_has_a_row(void **state)
{
    static const char *const names[] = {
#define TASK(name) #name,
#include "services/worker/tasks/tasks.def"
#undef TASK
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "%s", names[i]);
        /* The file is named after the task, its first '_' for the '.'. */
        char *dot = strchr(name, '_');
        assert_non_null(dot);
        *dot = '.';
        if (!task_find(name) || !task_handler_find(name))
            fail_msg("%s has no row in queue/tasks.c", name);
    }
}

static void test_bounds(void **state)
{
    static const struct {
        const char *text;
        size_t least, min, max; /* max 0: refused */
    } rows[] = {
        {"4", 1, 4, 4},       {"1,8", 1, 1, 8},
        {"0,8", 0, 0, 8},     {"0,8", 1, 0, 0},
        {"0", 0, 0, 0},       {"8,1", 0, 0, 0},
        {"100", 0, 100, 100}, {"101", 0, 0, 0},
        {"", 0, 0, 0},        {"1,", 0, 0, 0},
        {",4", 0, 0, 0},      {"1,2,3", 0, 0, 0},
        {"-1,4", 0, 0, 0},    {"a", 0, 0, 0},
        {"1 , 4", 0, 0, 0},   {"99999999999999999999", 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bounds b = {7, 7};
        const enum status st = bounds_parse(rows[i].text, rows[i].least, 100, &b);
        if ((st == ST_OK) != (rows[i].max > 0))
            fail_msg("\"%s\": %s", rows[i].text, status_name(st));
        if (st == ST_OK && (b.min != rows[i].min || b.max != rows[i].max))
            fail_msg("\"%s\": %zu,%zu", rows[i].text, b.min, b.max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_has_one_executor),
        cmocka_unit_test(test_each_row_is_sound),
        cmocka_unit_test(test_each_handler_has_a_row),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
