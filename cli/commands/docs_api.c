/* tocsin docs-api: docs/api.md, from the descriptions that the services print. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "json/parse.h"

enum { PAGE_BYTES = 8 << 20 };

/* One description while it is written. */
struct page {
    struct buf *out;
    const json_t *doc;
};

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* In a cell of a table: on one line, and without what would end the cell. */
static void put_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_str(out, "\\|");
        else
            buf_char(out, *text == '\n' ? ' ' : *text);
    }
}

/* "#/components/schemas/Check" leads to the schema; *name is its name. NULL: no such thing. */
static const json_t *follow(const json_t *doc, const char *ref, const char **name)
{
    char copy[256];
    char *rest = copy;
    if (!str_starts(ref, "#/") || strlen(ref) >= sizeof(copy))
        return NULL;
    (void)str_copy(copy, sizeof(copy), ref + 2);
    for (char *part = strsep(&rest, "/"); part && doc; part = strsep(&rest, "/"))
        doc = json_object_get(doc, part);
    *name = strrchr(ref, '/') + 1;
    return doc;
}

/* Lower case, as headings are linked to. */
static void put_schema_link(struct buf *out, const char *name)
{
    buf_printf(out, "[%s](#", name);
    for (const char *c = name; *c; c++)
        buf_char(out, (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c));
    buf_char(out, ')');
}

static void put_type(struct buf *out, const json_t *schema);

static void put_parts(struct buf *out, const json_t *parts, const char *between)
{
    size_t i = 0;
    json_t *part = NULL;
    json_array_foreach (parts, i, part) {
        buf_str(out, i > 0 ? between : "");
        put_type(out, part);
    }
}

/* An object that has no name: {"checks": array of Check}. */
static void put_members(struct buf *out, const json_t *properties)
{
    const char *comma = "";
    const char *name = NULL;
    json_t *value = NULL;
    buf_char(out, '{');
    json_object_foreach ((json_t *)(uintptr_t)properties, name, value) {
        buf_printf(out, "%s`%s`: ", comma, name);
        put_type(out, value);
        comma = ", ";
    }
    buf_char(out, '}');
}

static void put_plain_type(struct buf *out, const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type");
    if (json_is_string(type))
        buf_str(out, json_string_value(type));
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach (type, i, one)
        buf_printf(out, "%s%s", i > 0 ? " or " : "", json_string_value(one));
    if (!type)
        buf_str(out, "any");
    const char *format = text_at(schema, "format");
    if (*format && !str_eq(format, "int64") && !str_eq(format, "double"))
        buf_printf(out, " (%s)", format);
}

/* "array of Check", "string (uuid) or null", "Page and {…}": as deep as the schema is written. */
static void put_type(struct buf *out, const json_t *schema)
{
    const char *ref = text_at(schema, "$ref");
    if (*ref) {
        put_schema_link(out, strrchr(ref, '/') ? strrchr(ref, '/') + 1 : ref);
    } else if (json_object_get(schema, "allOf")) {
        put_parts(out, json_object_get(schema, "allOf"), " with ");
    } else if (json_object_get(schema, "oneOf")) {
        put_parts(out, json_object_get(schema, "oneOf"), " or ");
    } else if (json_object_get(schema, "items")) {
        buf_str(out, "array of ");
        put_type(out, json_object_get(schema, "items"));
    } else if (json_object_get(schema, "properties")) {
        put_members(out, json_object_get(schema, "properties"));
    } else {
        put_plain_type(out, schema);
    }
}

static void put_bounds(struct buf *out, const json_t *schema)
{
    static const struct {
        const char *name, *text;
    } bounds[] = {{"minimum", "at least"},          {"maximum", "at most"},
                  {"minLength", "length at least"}, {"maxLength", "length at most"},
                  {"minItems", "items at least"},   {"maxItems", "items at most"}};
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        const json_t *v = json_object_get(schema, bounds[i].name);
        if (json_is_number(v))
            buf_printf(out, "; %s %.15g", bounds[i].text, json_number_value(v));
    }
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach (json_object_get(schema, "enum"), i, one) {
        if (json_is_string(one))
            buf_printf(out, "%s`%s`", i == 0 ? "; one of " : ", ", json_string_value(one));
    }
}

