/* What schedules may give to tasks: by the task's row. */
#include "queue/task_args.h"

#include <string.h>

#include "json/parse.h"
#include "tests/kit/kit.h"

#define ID "00000000-0000-7000-8000-000000000001"

struct pair_args {
    struct in_list check_ids;
    struct in_i64 days;
};
static const struct field pair_fields[] = {
    {.name = "check_ids",
     .type = FT_LIST,
     .element = FT_UUID,
     .flags = F_REQUIRED,
     .offset = offsetof(struct pair_args, check_ids)},
    {.name = "days",
     .type = FT_INT,
     .offset = offsetof(struct pair_args, days),
     .min = 1,
     .max = 9},
};
static const struct schema pair_schema = SCHEMA("Pair", struct pair_args, pair_fields);
static const struct task pair_task = {.name = "pair", .args = &pair_schema};
static const struct task bare_task = {.name = "bare"};

static const struct task *task_of(const char *name)
{
    if (strcmp(name, "pair") == 0)
        return &pair_task;
    return strcmp(name, "bare") == 0 ? &bare_task : task_find(name);
}

static enum status read_args(struct arena *arena, const char *task, const char *text,
                             struct task_args *out, struct field_errors *errors)
{
    AUTO_JSON args = text ? json_loads(text, 0, NULL) : NULL;
    assert_true(!text || args);
    return task_args_read(task_of(task), args, arena, out, errors);
}

static void test_what_is_taken(void **state)
{
    static const struct {
        const char *task, *args, *text;
        size_t checks;
    } rows[] = {
        {"bare", NULL, "{}", 0},
        {"bare", "{}", "{}", 0},
        {"queue.noop", "{\"a\": [1, {\"b\": null}], \"check_id\": \"no id\"}",
         "{\"a\":[1,{\"b\":null}],\"check_id\":\"no id\"}", 0},
        {"check.run", "{\"check_id\":\"" ID "\"}", "{\"check_id\":\"" ID "\"}", 1},
        {"pair", "{\"check_ids\":[]}", "{\"check_ids\":[]}", 0},
        {"pair", "{\"check_ids\":[\"" ID "\",\"" ID "\"],\"days\":2}",
         "{\"check_ids\":[\"" ID "\",\"" ID "\"],\"days\":2}", 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ARENA arena = arena_new(1 << 20);
        AUTO_FIELD_ERRORS errors = {0};
        struct task_args args;
        assert_ok(read_args(arena, rows[i].task, rows[i].args, &args, &errors));
        assert_string_equal(args.text, rows[i].text);
        assert_int_equal(args.check_count, rows[i].checks);
        for (size_t k = 0; k < args.check_count; k++) {
            assert_int_equal(args.checks[k].b[15], 1);
            assert_true(strncmp(args.members[k], "check_id", 8) == 0);
        }
    }
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *task, *args, *member;
    } rows[] = {
        {"bare", "{\"x\":1}", "x"},
        {"check.run", NULL, "check_id"},
        {"check.run", "{}", "check_id"},
        {"check.run", "{\"check_id\":7}", "check_id"},
        {"check.run", "{\"check_id\":\"seven\"}", "check_id"},
        {"check.run", "{\"check_id\":\"" ID "\",\"slot_us\":1}", "slot_us"},
        {"pair", "{\"check_ids\":[\"x\"]}", "check_ids"},
        {"pair", "{\"check_ids\":[],\"days\":10}", "days"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ARENA arena = arena_new(1 << 20);
        AUTO_FIELD_ERRORS errors = {0};
        struct task_args args;
        assert_status(ST_INVALID, read_args(arena, rows[i].task, rows[i].args, &args, &errors));
        const json_t *loc = json_object_get(json_array_get(errors.list, 0), "loc");
        assert_string_equal(json_string_value(json_array_get(loc, 1)), "args");
        assert_string_equal(json_string_value(json_array_get(loc, 2)), rows[i].member);
    }
}

static void test_too_large(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    AUTO_FIELD_ERRORS errors = {0};
    struct task_args args;
    AUTO_FREE char *big = malloc(LIMIT_JOB_ARGS_BYTES + 1);
    assert_non_null(big);
    memset(big, 'x', LIMIT_JOB_ARGS_BYTES);
    big[LIMIT_JOB_ARGS_BYTES] = '\0';
    AUTO_JSON json = json_pack("{s:s}", "a", big);
    assert_status(ST_TOO_LARGE,
                  task_args_read(task_find("queue.noop"), json, arena, &args, &errors));
}

/* Who may schedule what is a promise to users: a new row is a line here. */
static void test_audiences(void **state)
{
    static const struct {
        const char *task;
        enum task_audience audience;
    } rows[] = {
        {"check.scheduled", TASK_INTERNAL}, {"check.run", TASK_USER},
        {"check.adhoc", TASK_INTERNAL},     {"queue.noop", TASK_USER},
        {"system.partitions", TASK_SYSTEM}, {"system.retention", TASK_SYSTEM},
        {"system.cleanup", TASK_SYSTEM},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(task_find(rows[i].task)->audience, rows[i].audience);
}

int main(void)
{
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_taken),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_audiences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
