/* Schema tables: what is bound, what is refused and with which words, what is written. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "json/parse.h"
#include "json/schema.h"

struct inner {
    struct in_str city;
    struct in_i64 zip;
};
struct outer {
    struct in_str name;
    struct in_i64 count;
    struct in_f64 ratio;
    struct in_bool on;
    struct in_uuid id;
    struct in_time at;
    struct in_json any;
    struct in_json map;
    struct in_obj home;
    struct in_list tags;
    struct in_list homes;
    struct in_str colour;
};

static const char *no_spaces(const char *text)
{
    return strchr(text, ' ') ? "no spaces, please" : NULL;
}
static const char *const colours[] = {"red", "green", NULL};

static const struct field inner_fields[] = {
    {.name = "city",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = offsetof(struct inner, city)},
    {.name = "zip", .type = FT_INT, .offset = offsetof(struct inner, zip)},
};
static const struct schema inner_schema = SCHEMA("Inner", struct inner, inner_fields);
#define AT(m) offsetof(struct outer, m)
static const struct field outer_fields[] = {
    {.name = "name",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(name),
     .min = 2,
     .max = 8,
     .check = no_spaces,
     .alias = "title"},
    {.name = "count",
     .type = FT_INT,
     .flags = F_NULLABLE,
     .offset = AT(count),
     .min = 1,
     .max = 10},
    {.name = "ratio", .type = FT_NUMBER, .offset = AT(ratio), .min = 0, .max = 1},
    {.name = "on", .type = FT_BOOL, .offset = AT(on)},
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "at", .type = FT_TIME, .offset = AT(at)},
    {.name = "any", .type = FT_JSON, .offset = AT(any)},
    {.name = "map", .type = FT_MAP, .offset = AT(map)},
    {.name = "home", .type = FT_OBJECT, .sub = &inner_schema, .offset = AT(home)},
    {.name = "tags",
     .type = FT_LIST,
     .element = FT_STRING,
     .max = 3,
     .element_max = 4,
     .offset = AT(tags)},
    {.name = "homes", .type = FT_LIST, .sub = &inner_schema, .offset = AT(homes)},
    {.name = "colour", .type = FT_STRING, .choices = colours, .offset = AT(colour)},
};
static const struct schema outer_schema = SCHEMA("Outer", struct outer, outer_fields);

static void test_binds(void **state)
{
    (void)state;
    const char *text =
        "{\"title\":\"bell\",\"count\":null,\"ratio\":1,\"on\":true,"
        "\"id\":\"123e4567-e89b-12d3-a456-426614174000\",\"at\":\"1970-01-01T00:00:01Z\","
        "\"any\":[1],\"map\":{\"x\":1},\"home\":{\"city\":\"Ulm\",\"zip\":89073.0},"
        "\"tags\":[\"a\",\"b\"],\"homes\":[{\"city\":\"A\"},{\"city\":\"B\"}],"
        "\"colour\":\"red\"}";
    AUTO_JSON body = NULL;
    AUTO_ARENA arena = arena_new(100000);
    AUTO_FIELD_ERRORS errors = {0};
    struct outer in;
    assert_int_equal(json_parse(text, strlen(text), &body, NULL), ST_OK);
    assert_int_equal(schema_bind(&outer_schema, body, arena, &in, &errors), ST_OK);
    assert_null(errors.list);
    assert_string_equal(in.name.v, "bell");
    assert_true(in.count.set && in.count.null);
    assert_float_equal(in.ratio.v, 1.0, 0);
    assert_true(in.on.v && in.at.v == 1000000);
    const struct inner *home = in.home.v;
    assert_string_equal(home->city.v, "Ulm");
    assert_int_equal(home->zip.v, 89073);
    assert_int_equal(in.tags.count, 2);
    assert_string_equal(((const char **)in.tags.v)[1], "b");
    assert_string_equal(((struct inner *)in.homes.v)[1].city.v, "B");
}

/* The first error of a bad body: its place and its type. */
static void must_not_bind(const char *text, const char *loc, const char *type)
{
    AUTO_JSON body = NULL;
    AUTO_ARENA arena = arena_new(100000);
    AUTO_FIELD_ERRORS errors = {0};
    struct outer in;
    assert_int_equal(json_parse(text, strlen(text), &body, NULL), ST_OK);
    assert_int_equal(schema_bind(&outer_schema, body, arena, &in, &errors), ST_INVALID);
    json_t *first = json_array_get(errors.list, 0);
    AUTO_FREE char *got = json_dumps(json_object_get(first, "loc"), JSON_COMPACT);
    assert_string_equal(got, loc);
    assert_string_equal(json_string_value(json_object_get(first, "type")), type);
    assert_true(json_string_length(json_object_get(first, "msg")) > 0);
}

