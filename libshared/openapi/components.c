/* The parts that operations refer to: schemas, replies, headers, ways to sign in. */
#include <stdio.h>
#include <string.h>

#include "auth/scopes.h"
#include "base/str.h"
#include "net/page.h"
#include "openapi/internal.h"

/* --- what every API of ours has: written by net/http_reply.c and net/page.c --- */

static const struct field error_fields[] = {
    {.name = "code", .type = FT_STRING},
    {.name = "message", .type = FT_STRING},
    {.name = "details", .type = FT_STRING},
};
static const struct schema error_schema = {
    .name = "ProblemError", .fields = error_fields, .count = ARRAY_LEN(error_fields)};

static const struct field invalid_fields[] = {
    {.name = "loc",
     .type = FT_LIST,
     .element = FT_JSON,
     .help = "Where: body or query, then names and indexes",
     .example = "[\"body\",\"name\"]"},
    {.name = "msg", .type = FT_STRING, .help = "What is wrong", .example = "\"field required\""},
    {.name = "type", .type = FT_STRING, .example = "\"value_error.missing\""},
};
static const struct schema invalid_schema = {
    .name = "ProblemField", .fields = invalid_fields, .count = ARRAY_LEN(invalid_fields)};

static const struct field problem_fields[] = {
    {.name = "type",
     .type = FT_STRING,
     .format = "uri",
     .example = "\"urn:tocsin:problem:CHECK_NOT_FOUND\""},
    {.name = "title", .type = FT_STRING, .example = "\"Not found\""},
    {.name = "status", .type = FT_INT, .help = "The HTTP status", .example = "404"},
    {.name = "detail", .type = FT_STRING, .help = "For a person: what happened here"},
    {.name = "code",
     .type = FT_STRING,
     .help = "For a program: stable, one of the table of codes",
     .example = "\"CHECK_NOT_FOUND\""},
    {.name = "request_id", .type = FT_STRING, .help = "Finds the request in the logs"},
    {.name = "error", .type = FT_OBJECT, .sub = &error_schema, .help = "The same once more"},
    {.name = "errors",
     .type = FT_LIST,
     .sub = &invalid_schema,
     .flags = F_OMIT_NULL,
     .help = "Of a validation error: each member that is wrong"},
};
static const struct schema problem_schema = {
    .name = "Problem", .fields = problem_fields, .count = ARRAY_LEN(problem_fields)};

static const struct field page_fields[] = {
    {.name = "total", .type = FT_INT, .help = "How many there are", .example = "1"},
    {.name = "total_is_exact",
     .type = FT_BOOL,
     .help = "false: there are at least `total`, counting stopped there",
     .example = "true"},
    {.name = "page", .type = FT_INT, .example = "1"},
    {.name = "per_page", .type = FT_INT, .example = "20"},
    {.name = "pages", .type = FT_INT, .example = "1"},
    {.name = "limit", .type = FT_INT, .help = "The same as per_page", .example = "20"},
    {.name = "offset", .type = FT_INT, .help = "How many come before these", .example = "0"},
    {.name = "count", .type = FT_INT, .help = "How many these are", .example = "1"},
    {.name = "next",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .format = "uri-reference",
     .help = "Path and query of the next page; null on the last one"},
    {.name = "next_cursor",
     .type = FT_STRING,
     .flags = F_OMIT_NULL | F_NULLABLE,
     .help = "Where lists that take a `cursor` go on after this page"},
};
const struct schema page_schema = {
    .name = "Page", .fields = page_fields, .count = ARRAY_LEN(page_fields)};

static const struct field items_fields[] = {
    {.name = "total", .type = FT_INT, .help = "How many there are", .example = "1"},
    {.name = "count", .type = FT_INT, .help = "The same: all of them are here", .example = "1"},
};
const struct schema items_schema = {
    .name = "Items", .fields = items_fields, .count = ARRAY_LEN(items_fields)};

/* --- collecting --- */

/* Goes down as deep as schemas lie in schemas; one that is known already is not entered again. */
static enum status collect(struct doc *d, const struct schema *s, enum direction direction)
{
    if (!s)
        return ST_OK;
    for (size_t i = 0; i < d->component_count; i++) {
        const struct component *c = &d->component[i];
        if (!str_eq(c->schema->name, s->name))
            continue;
        if (c->schema == s && c->direction == direction)
            return ST_OK;
        return err_set(d->err, ST_INVALID, "two schemas are called %s", s->name);
    }
    if (d->component_count == COMPONENTS_MAX)
        return err_set(d->err, ST_INVALID, "more than %d schemas", COMPONENTS_MAX);
    d->component[d->component_count++] = (struct component){s, direction};
    for (size_t i = 0; i < s->count; i++)
        TRY(collect(d, s->fields[i].sub, direction));
    struct schema_variant v;
    for (size_t i = 0; direction == DIR_IN && s->variants && s->variants->at(i, &v); i++)
        TRY(collect(d, v.schema, direction));
    return ST_OK;
}

