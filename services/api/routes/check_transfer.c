/* /checks/import and /checks/export: checks as files, ours and those of other products. */
#include <string.h>

#include "base/str.h"
#include "json/yaml.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/check_filter.h"
#include "services/api/routes/checks.h"
#include "services/api/routes/routes.h"
#include "transfer/import.h"

/* --- export --- */

struct export_in {
    struct in_str format;
    struct check_filter_in filter;
};
static const char *const export_formats[] = {"yaml", "json", NULL};
static const struct field export_fields[] = {
    {.name = "format",
     .type = FT_STRING,
     .offset = offsetof(struct export_in, format),
     .choices = export_formats,
     .help = "yaml (default) or json"},
    CHECK_FILTER_FIELDS(struct export_in, filter),
};
static const struct schema export_schema = SCHEMA("CheckExportQuery", struct export_in,
                                                  export_fields);

/* Only documents the file: it is written from the checks themselves. */
struct file_out {
    int64_t version;
    const char *checks;
};
static const struct field file_fields[] = {
    {.name = "version", .type = FT_INT, .offset = offsetof(struct file_out, version)},
    {.name = "checks",
     .type = FT_JSON,
     .offset = offsetof(struct file_out, checks),
     .help = "A list of checks as POST /api/v1/checks takes them, channels by their names; "
             "******** stands where a secret is"},
};
static const struct schema file_schema = SCHEMA("CheckFile", struct file_out, file_fields);

static enum status reply_file(struct req *r, const json_t *file, bool is_json)
{
    AUTO_BUF text;
    buf_init(&text, LIMIT_HTTP_REPLY_BYTES);
    AUTO_FREE char *json = is_json ? json_dumps(file, JSON_COMPACT | JSON_REAL_PRECISION(15))
                                   : NULL;
    if (is_json)
        buf_str(&text, json ? json : "");
    else
        TRY(yaml_write(file, &text));
    TRY(buf_status(&text));
    reply_header(r, "Content-Disposition",
                 is_json ? "attachment; filename=\"checks.json\""
                         : "attachment; filename=\"checks.yaml\"");
    reply_text(r, 200, is_json ? "application/json" : "application/yaml", buf_cstr(&text),
               text.len);
    return ST_OK;
}

static enum status check_export(struct req *r)
{
    const struct export_in *in = r->query_in;
    struct check_filter filter = check_filter_of(&in->filter);
    filter.sort = "name";
    struct page page = {.limit = LIMIT_TRANSFER_CHECKS};
    struct check *rows = NULL;
    size_t count = 0;
    AUTO_JSON file = NULL;
    TRY(checks_list(req_ctx(r)->db, r->arena, &r->who->org_id, &filter, &page, &rows, &count));
    if (page.total > LIMIT_TRANSFER_CHECKS)
        return req_fail(r, ST_TOO_LARGE, "EXPORT_TOO_LARGE",
                        "These are more than %d checks: export them by group or tag",
                        LIMIT_TRANSFER_CHECKS);
    TRY(export_checks(req_ctx(r)->db, r->arena, req_ctx(r)->seal, &r->who->org_id, rows, count,
                      &file));
    return reply_file(r, file, str_eq(in->format.v, "json"));
}

/* --- import: what goes out --- */

struct change_out {
    const char *field, *before, *after;
};
static const struct field change_fields[] = {
    {.name = "field", .type = FT_STRING, .offset = offsetof(struct change_out, field)},
    {.name = "before",
     .type = FT_JSON,
     .flags = F_NULLABLE,
     .offset = offsetof(struct change_out, before)},
    {.name = "after",
     .type = FT_JSON,
     .flags = F_NULLABLE,
     .offset = offsetof(struct change_out, after)},
};
static const struct schema change_schema = SCHEMA("ImportChange", struct change_out, change_fields);

struct line_out {
    const char *name, *external_id, *action;
    struct uuid check_id;
    struct out_list changes;
    const char *errors; /* JSON */
    const char *notes;  /* JSON */
};
#define AT(member) offsetof(struct line_out, member)
static const struct field line_fields[] = {
    {.name = "name", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(name)},
    {.name = "external_id", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(external_id)},
    {.name = "action",
     .type = FT_STRING,
     .offset = AT(action),
     .help = "create, update, unchanged or error",
     .example = "\"create\""},
    {.name = "check_id",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(check_id),
     .help = "Of the check that is meant, or was created"},
    {.name = "changes",
     .type = FT_LIST,
     .sub = &change_schema,
     .offset = AT(changes),
     .help = "Of an update: what is different"},
    {.name = "errors",
     .type = FT_JSON,
     .offset = AT(errors),
     .help = "As in a problem document: a list of {loc, msg, type}"},
    {.name = "notes",
     .type = FT_JSON,
     .offset = AT(notes),
     .help = "What of the file could not be said in our terms: a list of texts"},
};
#undef AT
static const struct schema line_schema = SCHEMA("ImportLine", struct line_out, line_fields);