static void test_refuses(void **state)
{
    (void)state;
    must_not_bind("[]", "[\"body\"]", "type_error.dict");
    must_not_bind("\"x\"", "[\"body\"]", "type_error.dict");
    must_not_bind("{}", "[\"body\",\"name\"]", "value_error.missing");
    must_not_bind("{\"name\":7}", "[\"body\",\"name\"]", "type_error.str");
    must_not_bind("{\"name\":null}", "[\"body\",\"name\"]", "type_error.none.not_allowed");
    must_not_bind("{\"name\":\"x\"}", "[\"body\",\"name\"]", "value_error.any_str.min_length");
    must_not_bind("{\"name\":\"123456789\"}", "[\"body\",\"name\"]",
                  "value_error.any_str.max_length");
    must_not_bind("{\"name\":\"a b\"}", "[\"body\",\"name\"]", "value_error");
    must_not_bind("{\"name\":\"ab\",\"title\":\"ab\"}", "[\"body\",\"title\"]",
                  "value_error.duplicate");
    must_not_bind("{\"name\":\"ab\",\"nope\":1}", "[\"body\",\"nope\"]", "value_error.extra");
    must_not_bind("{\"name\":\"ab\",\"count\":\"5\"}", "[\"body\",\"count\"]",
                  "type_error.integer");
    must_not_bind("{\"name\":\"ab\",\"count\":1.5}", "[\"body\",\"count\"]", "type_error.integer");
    must_not_bind("{\"name\":\"ab\",\"count\":1e300}", "[\"body\",\"count\"]",
                  "type_error.integer");
    must_not_bind("{\"name\":\"ab\",\"count\":0}", "[\"body\",\"count\"]",
                  "value_error.number.not_ge");
    must_not_bind("{\"name\":\"ab\",\"count\":11}", "[\"body\",\"count\"]",
                  "value_error.number.not_le");
    must_not_bind("{\"name\":\"ab\",\"on\":1}", "[\"body\",\"on\"]", "type_error.bool");
    must_not_bind("{\"name\":\"ab\",\"id\":\"7\"}", "[\"body\",\"id\"]", "type_error.uuid");
    must_not_bind("{\"name\":\"ab\",\"at\":\"now\"}", "[\"body\",\"at\"]", "value_error.datetime");
    must_not_bind("{\"name\":\"ab\",\"map\":[]}", "[\"body\",\"map\"]", "type_error.dict");
    must_not_bind("{\"name\":\"ab\",\"home\":{\"zip\":1}}", "[\"body\",\"home\",\"city\"]",
                  "value_error.missing");
    must_not_bind("{\"name\":\"ab\",\"tags\":[\"a\",1]}", "[\"body\",\"tags\",1]",
                  "type_error.str");
    must_not_bind("{\"name\":\"ab\",\"tags\":[\"a\",\"b\",\"c\",\"d\"]}", "[\"body\",\"tags\"]",
                  "value_error.list.max_items");
    must_not_bind("{\"name\":\"ab\",\"tags\":[\"abcd\",\"abcde\"]}", "[\"body\",\"tags\",1]",
                  "value_error.any_str.max_length");
    must_not_bind("{\"name\":\"ab\",\"homes\":[{\"city\":\"A\"},{\"city\":null}]}",
                  "[\"body\",\"homes\",1,\"city\"]", "type_error.none.not_allowed");
    must_not_bind("{\"name\":\"ab\",\"colour\":\"blue\"}", "[\"body\",\"colour\"]",
                  "value_error.enum");
}

/* Characters are counted, as a description's maxLength does, not bytes. */
static void test_counts_characters(void **state)
{
    (void)state;
    AUTO_JSON body = json_pack("{s:s, s:[s]}", "name", "\u00e4\u00f6\u00fc\u20ac\U0001f514xyz",
                               "tags", "\u20ac\u20ac\u20ac\u20ac");
    AUTO_ARENA arena = arena_new(100000);
    AUTO_FIELD_ERRORS errors = {0};
    struct outer in;
    assert_int_equal(schema_bind(&outer_schema, body, arena, &in, &errors), ST_OK);
}

static void test_errors_are_bounded(void **state)
{
    (void)state;
    AUTO_JSON body = json_object();
    for (int i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "x%d", i);
        (void)json_object_set_new(body, name, json_integer(i));
    }
    AUTO_ARENA arena = arena_new(100000);
    AUTO_FIELD_ERRORS errors = {0};
    struct outer in;
    assert_int_equal(schema_bind(&outer_schema, body, arena, &in, &errors), ST_INVALID);
    assert_int_equal(json_array_size(errors.list), LIMIT_VALIDATION_ERRORS);
}