static void put_parameters(const struct page *p, const json_t *operation)
{
    size_t i = 0;
    json_t *item = NULL;
    const json_t *parameters = json_object_get(operation, "parameters");
    if (json_array_size(parameters) > 0)
        buf_str(p->out, "\n| parameter | in | type | |\n|---|---|---|---|\n");
    json_array_foreach (parameters, i, item) {
        const char *name = NULL;
        const char *ref = text_at(item, "$ref");
        const json_t *one = *ref ? follow(p->doc, ref, &name) : item;
        const json_t *schema = json_object_get(one, "schema");
        buf_printf(p->out, "| `%s` | %s | ", text_at(one, "name"), text_at(one, "in"));
        put_type(p->out, schema);
        put_bounds(p->out, schema);
        buf_str(p->out, " | ");
        put_cell(p->out, text_at(one, "description"));
        buf_str(p->out, " |\n");
    }
}

static void put_body(const struct page *p, const json_t *operation)
{
    const json_t *body = json_object_get(operation, "requestBody");
    const char *type = NULL;
    json_t *media = NULL;
    json_object_foreach (json_object_get(body, "content"), type, media) {
        buf_printf(p->out, "\nBody (`%s`%s): ", type,
                   json_is_true(json_object_get(body, "required")) ? "" : ", may be left out");
        put_type(p->out, json_object_get(media, "schema"));
        const json_t *example = json_object_get(media, "example");
        if (example && str_eq(type, "application/json")) {
            AUTO_FREE char *text = json_dumps(example, JSON_INDENT(2));
            buf_printf(p->out, "\n\n```json\n%s\n```", text ? text : "");
        }
        buf_char(p->out, '\n');
    }
}

static const json_t *codes_of(const json_t *reply)
{
    static const char *const way[] = {
        "content", "application/problem+json", "schema", "properties", "code", "enum"};
    for (size_t i = 0; i < ARRAY_LEN(way); i++)
        reply = json_object_get(reply, way[i]);
    return reply;
}

static bool is_among(const json_t *list, const char *text)
{
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach (list, i, one) {
        if (str_eq(json_string_value(one), text))
            return true;
    }
    return false;
}

/* Whether it is one of the codes that follow from what an operation is, not from what it does. */
static bool is_usual(const struct page *p, const char *code)
{
    const char *name = NULL;
    json_t *reply = NULL;
    const json_t *components = json_object_get(p->doc, "components");
    json_object_foreach (json_object_get(components, "responses"), name, reply) {
        if (is_among(codes_of(reply), code))
            return true;
    }
    return false;
}

static void put_success(const struct page *p, const char *status, const json_t *reply)
{
    const char *type = NULL;
    json_t *media = NULL;
    buf_printf(p->out, "- **%s** %s", status, text_at(reply, "description"));
    json_object_foreach (json_object_get(reply, "content"), type, media) {
        buf_printf(p->out, "; `%s`: ", type);
        put_type(p->out, json_object_get(media, "schema"));
    }
    buf_char(p->out, '\n');
}

/* "404 (`CHECK_NOT_FOUND`)": the usual codes are not repeated. */
static void put_failure(const struct page *p, const char *status, const json_t *reply)
{
    size_t i = 0;
    json_t *code = NULL;
    const char *between = " (";
    buf_str(p->out, status);
    json_array_foreach (codes_of(reply), i, code) {
        if (is_usual(p, json_string_value(code)))
            continue;
        buf_printf(p->out, "%s`%s`", between, json_string_value(code));
        between = ", ";
    }
    if (str_eq(between, ", "))
        buf_char(p->out, ')');
}

static void put_replies(const struct page *p, const json_t *operation)
{
    const char *status = NULL;
    json_t *item = NULL;
    const char *between = "- Errors: ";
    buf_char(p->out, '\n');
    json_object_foreach (json_object_get(operation, "responses"), status, item) {
        const char *name = NULL;
        const char *ref = text_at(item, "$ref");
        const json_t *reply = *ref ? follow(p->doc, ref, &name) : item;
        if (!codes_of(reply)) {
            put_success(p, status, reply);
            continue;
        }
        buf_str(p->out, between);
        put_failure(p, status, reply);
        between = ", ";
    }
    buf_str(p->out, str_eq(between, ", ") ? "\n" : "");
}

