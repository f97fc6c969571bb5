/* `tocsin user`: the program itself, on a live database. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/str.h"
#include "json/parse.h"
#include "tests/kit/kit.h"

static const char *database;
static struct db *db;
static char output[1 << 16];

static int setup(void **state)
{
    json_setup();
    database = kit_database();
    db = kit_db_open(database);
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

/* Runs `tocsin user ARGS` with this text as its standard input. */
static int run(const char *args, const char *input)
{
    char command[1024];
    (void)snprintf(command, sizeof(command),
                   "exec 2>&1; printf '%s\\n' | TOCSIN_DATABASE_URL='%s' '%s/tocsin' user %s",
                   input, database, getenv("TOCSIN_TEST_BIN"), args);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    const size_t n = fread(output, 1, sizeof(output) - 1, f);
    output[n] = '\0';
    const int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void users_from_the_command_line(void **state)
{
    static const char good[] = "a sentence to sign in with";
    static const struct {
        const char *args, *input;
        int code;
        const char *says;
    } rows[] = {
        {"create ann@example.test", good, 1, "run tocsin bootstrap"},
        {NULL, NULL, 0, NULL}, /* an organisation is made here */
        {"create ann@example.test --role owner", good, 0, "created ann (ann@example.test), owner"},
        {"create ann@example.test", good, 1, "taken"},
        {"create bob@example.test", "short", 1, "8 to"},
        {"create bob@example.test", "password123", 1, "too easy to guess"},
        {"create bob@example.test --role king", good, 2, "--role"},
        {"create bob@example.test --organisation 5", good, 2, "--organisation"},
        {"create bob@example.test --organisation 01890000-0000-7000-8000-000000000000", good, 1,
         "there is no organisation"},
        {"create bob", good, 2, "e-mail address"},
        {"create bob@example.test --username bobby", good, 0, "created bobby"},
        {"list", "", 0, "bobby"},
        {"role bobby operator", "", 0, "bobby is operator now"},
        {"role bobby", "", 2, "role wants"},
        {"role bobby king", "", 2, "role wants"},
        {"role ann viewer", "", 1, "last active owner"},
        {"disable ann", "", 1, "last active owner"},
        {"disable bob@example.test", "", 0, "bobby is inactive now"},
        {"list", "", 0, "(inactive)"},
        {"enable bobby", "", 0, "bobby is active now"},
        {"password bobby", "another sentence", 0, "all sessions ended"},
        {"password nobody", "another sentence", 1, "there is no user nobody"},
        {"totp-reset bobby", "", 1, "no second factor"},
        {"totp-reset", "", 2, "wants"},
        {"dance", "", 2, "there is no dance"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!rows[i].args) {
            (void)kit_organisation(db);
            continue;
        }
        const int code = run(rows[i].args, rows[i].input);
        if (code != rows[i].code || !strstr(output, rows[i].says))
            fail_msg("user %s: %d %s", rows[i].args, code, output);
    }
    kit_sql(db, "INSERT INTO user_totp (user_id, secret, confirmed_at)"
                " SELECT id, 'x', now() FROM users WHERE username = 'bobby'");
    assert_int_equal(run("list --json", ""), 0);
    json_t *list = NULL;
    assert_ok(json_parse(output, strlen(output), &list, NULL));
    assert_int_equal(json_array_size(list), 2);
    assert_true(json_is_true(json_object_get(json_array_get(list, 1), "totp_enabled")));
    json_decref(list);
    assert_int_equal(run("totp-reset bobby", ""), 0);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM user_totp"), 0);

    AUTO_FREE char *log = kit_sql_text(
        db, "SELECT string_agg(action, ' ' ORDER BY at) FROM audit_log"
            " WHERE object_name = 'bobby' AND actor_type = 'cli' AND username <> ''");
    assert_string_equal(log, "user.create user.update user.update user.update user.update "
                             "user.totp_reset");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(users_from_the_command_line)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