static void test_params(void **state)
{
    (void)state;
    AUTO_ARENA arena = arena_new(100000);
    AUTO_FIELD_ERRORS errors = {0};
    struct outer in;
    const struct query_param good[] = {
        {"name", "bell"}, {"count", "5"}, {"on", "false"}, {"tags", "a,b"}, {"unknown", "x"}};
    assert_int_equal(
        schema_bind_params(&outer_schema, "query", good, ARRAY_LEN(good), arena, &in, &errors),
        ST_OK);
    assert_string_equal(in.name.v, "bell");
    assert_int_equal(in.count.v, 5);
    assert_true(in.on.set && !in.on.v);
    assert_string_equal(((const char **)in.tags.v)[1], "b");

    /* A list may be given at once, one by one, or both; its bounds are those of all together. */
    const struct query_param lists[] = {
        {"name", "bell"}, {"tags", "a,b"}, {"on", "1"}, {"tags", "c"}};
    assert_int_equal(
        schema_bind_params(&outer_schema, "query", lists, ARRAY_LEN(lists), arena, &in, &errors),
        ST_OK);
    assert_int_equal(in.tags.count, 3);
    assert_string_equal(((const char **)in.tags.v)[2], "c");

    static const struct {
        struct query_param p;
        const char *type;
    } bad[] = {
        {{"count", "five"}, "type_error.integer"},  {{"count", "99"}, "value_error.number.not_le"},
        {{"on", "maybe"}, "type_error.bool"},       {{"colour", "blue"}, "value_error.enum"},
        {{"title", "\xff\xfe"}, "value_error.str"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_FIELD_ERRORS wrong = {0};
        assert_int_equal(
            schema_bind_params(&outer_schema, "query", &bad[i].p, 1, arena, &in, &wrong),
            ST_INVALID);
        const json_t *first = json_array_get(wrong.list, 0);
        assert_string_equal(json_string_value(json_object_get(first, "type")), bad[i].type);
    }
    const struct query_param twice[] = {{"name", "one"}, {"name", "two"}};
    AUTO_FIELD_ERRORS dup = {0};
    assert_int_equal(schema_bind_params(&outer_schema, "query", twice, 2, arena, &in, &dup),
                     ST_INVALID);
}

struct thing {
    const char *name;
    int64_t count;
    double ratio;
    bool on;
    struct uuid id;
    int64_t at;
    const char *raw;
    struct out_list tags;
    const char *secret;
    const char *gone;
};
#define OF(m) offsetof(struct thing, m)
static const struct field thing_fields[] = {
    {.name = "name", .type = FT_STRING, .offset = OF(name)},
    {.name = "count", .type = FT_INT, .offset = OF(count)},
    {.name = "ratio", .type = FT_NUMBER, .offset = OF(ratio)},
    {.name = "on", .type = FT_BOOL, .offset = OF(on)},
    {.name = "id", .type = FT_UUID, .offset = OF(id)},
    {.name = "at", .type = FT_TIME, .offset = OF(at)},
    {.name = "raw", .type = FT_JSON, .offset = OF(raw)},
    {.name = "tags", .type = FT_LIST, .element = FT_STRING, .offset = OF(tags)},
    {.name = "secret", .type = FT_STRING, .flags = F_SECRET, .offset = OF(secret)},
    {.name = "gone", .type = FT_STRING, .flags = F_OMIT_NULL, .offset = OF(gone)},
};
static const struct schema thing_schema = SCHEMA("Thing", struct thing, thing_fields);

static void test_writes(void **state)
{
    (void)state;
    const char *tags[] = {"a", NULL};
    struct thing t = {.name = "q\"\\\n\x01\xc3\xbc",
                      .count = -3,
                      .ratio = 40,
                      .on = true,
                      .at = 1000000,
                      .raw = "{\"x\":[]}",
                      .tags = {2, tags},
                      .secret = "hush"};
    AUTO_BUF out;
    buf_init(&out, 1000);
    struct jw w;
    jw_init(&w, &out);
    schema_write(&w, &thing_schema, &t);
    assert_string_equal(
        buf_cstr(&out),
        "{\"name\":\"q\\\"\\\\\\n\\u0001\xc3\xbc\",\"count\":-3,\"ratio\":40.0,"
        "\"on\":true,\"id\":null,\"at\":\"1970-01-01T00:00:01Z\",\"raw\":{\"x\":[]},"
        "\"tags\":[\"a\",null]}");
    t = (struct thing){.ratio = NAN};
    buf_reset(&out);
    jw_init(&w, &out);
    schema_write(&w, &thing_schema, &t);
    assert_string_equal(buf_cstr(&out), "{\"name\":null,\"count\":0,\"ratio\":null,\"on\":false,"
                                        "\"id\":null,\"at\":null,\"raw\":null,\"tags\":[]}");
}

static void test_floats_round_trip(void **state)
{
    (void)state;
    static const double values[] = {0.1, 1e21, 39.37, 1.0 / 3, 5e-324, 1.7976931348623157e308,
                                    -0.5};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        AUTO_BUF out;
        buf_init(&out, 100);
        struct jw w;
        jw_init(&w, &out);
        jw_f64(&w, values[i]);
        AUTO_JSON back = NULL;
        assert_int_equal(json_parse(out.data, out.len, &back, NULL), ST_OK);
        assert_true(json_is_real(back));
        assert_memory_equal(&values[i], &(double){json_real_value(back)}, sizeof(double));
    }
}

int main(void)
{
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binds),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_counts_characters),
        cmocka_unit_test(test_errors_are_bounded),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_floats_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