struct report_out {
    const char *format;
    bool dry_run, applied;
    int64_t total, created, updated, unchanged, failed;
    struct out_list checks;
    const char *skipped, *notes; /* JSON */
};
#define AT(member) offsetof(struct report_out, member)
static const struct field report_fields[] = {
    {.name = "format", .type = FT_STRING, .offset = AT(format), .example = "\"tocsin\""},
    {.name = "dry_run", .type = FT_BOOL, .offset = AT(dry_run)},
    {.name = "applied", .type = FT_BOOL, .offset = AT(applied), .help = "Whether it was stored"},
    {.name = "total", .type = FT_INT, .offset = AT(total)},
    {.name = "created", .type = FT_INT, .offset = AT(created)},
    {.name = "updated", .type = FT_INT, .offset = AT(updated)},
    {.name = "unchanged", .type = FT_INT, .offset = AT(unchanged)},
    {.name = "failed", .type = FT_INT, .offset = AT(failed)},
    {.name = "checks",
     .type = FT_LIST,
     .sub = &line_schema,
     .offset = AT(checks),
     .help = "In the order of the file"},
    {.name = "skipped",
     .type = FT_JSON,
     .offset = AT(skipped),
     .help = "What is no check here: a list of {name, type, reason}"},
    {.name = "notes",
     .type = FT_JSON,
     .offset = AT(notes),
     .help = "What the file says besides checks and is left alone: a list of texts"},
};
#undef AT
static const struct schema report_schema = SCHEMA("ImportReport", struct report_out, report_fields);

static const char *json_text(struct req *r, const json_t *value)
{
    AUTO_FREE char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    return value ? arena_strdup(r->arena, text) : "[]";
}

static enum status line_to_out(struct req *r, const struct import_line *in, struct line_out *out)
{
    struct change_out *changes = arena_array(r->arena, MAX_OF(in->change_count, (size_t)1),
                                             sizeof(*changes));
    *out = (struct line_out){
        .name = in->name,
        .external_id = in->external_id,
        .action = import_action_name(in->action),
        .check_id = in->check_id,
        .changes = {in->change_count, changes},
        .errors = json_text(r, in->errors),
        .notes = json_text(r, in->notes),
    };
    if (!changes || !out->errors || !out->notes)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < in->change_count; i++)
        changes[i] = (struct change_out){in->changes[i].field, in->changes[i].before,
                                         in->changes[i].after};
    return ST_OK;
}

static enum status reply_report(struct req *r, const struct import_request *request,
                                const struct import_report *report)
{
    const struct import_doc *doc = request->doc;
    struct line_out *lines = arena_array(r->arena, MAX_OF(report->count, (size_t)1),
                                         sizeof(*lines));
    if (!lines)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < report->count; i++)
        TRY(line_to_out(r, &report->lines[i], &lines[i]));
    const struct report_out out = {
        .format = import_format_names[doc->format],
        .dry_run = request->is_dry,
        .applied = report->is_applied,
        .total = (int64_t)report->count,
        .created = (int64_t)report->by_action[IMPORT_CREATE],
        .updated = (int64_t)report->by_action[IMPORT_UPDATE],
        .unchanged = (int64_t)report->by_action[IMPORT_SAME],
        .failed = (int64_t)report->by_action[IMPORT_ERROR],
        .checks = {report->count, lines},
        .skipped = json_text(r, doc->skipped),
        .notes = json_text(r, doc->notes),
    };
    if (!out.skipped || !out.notes)
        return ST_NO_MEMORY;
    reply_object(r, 200, &report_schema, &out);
    return ST_OK;
}

/* --- import --- */

struct import_in {
    struct in_bool dry_run, atomic;
    struct in_str format;
};
static const char *const formats[] = {"auto", "tocsin", "uptime-kuma", "gatus", NULL};
#define AT(member) offsetof(struct import_in, member)
static const struct field import_fields[] = {
    {.name = "dry_run",
     .type = FT_BOOL,
     .offset = AT(dry_run),
     .help = "Only say what would be done (default: false)"},
    {.name = "atomic",
     .type = FT_BOOL,
     .offset = AT(atomic),
     .help = "All or nothing (default); false: store what is valid"},
    {.name = "format",
     .type = FT_STRING,
     .offset = AT(format),
     .choices = formats,
     .help = "Whose file it is; auto (default) finds out"},
};
#undef AT
static const struct schema import_schema = SCHEMA("CheckImportQuery", struct import_in,
                                                  import_fields);

