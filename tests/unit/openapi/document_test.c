/* What the description says of rows and tables, and what it refuses. */
#include "openapi/openapi.h"

#include <string.h>

#include "auth/scopes.h"
#include "tests/kit/kit.h"

static enum status nothing(struct req *r)
{
    (void)r;
    return ST_OK;
}

static const char *const colours[] = {"red", "green", NULL};
static const struct field part_fields[] = {{.name = "size", .type = FT_INT}};
static const struct schema part = {
    .name = "Part", .fields = part_fields, .count = ARRAY_LEN(part_fields)};
static const struct field out_fields[] = {
    {.name = "id", .type = FT_UUID},
    {.name = "made_at", .type = FT_TIME, .flags = F_NULLABLE},
    {.name = "colour", .type = FT_STRING, .choices = colours},
    {.name = "part", .type = FT_OBJECT, .sub = &part},
    {.name = "rest", .type = FT_OBJECT, .sub = &part, .flags = F_NULLABLE},
    {.name = "hint", .type = FT_STRING, .flags = F_OMIT_NULL},
    {.name = "word", .type = FT_STRING, .flags = F_SECRET},
};
static const struct schema out = {
    .name = "Widget", .fields = out_fields, .count = ARRAY_LEN(out_fields)};
static const struct field in_fields[] = {
    {.name = "name",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .min = 1,
     .max = 9,
     .example = "\"x\""},
    {.name = "word", .type = FT_STRING, .flags = F_SECRET},
    {.name = "tags",
     .type = FT_LIST,
     .element = FT_STRING,
     .max = 3,
     .element_max = 9,
     .pattern = "^a",
     .rules = "\"uniqueItems\":true"},
    {.name = "kind",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .pattern = "^[a-z]+$",
     .example = "\"a\""},
    {.name = "config", .type = FT_MAP},
    {.name = "at", .type = FT_TIME},
};
static const struct field need_fields[] = {
    {.name = "size", .type = FT_INT, .flags = F_REQUIRED, .min = 1, .max = 2}};
static const struct schema need = {
    .name = "NeedConfig", .fields = need_fields, .count = ARRAY_LEN(need_fields)};
static const struct schema any = {.name = "AnyConfig", .is_open = true};
static bool kind_at(size_t i, struct schema_variant *v)
{
    static const char *const aliases[] = {"b", NULL};
    if (i == 0)
        *v = (struct schema_variant){"a", aliases, &need};
    if (i == 1)
        *v = (struct schema_variant){"c", NULL, &any};
    return i < 2;
}
static const struct schema_variants kinds = {"kind", "config", kind_at};
static const struct schema in = {.name = "WidgetCreate",
                                 .fields = in_fields,
                                 .count = ARRAY_LEN(in_fields),
                                 .rules = "\"dependentRequired\":{\"word\":[\"tags\"]}",
                                 .variants = &kinds};

