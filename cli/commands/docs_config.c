/* tocsin docs-config: docs/configuration.md. */
#include "cli/cli.h"

static int run(struct cli *cli)
{
    (void)cli;
    AUTO_BUF out;
    buf_init(&out, 1 << 20);
    conf_markdown(&out);
    return cli_print(&out);
}

const struct command command_docs_config = {
    .name = "docs-config",
    .arguments = "",
    .summary = "print docs/configuration.md",
    .needs_no_settings = true,
    .run = run,
};
