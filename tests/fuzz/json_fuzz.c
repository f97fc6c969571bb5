/* Any body is refused, or parses, and then binds to schemas of every field type or is refused. */
#include "json/parse.h"
#include "json/schema.h"
#include "json/secrets.h"
#include "tests/fuzz/fuzz.h"

struct part {
    struct in_str name;
    struct in_time at;
};
static const struct field part_fields[] = {
    {.name = "name",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .max = 10,
     .offset = offsetof(struct part, name)},
    {.name = "at", .type = FT_TIME, .flags = F_NULLABLE, .offset = offsetof(struct part, at)},
};
static const struct schema part_schema = SCHEMA("Part", struct part, part_fields);

struct whole {
    struct in_str text, secret;
    struct in_i64 number;
    struct in_f64 real;
    struct in_bool yes;
    struct in_uuid id;
    struct in_json any, map;
    struct in_obj object;
    struct in_list parts, ids, numbers, texts;
};
static const char *const choices[] = {"a", "b", NULL};
#define AT(member) .offset = offsetof(struct whole, member)
static const struct field whole_fields[] = {
    {.name = "text", .type = FT_STRING, .choices = choices, .alias = "t", AT(text)},
    {.name = "secret", .type = FT_STRING, .flags = F_SECRET, .alias = "s", AT(secret)},
    {.name = "number", .type = FT_INT, .min = -5, .max = 1e15, AT(number)},
    {.name = "real", .type = FT_NUMBER, .flags = F_NULLABLE, AT(real)},
    {.name = "yes", .type = FT_BOOL, AT(yes)},
    {.name = "id", .type = FT_UUID, AT(id)},
    {.name = "any", .type = FT_JSON, AT(any)},
    {.name = "map", .type = FT_MAP, AT(map)},
    {.name = "object", .type = FT_OBJECT, .sub = &part_schema, AT(object)},
    {.name = "parts", .type = FT_LIST, .sub = &part_schema, .max = 4, AT(parts)},
    {.name = "ids", .type = FT_LIST, .element = FT_UUID, AT(ids)},
    {.name = "numbers", .type = FT_LIST, .element = FT_INT, AT(numbers)},
    {.name = "texts", .type = FT_LIST, .element = FT_STRING, AT(texts)},
};
static const struct schema whole_schema = SCHEMA("Whole", struct whole, whole_fields);

static void check_bound(const struct whole *w)
{
    MUST(!w->number.set || (w->number.v >= -5 && w->number.v <= 1000000000000000));
    MUST(!w->text.set || strcmp(w->text.v, "a") == 0 || strcmp(w->text.v, "b") == 0);
    MUST(w->parts.count <= 4);
    const struct part *parts = w->parts.v;
    for (size_t i = 0; i < w->parts.count; i++)
        MUST(parts[i].name.set && strlen(parts[i].name.v) <= 10);
    const char *const *texts = w->texts.v;
    for (size_t i = 0; i < w->texts.count; i++)
        MUST(texts[i] && strlen(texts[i]) < LIMIT_HTTP_BODY_BYTES);
}

/* Nothing is lost or added between a configuration and its two parts. */
static void check_secrets(const json_t *config)
{
    AUTO_JSON open = NULL;
    AUTO_JSON secret = NULL;
    AUTO_JSON all = NULL;
    AUTO_JSON merged = NULL;
    MUST(secrets_split(&whole_schema, config, &open, &secret) == ST_OK);
    MUST(!json_object_get(open, "secret") && !json_object_get(open, "s"));
    MUST(secrets_join(open, secret, &all) == ST_OK && json_equal(all, config));
    MUST(secrets_merge(&whole_schema, open, secret, &merged) == ST_OK);
    MUST(json_equal(merged, config));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_JSON root = NULL;
    AUTO_ARENA arena = arena_new((size_t)16 << 20);
    AUTO_FIELD_ERRORS errors = {0};
    struct whole bound;
    struct errbuf err = {""};
    MUST(arena);
    if (json_parse((const char *)data, size, &root, &err) != ST_OK) {
        MUST(!root && err.text[0]);
        return 0;
    }
    if (schema_bind(&whole_schema, root, arena, &bound, &errors) == ST_OK)
        check_bound(&bound);
    else
        MUST(json_array_size(errors.list) > 0);
    if (json_is_object(root))
        check_secrets(root);
    return 0;
}