/* The document of the routes, or the complaint. The caller frees. */
static json_t *describe(const struct route *routes, size_t count, struct errbuf *err)
{
    const struct route_set set = {routes, count};
    const struct openapi_about about = {.title = "T",
                                        .description = "D",
                                        .version = "1",
                                        .sets = &set,
                                        .set_count = 1,
                                        .has_sign_in = true};
    AUTO_BUF text;
    buf_init(&text, 1 << 20);
    if (openapi_write(&about, &text, err) != ST_OK)
        return NULL;
    json_t *doc = json_loads(buf_cstr(&text), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(doc);
    return doc;
}

/* The JSON at a path of names and indexes: "paths|/x|get|tags|0". */
static json_t *at(json_t *doc, const char *path)
{
    char copy[512];
    char *rest = copy;
    (void)snprintf(copy, sizeof(copy), "%s", path);
    for (char *name = strsep(&rest, "|"); name && doc; name = strsep(&rest, "|"))
        doc = json_is_array(doc) ? json_array_get(doc, (size_t)strtol(name, NULL, 10))
                                 : json_object_get(doc, name);
    return doc;
}

static void must_say(json_t *doc, const char *path, const char *json)
{
    AUTO_JSON want = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(want);
    json_t *got = at(doc, path);
    if (json_equal(want, got))
        return;
    AUTO_FREE char *text = got ? json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    fail_msg("%s is %s, not %s", path, text ? text : "absent", json);
}

#define LIST                                                                             \
    {                                                                                    \
        .method = M_GET, .path = "/api/v1/widgets", .summary = "List", .tag = "Checks",  \
        .scope = SCOPE_CHECKS_READ, .reply = &out, .list = "widgets", .handler = nothing \
    }
#define CREATE                                                                             \
    {                                                                                      \
        .method = M_POST, .path = "/api/v1/widgets", .summary = "Create", .tag = "Checks", \
        .scope = SCOPE_CHECKS_WRITE, .body = &in, .reply = &out, .ok = 201,                \
        .errors = ERRORS("CHANNEL_NAME_TAKEN", "CHECK_NOT_FOUND"), .handler = nothing      \
    }
#define REMOVE                                                                             \
    {                                                                                      \
        .method = M_DELETE, .path = "/api/v1/widgets/{id}/old-parts", .summary = "Delete", \
        .tag = "Checks", .scope = SCOPE_PUBLIC, .ok = 204, .handler = nothing              \
    }

static void operations(void **state)
{
    const struct route routes[] = {LIST, CREATE, REMOVE};
    struct errbuf err = {""};
    AUTO_JSON doc = describe(routes, ARRAY_LEN(routes), &err);
    assert_string_equal(err.text, "");
    must_say(doc, "openapi", "\"3.1.0\"");
    must_say(doc, "paths|/api/v1/widgets|get|operationId", "\"getWidgets\"");
    must_say(doc, "paths|/api/v1/widgets/{id}/old-parts|delete|operationId",
             "\"deleteWidgetsByIdOldParts\"");
    must_say(doc, "paths|/api/v1/widgets|get|x-required-scope", "\"checks:read\"");
    must_say(doc, "paths|/api/v1/widgets|get|security",
             "[{\"password\":[\"checks:read\"]},{\"bearer\":[\"checks:read\"]},"
             "{\"apiKey\":[\"checks:read\"]}]");
    must_say(doc, "paths|/api/v1/widgets/{id}/old-parts|delete|security", "[]");
    must_say(doc, "paths|/api/v1/widgets/{id}/old-parts|delete|parameters|0|schema",
             "{\"type\":\"string\",\"format\":\"uuid\"}");
    must_say(doc, "paths|/api/v1/widgets|post|requestBody|content|application/json|example",
             "{\"name\":\"x\",\"kind\":\"a\"}");
    must_say(doc, "paths|/api/v1/widgets|get|responses|200|content|application/json|schema|allOf|1",
             "{\"$ref\":\"#/components/schemas/Page\"}");
    must_say(doc,
             "paths|/api/v1/widgets|post|responses|404|content|application/problem+json|schema",
             "{\"$ref\":\"#/components/schemas/Problem\","
             "\"properties\":{\"code\":{\"enum\":[\"CHECK_NOT_FOUND\"]}}}");
    must_say(doc, "paths|/api/v1/widgets|post|responses|422",
             "{\"$ref\":\"#/components/responses/Invalid\"}");
    assert_null(at(doc, "paths|/api/v1/widgets/{id}/old-parts|delete|responses|401"));
    assert_null(at(doc, "paths|/api/v1/widgets/{id}/old-parts|delete|responses|204|content"));
    assert_int_equal(json_array_size(at(doc, "tags")), 1);
}

static void schemas(void **state)
{
    const struct route routes[] = {LIST, CREATE};
    struct errbuf err = {""};
    AUTO_JSON doc = describe(routes, ARRAY_LEN(routes), &err);
    must_say(doc, "components|schemas|Widget|required",
             "[\"id\",\"made_at\",\"colour\",\"part\",\"rest\"]");
    must_say(doc, "components|schemas|Widget|properties|made_at",
             "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}");
    must_say(doc, "components|schemas|Widget|properties|colour|enum", "[\"red\",\"green\"]");
    must_say(doc, "components|schemas|Widget|properties|part|$ref",
             "\"#/components/schemas/Part\"");
    must_say(doc, "components|schemas|Widget|properties|rest|oneOf|1", "{\"type\":\"null\"}");
    assert_null(at(doc, "components|schemas|Widget|properties|word"));
    must_say(doc, "components|schemas|WidgetCreate|required", "[\"name\",\"kind\"]");
    must_say(doc, "components|schemas|WidgetCreate|additionalProperties", "false");
    must_say(doc, "components|schemas|WidgetCreate|properties|word",
             "{\"type\":\"string\",\"format\":\"password\",\"writeOnly\":true}");
    must_say(
        doc, "components|schemas|WidgetCreate|properties|tags",
        "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"pattern\":\"^a\",\"maxLength\":9},"
        "\"maxItems\":3,\"uniqueItems\":true}");
    must_say(doc, "components|schemas|WidgetCreate|properties|kind|pattern", "\"^[a-z]+$\"");
    must_say(doc, "components|schemas|WidgetCreate|dependentRequired", "{\"word\":[\"tags\"]}");
    must_say(
        doc, "components|schemas|WidgetCreate|oneOf",
        "[{\"title\":\"a\",\"properties\":{\"kind\":{\"enum\":[\"a\",\"b\"]},"
        "\"config\":{\"$ref\":\"#/components/schemas/NeedConfig\"}},\"required\":[\"config\"]},"
        "{\"title\":\"c\",\"properties\":{\"kind\":{\"enum\":[\"c\"]},"
        "\"config\":{\"$ref\":\"#/components/schemas/AnyConfig\"}}}]");
    must_say(doc, "components|schemas|NeedConfig|required", "[\"size\"]");
}

#define BELOW(method_, path_, reply_)                                                      \
    {                                                                                      \
        .method = (method_), .path = "/api/v1/widgets/{id}" path_, .summary = "It",        \
        .tag = "Checks", .scope = SCOPE_CHECKS_READ, .reply = (reply_), .handler = nothing \
    }

/* What was made, what is listed, and what a member names lead on. */
static void links(void **state)
{
    static const struct field ring_fields[] = {{.name = "widget_id", .type = FT_UUID}};
    static const struct schema ring = {
        .name = "Ring", .fields = ring_fields, .count = ARRAY_LEN(ring_fields)};
    const struct route routes[] = {LIST, CREATE, BELOW(M_GET, "", &out), BELOW(M_DELETE, "", &part),
                                   BELOW(M_POST, "/ring", &ring)};
    struct errbuf err = {""};
    AUTO_JSON doc = describe(routes, ARRAY_LEN(routes), &err);
    must_say(
        doc, "paths|/api/v1/widgets|post|responses|201|links|deleteWidgetsById",
        "{\"operationId\":\"deleteWidgetsById\",\"parameters\":{\"id\":\"$response.body#/id\"},"
        "\"description\":\"It\"}");
    must_say(doc, "paths|/api/v1/widgets|get|responses|200|links|getWidgetsById|parameters",
             "{\"id\":\"$response.body#/widgets/0/id\"}");
    must_say(doc,
             "paths|/api/v1/widgets/{id}/ring|post|responses|200|links|getWidgetsById|parameters",
             "{\"id\":\"$response.body#/widget_id\"}");
    assert_non_null(at(doc, "paths|/api/v1/widgets|post|responses|201|links|postWidgetsByIdRing"));
    assert_null(at(doc, "paths|/api/v1/widgets/{id}|get|responses|200|links"));
}

static void must_refuse(const struct route *routes, size_t count, const char *part_of_complaint)
{
    struct errbuf err = {""};
    AUTO_JSON doc = describe(routes, count, &err);
    assert_null(doc);
    if (!strstr(err.text, part_of_complaint))
        fail_msg("\"%s\" does not say \"%s\"", err.text, part_of_complaint);
}

static void refusals(void **state)
{
    struct route bad[] = {LIST, CREATE};
    bad[0].tag = "No such tag";
    must_refuse(bad, 1, "no tag");

    struct route codes[] = {LIST};
    codes[0].errors = ERRORS("NO_SUCH_CODE");
    must_refuse(codes, 1, "NO_SUCH_CODE");

    struct route params[] = {LIST};
    params[0].path = "/api/v1/widgets/{name}";
    must_refuse(params, 1, "nobody described {name}");

    static const struct schema namesake = {
        .name = "Widget", .fields = part_fields, .count = ARRAY_LEN(part_fields)};
    struct route twice[] = {LIST, CREATE};
    twice[1].reply = &namesake;
    must_refuse(twice, 2, "two schemas are called Widget");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(operations), cmocka_unit_test(schemas),
                                       cmocka_unit_test(links), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
