/* tocsin docs-errors: docs/errors.md. */
#include "cli/cli.h"
#include "net/errors.h"

static const char head[] =
    "# Error codes\n\n"
    "<!-- Written by `tocsin docs-errors` (make docs) from libshared/net/errors.def; do not edit. -->\n\n"
    "Every error is `application/problem+json` (RFC 9457). Its `code` is stable, its texts are not; "
    "`type` is `urn:tocsin:problem:` and the code. Which operation can answer with which code is in "
    "[api.md](api.md). A status marked `*` may pass by itself: trying again can help.\n\n"
    "| code | status | meaning, and what helps |\n|---|---|---|\n";

static int run(struct cli *cli)
{
    (void)cli;
    AUTO_BUF out;
    buf_init(&out, 1 << 20);
    buf_str(&out, head);
    for (size_t i = 0; error_code_at(i); i++) {
        const struct error_code *e = error_code_at(i);
        buf_printf(&out, "| `%s` | %d%s | %s |\n", e->code, status_http(e->st),
                   status_is_retryable(e->st) ? "*" : "", e->help);
    }
    return cli_print(&out);
}

const struct command command_docs_errors = {
    .name = "docs-errors",
    .arguments = "",
    .summary = "print docs/errors.md",
    .needs_no_settings = true,
    .run = run,
};