static enum import_format format_of(const struct in_str *in)
{
    size_t i = 0;
    while (in->set && formats[i] && !str_eq(formats[i], in->v))
        i++;
    return (enum import_format)i;
}

/* 422 with the errors of all checks, each under its place. */
static enum status refuse(struct req *r, struct import_report *report)
{
    AUTO_FIELD_ERRORS all = {0};
    for (size_t i = 0; i < report->count; i++) {
        AUTO_FIELD_ERRORS own = {.list = take(&report->lines[i].errors)};
        TRY(field_errors_nest(&all, "checks", i, &own));
    }
    return req_invalid(r, &all);
}

static enum status unreadable(struct req *r, enum status st, const char *why)
{
    if (st == ST_MALFORMED)
        return req_fail(r, st, NULL, "The file is neither JSON nor YAML: %s", why);
    if (st == ST_TOO_LARGE)
        return req_fail(r, st, NULL, "The file has %s", why);
    if (st != ST_INVALID)
        return st;
    AUTO_FIELD_ERRORS errors = {0};
    field_errors_add(&errors, "body", NULL, "value_error", "%s", why);
    return req_invalid(r, &errors);
}

static enum status check_import(struct req *r)
{
    const struct import_in *in = r->query_in;
    struct errbuf err = {""};
    AUTO_IMPORT_DOC doc = {0};
    AUTO_IMPORT_REPORT report = {0};
    enum status st = import_read(r->body, r->body_len, format_of(&in->format), &doc, &err);
    if (st != ST_OK)
        return unreadable(r, st, err.text);
    const struct import_request request = {
        .db = req_ctx(r)->db,
        .arena = r->arena,
        .seal = req_ctx(r)->seal,
        .org_id = &r->who->org_id,
        .user_id = &r->who->user_id,
        .doc = &doc,
        .is_dry = in->dry_run.v,
        .is_atomic = !in->atomic.set || in->atomic.v,
    };
    TRY(import_run(&request, &report));
    if (!request.is_dry && !report.is_applied)
        return refuse(r, &report);
    return reply_report(r, &request, &report);
}

/* Only documents the file: which member there is says which program wrote it. */
static const struct field import_file_fields[] = {
    {.name = "checks",
     .type = FT_LIST,
     .element = FT_MAP,
     .help = "Tocsin's: as POST /api/v1/checks takes them, channels by their names",
     .example = "[{\"name\":\"Example\",\"plugin_type\":\"website\","
                "\"config\":{\"url\":\"https://example.com\"}}]"},
    {.name = "monitorList", .type = FT_JSON, .help = "Uptime Kuma's: its monitors"},
    {.name = "endpoints", .type = FT_JSON, .help = "Gatus's: its endpoints"},
};
static const struct schema import_file_schema = {
    .name = "CheckImportFile",
    .fields = import_file_fields,
    .count = ARRAY_LEN(import_file_fields),
    .is_open = true,
    .rules = "\"anyOf\":[{\"required\":[\"checks\"]},{\"required\":[\"monitorList\"]},"
             "{\"required\":[\"endpoints\"]}]",
};

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/checks/export",
     .summary = "Export checks as a file that can be imported",
     .scope = SCOPE_CHECKS_READ,
     .query = &export_schema,
     .reply = &file_schema,
     .produces = "application/yaml",
     .errors = ERRORS("EXPORT_TOO_LARGE"),
     .tag = "Checks",
     .handler = check_export},
    {.method = M_POST,
     .path = "/api/v1/checks/import",
     .summary = "Import checks from a file of Tocsin, Uptime Kuma or Gatus",
     .description =
         "The body is the file, JSON or YAML. A check is known by its `external_id`, else "
         "by its name; importing the same file again changes nothing.",
     .scope = SCOPE_CHECKS_WRITE,
     .query = &import_schema,
     .reply = &report_schema,
     .body = &import_file_schema,
     .consumes = "application/yaml, application/json",
     .flags = ROUTE_RAW_BODY | ROUTE_ATOMIC,
     .max_body_bytes = LIMIT_TRANSFER_BYTES,
     .tag = "Checks",
     .handler = check_import},
};
const struct route_set check_transfer_routes = {routes, ARRAY_LEN(routes)};
