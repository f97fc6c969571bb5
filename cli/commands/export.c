/* tocsin export: checks as a file that `tocsin import` reads, as GET /api/v1/checks/export. */
#include "base/str.h"
#include "cli/cli.h"
#include "cli/transfer.h"
#include "json/parse.h"
#include "json/yaml.h"
#include "transfer/import.h"

enum { OPTION_JSON, OPTION_TAG, OPTION_GROUP, OPTION_ORGANISATION };
static const struct cli_option options[] = {
    [OPTION_JSON] = {"json", NULL, "JSON instead of YAML"},
    [OPTION_TAG] = {"tag", "TAG", "only checks with this tag"},
    [OPTION_GROUP] = {"group", "NAME", "only checks of this group"},
    [OPTION_ORGANISATION] = {"organisation", "ID", "default: the first one"},
};

static int print_file(struct cli *cli, const json_t *file)
{
    AUTO_BUF out;
    buf_init(&out, 64u << 20);
    if (cli->option[OPTION_JSON]) {
        AUTO_FREE char *text = json_dumps(file, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
        buf_str(&out, text ? text : "");
        buf_char(&out, '\n');
    } else if (yaml_write(file, &out) != ST_OK) {
        return cli_fail("export: too large");
    }
    return cli_print(&out);
}

static int export_file(struct cli *cli, const struct transfer_session *s)
{
    const struct check_filter filter = {
        .tag = cli->option[OPTION_TAG], .group = cli->option[OPTION_GROUP], .sort = "name"};
    struct page page = {.limit = LIMIT_TRANSFER_CHECKS};
    struct check *rows = NULL;
    size_t count = 0;
    AUTO_JSON file = NULL;
    enum status st = checks_list(s->db, cli->arena, &s->org, &filter, &page, &rows, &count);
    if (st == ST_OK && page.total > LIMIT_TRANSFER_CHECKS)
        return cli_fail("more than %d checks: export them by --group or --tag",
                        LIMIT_TRANSFER_CHECKS);
    if (st == ST_OK)
        st = export_checks(s->db, cli->arena, s->seal, &s->org, rows, count, &file);
    return st == ST_OK ? print_file(cli, file) : cli_fail_db("export", st, s->db);
}

static int run(struct cli *cli)
{
    struct transfer_session s = {0};
    int code = transfer_open(cli, OPTION_ORGANISATION, &s);
    if (code == CLI_OK)
        code = export_file(cli, &s);
    transfer_close(&s);
    return code;
}

const struct command command_export = {
    .name = "export",
    .arguments = "",
    .summary = "print checks as a file that can be imported",
    .details = "Secrets are left out: ******** stands where they are.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