enum status components_collect(struct doc *d)
{
    TRY(collect(d, &problem_schema, DIR_OUT));
    TRY(collect(d, &page_schema, DIR_OUT));
    TRY(collect(d, &items_schema, DIR_OUT));
    for (size_t i = 0; i < d->route_count; i++) {
        const struct route *r = d->route[i];
        TRY(collect(d, r->body, DIR_IN));
        TRY(collect(d, r->reply, DIR_OUT));
        TRY(collect(d, r->extra, DIR_OUT));
        for (const struct route_reply *m = r->more; m && m->status; m++)
            TRY(collect(d, m->reply, DIR_OUT));
    }
    return ST_OK;
}

/* --- writing --- */

void write_ref(struct jw *w, const char *kind, const char *name)
{
    char ref[160];
    (void)snprintf(ref, sizeof(ref), "#/components/%s/%s", kind, name);
    jw_object(w);
    jw_kv_str(w, "$ref", ref);
    jw_end(w);
}

static void write_schemas(struct doc *d)
{
    jw_key(&d->w, "schemas");
    jw_object(&d->w);
    for (size_t i = 0; i < d->component_count; i++) {
        jw_key(&d->w, d->component[i].schema->name);
        write_object_schema(&d->w, d->component[i].schema, d->component[i].direction);
    }
    jw_end(&d->w);
}

/* "checks:read": "Read checks. Roles: viewer, operator, admin, owner" */
static void write_scope(struct jw *w, enum scope s)
{
    char name[64];
    (void)str_copy(name, sizeof(name), scope_name(s));
    char *verb = strchr(name, ':');
    if (!verb)
        return;
    *verb++ = '\0';
    AUTO_BUF text;
    buf_init(&text, 256);
    buf_char(&text, (char)(verb[0] - 'a' + 'A'));
    buf_printf(&text, "%s %s. Roles that have it:", verb + 1, name);
    const char *comma = "";
    for (int role = ROLE_VIEWER; role <= ROLE_OWNER; role++) {
        if (!(role_scopes((enum role)role) & SCOPE_BIT(s)))
            continue;
        buf_printf(&text, "%s %s", comma, role_name((enum role)role));
        comma = ",";
    }
    jw_kv_str(w, scope_name(s), buf_cstr(&text));
}

static void write_sign_in(struct jw *w)
{
    jw_key(w, "password");
    jw_object(w);
    jw_kv_str(w, "type", "oauth2");
    jw_kv_str(w, "description",
              "Signing in by user name (or e-mail address) and password. What a token may do is "
              "what its user's role may do: the scopes asked for have no effect.");
    jw_key(w, "flows");
    jw_object(w);
    jw_key(w, "password");
    jw_object(w);
    jw_kv_str(w, "tokenUrl", "/api/v1/auth/token");
    jw_kv_str(w, "refreshUrl", "/api/v1/auth/refresh");
    jw_key(w, "scopes");
    jw_object(w);
    for (int s = SCOPE_SELF + 1; s < SCOPE_COUNT_; s++)
        write_scope(w, (enum scope)s);
    jw_end(w);
    jw_end(w);
    jw_end(w);
    jw_end(w);

    jw_key(w, "bearer");
    jw_object(w);
    jw_kv_str(w, "type", "http");
    jw_kv_str(w, "scheme", "bearer");
    jw_kv_str(w, "bearerFormat", "JWT");
    jw_kv_str(w, "description", "The `access_token` of a sign-in, or an API key.");
    jw_end(w);
}

static void write_security(struct doc *d)
{
    struct jw *w = &d->w;
    jw_key(w, "securitySchemes");
    jw_object(w);
    if (d->about->has_sign_in)
        write_sign_in(w);
    jw_key(w, "apiKey");
    jw_object(w);
    jw_kv_str(w, "type", "apiKey");
    jw_kv_str(w, "in", "header");
    jw_kv_str(w, "name", "X-API-Key");
    jw_kv_str(w, "description", "A key has scopes of its own, and may be bound to one server.");
    jw_end(w);
    jw_end(w);
}

void components_write(struct doc *d)
{
    jw_key(&d->w, "components");
    jw_object(&d->w);
    write_schemas(d);
    shared_replies_write(d);
    shared_headers_write(d);
    shared_params_write(d);
    write_security(d);
    jw_end(&d->w);
}
