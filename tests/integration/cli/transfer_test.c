/* tocsin import and export: the program itself, on a live database. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/str.h"
#include "tests/kit/kit.h"

static char output[1 << 16];
static const char *database;
static struct db *db;

static int setup(void **state)
{
    database = kit_database();
    db = kit_db_open(database);
    (void)kit_organisation(db);
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

/* Runs a line of the shell in which `$T` is tocsin; what it says is in `output`. */
static void must(int code, const char *line, const char *part)
{
    static char command[4096];
    (void)snprintf(
        command, sizeof(command),
        "exec 2>&1; export TOCSIN_DATABASE_URL=\"%s\" TOCSIN_SECRET_KEY="
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff; T='%s/tocsin';"
        " cd '%s'; %s",
        database, getenv("TOCSIN_TEST_BIN"), kit_dir(), line);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    output[fread(output, 1, sizeof(output) - 1, f)] = '\0';
    const int status = pclose(f);
    const int got = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (got != code || !strstr(output, part))
        fail_msg("%s: %d, not %d with \"%s\": %s", line, got, code, part, output);
}

static void test_files_come_and_go(void **state)
{
    static const char make[] =
        "echo 'checks: [{name: a, plugin_type: website, config: {url: \"http://a.b\","
        " auth_password: geheim}}]' >in.yaml; $T import in.yaml --dry-run";
    must(0, make, "1 new, 0 changed, 0 unchanged, 0 with errors; nothing was stored");
    must(0, "$T import in.yaml", "1 new, 0 changed, 0 unchanged, 0 with errors; stored");
    must(0, "$T export >out.yaml; cat out.yaml", "auth_password: '********'");
    must(0, "$T export --json | $T import -", "0 new, 0 changed, 1 unchanged");
    must(0, "sed 's#http://a.b#http://c.d#' out.yaml | $T import -",
         "config.url: \"http://a.b\" -> \"http://c.d\"");
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM checks WHERE secret IS NOT NULL"
                                " AND config->>'url' = 'http://c.d'") == 1);
    must(0, "$T export --tag nothing", "checks: []");
}

static void test_refusals(void **state)
{
    must(1, "echo 'checks: [{name: x, plugin_type: website, config: {url: 5}}]' | $T import -",
         "config");
    must(1, "echo 'checks: [' | $T import -", "line 2");
    must(1, "$T import /nowhere", "cannot be read");
    must(1, "$T export --organisation 00000000-0000-0000-0000-000000000001",
         "no such organisation");
    must(2, "$T import", "");
    must(2, "$T import in.yaml --format nagios", "--format");
    must(2, "$T export --organisation x", "not an id");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_come_and_go),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
