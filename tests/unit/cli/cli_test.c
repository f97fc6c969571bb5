/* Taking a command line apart by its table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "cli/cli.h"

static const struct cli_option options[] = {{"json", NULL, "Print JSON"},
                                            {"role", "ROLE", "The role"}};
static const struct command command = {.name = "sample",
                                       .arguments = "ACTION [NAME]",
                                       .summary = "does nothing",
                                       .options = options,
                                       .option_count = ARRAY_LEN(options),
                                       .arguments_min = 1,
                                       .arguments_max = 2};

enum { WORDS = 8 };
struct row {
    const char *words[WORDS];
    int code;
    const char *json, *role, *first, *second;
};

static void command_lines(void **state)
{
    static const struct row rows[] = {
        {{"list"}, CLI_OK, NULL, NULL, "list", NULL},
        {{"list", "--json"}, CLI_OK, "", NULL, "list", NULL},
        {{"--role", "admin", "add", "ann"}, CLI_OK, NULL, "admin", "add", "ann"},
        {{"add", "--role=admin", "ann"}, CLI_OK, NULL, "admin", "add", "ann"},
        {{"add", "--role=", "ann"}, CLI_OK, NULL, "", "add", "ann"},
        {{"add", "--", "--json"}, CLI_OK, NULL, NULL, "add", "--json"},
        {{NULL}, CLI_USAGE, NULL, NULL, NULL, NULL},
        {{"a", "b", "c"}, CLI_USAGE, NULL, NULL, NULL, NULL},
        {{"a", "--role"}, CLI_USAGE, NULL, NULL, NULL, NULL},
        {{"a", "--rol", "x"}, CLI_USAGE, NULL, NULL, NULL, NULL},
        {{"a", "--roles", "x"}, CLI_USAGE, NULL, NULL, NULL, NULL},
        {{"a", "--json=yes"}, CLI_USAGE, NULL, NULL, NULL, NULL},
        {{"a", "--json", "--json"}, CLI_USAGE, NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cli cli = {.command = &command};
        char *argv[WORDS + 2] = {(char *)(uintptr_t) "sample"};
        int argc = 1;
        for (; rows[i].words[argc - 1]; argc++)
            argv[argc] = (char *)(uintptr_t)rows[i].words[argc - 1];
        assert_int_equal(cli_parse(&cli, argc, argv), rows[i].code);
        if (rows[i].code != CLI_OK)
            continue;
        assert_true(str_eq(cli.option[0], rows[i].json));
        assert_true(str_eq(cli.option[1], rows[i].role));
        assert_true(str_eq(cli.argument[0], rows[i].first));
        assert_true(str_eq(cli.argument[1], rows[i].second));
    }
}

static void help_shows_the_table(void **state)
{
    AUTO_BUF out;
    buf_init(&out, 4096);
    cli_help(&command, &out);
    static const char *const parts[] = {"tocsin sample: does nothing", "[OPTIONS] ACTION [NAME]",
                                        "--json\n", "--role ROLE\n      The role"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        assert_non_null(strstr(buf_cstr(&out), parts[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines),
        cmocka_unit_test(help_shows_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
