/* tocsin self-test: the test of the security primitives that every daemon makes when it starts. */
#include <stdio.h>

#include "cli/cli.h"
#include "daemon/daemon.h"

static int run(struct cli *cli)
{
    (void)cli;
    struct errbuf err = {""};
    const enum status st = self_test(&err);
    if (st != ST_OK)
        return cli_fail("self-test failed: %s", err.text[0] ? err.text : status_title(st));
    (void)printf("self-test passed\n");
    return CLI_OK;
}

const struct command command_self_test = {
    .name = "self-test",
    .arguments = "",
    .summary = "test the security primitives, as every daemon does when it starts",
    .needs_no_settings = true,
    .run = run,
};
