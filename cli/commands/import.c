/* tocsin import: checks from a file of Tocsin, Uptime Kuma or Gatus, as POST /api/v1/checks/import.
 */
#include "transfer/import.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/transfer.h"

enum { OPTION_DRY_RUN, OPTION_EACH, OPTION_FORMAT, OPTION_ORGANISATION };
static const struct cli_option options[] = {
    [OPTION_DRY_RUN] = {"dry-run", NULL, "only say what would be done"},
    [OPTION_EACH] = {"each", NULL,
                     "store what is valid; otherwise one error, and nothing is stored"},
    [OPTION_FORMAT] = {"format", "NAME", "auto (default), tocsin, uptime-kuma or gatus"},
    [OPTION_ORGANISATION] = {"organisation", "ID", "default: the first one"},
};

/* Lists of texts, and of {name, type, reason}. */
static void put_notes(struct buf *out, const char *before, const json_t *notes)
{
    size_t i = 0;
    const json_t *note = NULL;
    json_array_foreach (notes, i, note) {
        if (json_is_string(note))
            buf_printf(out, "%snote: %s\n", before, json_string_value(note));
        else
            buf_printf(out, "skipped    %s (%s): %s\n",
                       json_string_value(json_object_get(note, "name")),
                       json_string_value(json_object_get(note, "type")),
                       json_string_value(json_object_get(note, "reason")));
    }
}

static void put_line(struct buf *out, const struct import_line *line)
{
    size_t i = 0;
    const json_t *error = NULL;
    buf_printf(out, "%-10s %s\n", import_action_name(line->action), line->name ? line->name : "?");
    for (size_t k = 0; k < line->change_count; k++) {
        const struct import_change *c = &line->changes[k];
        buf_printf(out, "  %s: %s -> %s\n", c->field, c->before ? c->before : "none",
                   c->after ? c->after : "none");
    }
    json_array_foreach (line->errors, i, error) {
        AUTO_FREE char *loc = json_dumps(json_object_get(error, "loc"), JSON_COMPACT);
        buf_printf(out, "  %s: %s\n", loc ? loc : "?",
                   json_string_value(json_object_get(error, "msg")));
    }
    put_notes(out, "  ", line->notes);
}

static int report_of(const struct import_doc *doc, const struct import_report *report)
{
    AUTO_BUF out;
    buf_init(&out, 16 << 20);
    for (size_t i = 0; i < report->count; i++)
        put_line(&out, &report->lines[i]);
    put_notes(&out, "", doc->skipped);
    put_notes(&out, "", doc->notes);
    buf_printf(&out, "%zu new, %zu changed, %zu unchanged, %zu with errors; %s\n",
               report->by_action[IMPORT_CREATE], report->by_action[IMPORT_UPDATE],
               report->by_action[IMPORT_SAME], report->by_action[IMPORT_ERROR],
               report->is_applied ? "stored" : "nothing was stored");
    int code = cli_print(&out);
    return report->by_action[IMPORT_ERROR] > 0 ? CLI_FAILED : code;
}

static int import_file(struct cli *cli, const struct import_doc *doc)
{
    struct transfer_session s = {0};
    int code = transfer_open(cli, OPTION_ORGANISATION, &s);
    if (code == CLI_OK) {
        static const struct uuid nobody;
        AUTO_IMPORT_REPORT report = {0};
        const struct import_request request = {
            .db = s.db,
            .arena = cli->arena,
            .seal = s.seal,
            .org_id = &s.org,
            .user_id = &nobody,
            .doc = doc,
            .is_dry = cli->option[OPTION_DRY_RUN] != NULL,
            .is_atomic = cli->option[OPTION_EACH] == NULL,
        };
        enum status st = import_run(&request, &report);
        code = st == ST_OK ? report_of(doc, &report) : cli_fail_db("import", st, s.db);
    }
    transfer_close(&s);
    return code;
}

static int run(struct cli *cli)
{
    const char *format = cli->option[OPTION_FORMAT] ? cli->option[OPTION_FORMAT] : "auto";
    int i = 0;
    while (import_format_names[i] && !str_eq(import_format_names[i], format))
        i++;
    if (!import_format_names[i])
        return cli_usage(cli, "--format: auto, tocsin, uptime-kuma or gatus");
    AUTO_BUF text;
    struct errbuf err = {""};
    AUTO_IMPORT_DOC doc = {0};
    buf_init(&text, LIMIT_TRANSFER_BYTES + 65536);
    enum status st = cli_read_file(cli->argument[0], &text);
    if (st != ST_OK)
        return cli_fail("%s: %s", cli->argument[0],
                        st == ST_TOO_LARGE ? "too large" : "it cannot be read");
    st = import_read(buf_cstr(&text), text.len, (enum import_format)i, &doc, &err);
    if (st != ST_OK)
        return cli_fail("%s: %s", cli->argument[0], err.text);
    return import_file(cli, &doc);
}

const struct command command_import = {
    .name = "import",
    .arguments = "FILE",
    .summary = "import checks from a file of Tocsin, Uptime Kuma or Gatus",
    .details = "FILE is YAML or JSON; - is standard input. Importing the same file again changes "
               "nothing.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
