/* tocsin schedule: the program itself, on a live database. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/str.h"
#include "json/parse.h"
#include "tests/kit/kit.h"

static const char *database;
static struct db *db;
static struct uuid org, check;
static char output[1 << 16];

static int setup(void **state)
{
    json_setup();
    database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    check = kit_check(db, &org, "site");
    kit_sql(db, "DELETE FROM schedules;" /* those of the migrations */
                "INSERT INTO schedules (id, name, task, schedule, shard)"
                " VALUES (gen_random_uuid(), 'system.test', 'queue.noop', '@hourly', 0)");
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

/* Runs `tocsin schedule ARGS` in a shell; what it says is in `output`. */
static void must(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void must(int code, const char *fmt, ...)
{
    char args[1024], command[2048];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(args, sizeof(args), fmt, ap);
    va_end(ap);
    (void)snprintf(command, sizeof(command),
                   "exec 2>&1; TOCSIN_DATABASE_URL='%s' '%s/tocsin' schedule %s", database,
                   getenv("TOCSIN_TEST_BIN"), args);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    const size_t n = fread(output, 1, sizeof(output) - 1, f);
    output[n] = '\0';
    const int status = pclose(f);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        fail_msg("tocsin schedule %s: %d, not %d: %s", args, WEXITSTATUS(status), code, output);
}

static void says(const char *part)
{
    if (!strstr(output, part))
        fail_msg("\"%s\" is not in: %s", part, output);
}

static json_t *parsed(void)
{
    json_t *value = NULL;
    struct errbuf err = {""};
    if (json_parse(output, strlen(output), &value, &err) != ST_OK)
        fail_msg("%s: %s", err.text, output);
    return value;
}

static const char *text(const json_t *object, const char *key)
{
    const char *v = json_string_value(json_object_get(object, key));
    return v ? v : "";
}

static void test_a_schedule_s_life(void **state)
{
    char id[UUID_TEXT_BYTES];
    uuid_format(&check, id);
    must(0,
         "create nightly --task check.run --args '{\"check_id\":\"%s\"}' --schedule '30 2 * * *'"
         " --time-zone Europe/Berlin --queue slow --priority 3 --jitter 30s --catch-up skip"
         " --overlap queue --expires 10m",
         id);
    static const char *const lines[] = {
        "name       nightly\n",    "task       check.run\n", "time zone  Europe/Berlin\n",
        "when       30 2 * * *\n", "queue      slow\n",      "priority   3\n",
        "jitter     30s\n",        "catch up   skip\n",      "overlap    queue\n",
        "expires    10m00s\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        says(lines[i]);
    must(0, "update nightly --queue '' --time-zone '' --schedule 'every 5 minutes' --name often"
            " --expires '' --json");
    AUTO_JSON one = parsed();
    assert_string_equal(text(one, "name"), "often");
    assert_string_equal(text(one, "queue"), "checks");
    assert_true(json_is_null(json_object_get(one, "time_zone")));
    assert_true(json_is_null(json_object_get(one, "expires")));
    assert_true(text(one, "next_run")[0] != '\0');
    must(0, "pause often");
    says("next run   paused\n");
    must(0, "list --paused");
    says("NAME   TASK       SCHEDULE         NEXT    QUEUE   LAST  STATE\n"
         "often  check.run  every 5 minutes  paused  checks  -     -\n");
    must(0, "resume %s --json", text(one, "id"));
    AUTO_JSON resumed = parsed();
    assert_true(json_is_true(json_object_get(resumed, "enabled")));
    must(0, "run often --json");
    AUTO_JSON ran = parsed();
    must(0, "show often --json");
    AUTO_JSON shown = parsed();
    assert_string_equal(text(json_object_get(shown, "last_job"), "id"), text(ran, "job_id"));
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM job_outbox"), 2);
    must(1, "delete often </dev/null");
    says("nothing was deleted");
    must(0, "delete often --yes");
    must(1, "show often");
    says("there is no schedule often");
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM audit_log WHERE actor_type = 'cli'"
                                     " AND object_type = 'schedule'"),
                     5);
}

static void test_the_installation_s_own(void **state)
{
    must(0, "list --json");
    AUTO_JSON list = parsed();
    assert_int_equal(json_array_size(list), 1);
    assert_true(json_is_true(json_object_get(json_array_get(list, 0), "is_system")));
    must(0, "pause system.test");
    says("owner      the installation\n");
    must(0, "resume system.test");
    must(0, "run system.test");
    must(1, "update system.test --schedule @daily");
    must(1, "delete system.test --yes");
    says("the installation's own");
}

static void test_what_is_refused(void **state)
{
#define NOOP "create x --task queue.noop --schedule @daily"
    static const struct {
        const char *args, *says;
        int code;
    } rows[] = {
        {"create x --schedule @daily", "create wants --task and --schedule", 2},
        {"create x --task no.such --schedule @daily", "task: no task that can be scheduled", 1},
        {"create x --task check.run --schedule @daily", "args.check_id: ", 1},
        {"create x --task check.run --schedule @daily --args '{\"check_id\":"
         "\"00000000-0000-7000-8000-000000000001\"}'",
         "args: check_id: there is no check 00000000-", 1},
        {NOOP " --args '[]'", "args: ", 1},
        {NOOP " --args '{'", "--args: ", 2},
        {"create x --task queue.noop --schedule 'every blue moon'", "schedule: ", 1},
        {NOOP " --time-zone Mars/Olympus", "time_zone: no such time zone", 1},
        {NOOP " --queue 'A B'", "queue: ", 1},
        {NOOP " --priority 4", "--priority: a number from 0 to 3", 2},
        {NOOP " --jitter soon", "--jitter: a time like", 2},
        {NOOP " --jitter 2h", "--jitter: a time like", 2},
        {NOOP " --overlap never", "--overlap: there is no never", 2},
        {NOOP " --catch-up all", "--catch-up: there is no all", 2},
        {"create '' --task queue.noop --schedule @daily", "a name has 1 to 200 bytes", 2},
        {"create system --task queue.noop --schedule @daily --limit", "", 2},
        {"show", "show wants more", 2},
        {"show a b", "", 2},
        {"list a", "a is too much", 2},
        {"paint x", "there is no paint", 2},
        {"show x", "there is no schedule x", 1},
        {"run 00000000-0000-7000-8000-000000000001", "there is no schedule", 1},
        {"next @daily --count 101", "--count: a number from 1 to 100", 2},
        {"next @daily --from noon", "--from must be a time", 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        must(rows[i].code, "%s", rows[i].args);
        says(rows[i].says);
    }
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM schedules WHERE org_id IS NOT NULL"), 0);
    must(0, NOOP);
    must(1, NOOP);
    says("there is a schedule of that name");
    assert_int_equal(setenv("TOCSIN_HTTP_QUEUE", "many", 1), 0);
    must(1, "list");
    says("the settings are wrong");
    must(0, "next @daily");
    assert_int_equal(unsetenv("TOCSIN_HTTP_QUEUE"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_installation_s_own),
        cmocka_unit_test(test_a_schedule_s_life),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