static void put_operation(const struct page *p, const char *method, const char *path,
                          const json_t *operation)
{
    buf_str(p->out, "\n### ");
    for (const char *c = method; *c; c++)
        buf_char(p->out, (char)(*c - 'a' + 'A'));
    buf_printf(p->out, " %s\n\n%s. %s\n", path, text_at(operation, "summary"),
               text_at(operation, "description"));
    put_parameters(p, operation);
    put_body(p, operation);
    put_replies(p, operation);
}

static void put_tag(const struct page *p, const json_t *tag)
{
    const char *path = NULL;
    const char *method = NULL;
    json_t *item = NULL;
    json_t *operation = NULL;
    buf_printf(p->out, "\n## %s\n\n%s\n", text_at(tag, "name"), text_at(tag, "description"));
    json_object_foreach (json_object_get(p->doc, "paths"), path, item) {
        json_object_foreach (item, method, operation) {
            const json_t *own = json_array_get(json_object_get(operation, "tags"), 0);
            if (str_eq(json_string_value(own), text_at(tag, "name")))
                put_operation(p, method, path, operation);
        }
    }
}

static void put_schemas(const struct page *p)
{
    const char *name = NULL;
    const char *member = NULL;
    json_t *schema = NULL;
    json_t *field = NULL;
    buf_str(p->out, "\n## Schemas\n\nA member with * is always there.\n");
    const json_t *components = json_object_get(p->doc, "components");
    json_object_foreach (json_object_get(components, "schemas"), name, schema) {
        buf_printf(p->out, "\n### %s\n\n| member | type | |\n|---|---|---|\n", name);
        json_object_foreach (json_object_get(schema, "properties"), member, field) {
            buf_printf(p->out, "| `%s`%s | ", member,
                       is_among(json_object_get(schema, "required"), member) ? "*" : "");
            put_type(p->out, field);
            put_bounds(p->out, field);
            buf_str(p->out, " | ");
            put_cell(p->out, text_at(field, "description"));
            buf_str(p->out, " |\n");
        }
    }
}

static void put_scopes(const struct page *p)
{
    const json_t *at = p->doc;
    static const char *const way[] = {"components", "securitySchemes", "password",
                                      "flows",      "password",        "scopes"};
    for (size_t i = 0; i < ARRAY_LEN(way); i++)
        at = json_object_get(at, way[i]);
    if (!at)
        return;
    const char *name = NULL;
    json_t *text = NULL;
    buf_str(p->out, "\n## Scopes\n\n| scope | |\n|---|---|\n");
    json_object_foreach ((json_t *)(uintptr_t)at, name, text)
        buf_printf(p->out, "| `%s` | %s |\n", name, json_string_value(text));
}

static int put_description(const char *file, struct buf *out)
{
    AUTO_JSON doc = NULL;
    json_error_t error;
    doc = json_load_file(file, JSON_REJECT_DUPLICATES, &error);
    if (!doc)
        return cli_fail("%s: %s", file, error.text);
    const struct page p = {.out = out, .doc = doc};
    const json_t *info = json_object_get(doc, "info");
    buf_printf(out, "\n# %s\n\n%s", text_at(info, "title"), text_at(info, "description"));
    put_scopes(&p);
    size_t i = 0;
    json_t *tag = NULL;
    json_array_foreach (json_object_get(doc, "tags"), i, tag)
        put_tag(&p, tag);
    put_schemas(&p);
    return CLI_OK;
}

static int run(struct cli *cli)
{
    AUTO_BUF out;
    buf_init(&out, PAGE_BYTES);
    buf_str(&out, "<!-- Written by `tocsin docs-api` (make docs) from the tables of the routes; do "
                  "not edit. -->\n");
    for (int i = 0; i < cli->argument_count; i++) {
        const int rc = put_description(cli->argument[i], &out);
        if (rc != CLI_OK)
            return rc;
    }
    return cli_print(&out);
}

const struct command command_docs_api = {
    .name = "docs-api",
    .arguments = "FILE…",
    .summary =
        "print docs/api.md, from what tocsin-api --openapi and tocsin-ingest --openapi print",
    .arguments_min = 1,
    .arguments_max = 4,
    .needs_no_settings = true,
    .run = run,
};
