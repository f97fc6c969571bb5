/* Parting secrets from a configuration, and what an update keeps of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "json/parse.h"
#include "json/secrets.h"

struct config {
    struct in_str url, password, token;
};
static const struct field fields[] = {
    {.name = "url", .type = FT_STRING, .offset = offsetof(struct config, url)},
    {.name = "password",
     .type = FT_STRING,
     .flags = F_SECRET,
     .alias = "pass",
     .offset = offsetof(struct config, password)},
    {.name = "token",
     .type = FT_STRING,
     .flags = F_SECRET,
     .offset = offsetof(struct config, token)},
};
static const struct schema schema = SCHEMA("Config", struct config, fields);

static json_t *parse(const char *text)
{
    json_t *out = NULL;
    assert_int_equal(json_parse(text, strlen(text), &out, NULL), ST_OK);
    return out;
}

static void must_equal(const json_t *got, const char *want)
{
    AUTO_JSON expected = parse(want);
    AUTO_FREE char *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);
    if (!json_equal(got, expected))
        fail_msg("got %s, not %s", text, want);
}

static void test_split_and_join(void **state)
{
    static const struct {
        const char *config, *open, *secret;
    } rows[] = {
        {"{}", "{}", "{}"},
        {"{\"url\":\"u\",\"other\":1}", "{\"url\":\"u\",\"other\":1}", "{}"},
        {"{\"url\":\"u\",\"token\":\"t\"}", "{\"url\":\"u\"}", "{\"token\":\"t\"}"},
        {"{\"pass\":\"p\",\"token\":\"t\"}", "{}", "{\"pass\":\"p\",\"token\":\"t\"}"},
        {"{\"password\":7}", "{}", "{\"password\":7}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON config = parse(rows[i].config);
        AUTO_JSON open = NULL;
        AUTO_JSON secret = NULL;
        AUTO_JSON all = NULL;
        assert_int_equal(secrets_split(&schema, config, &open, &secret), ST_OK);
        must_equal(open, rows[i].open);
        must_equal(secret, rows[i].secret);
        assert_int_equal(secrets_join(open, secret, &all), ST_OK);
        must_equal(all, rows[i].config);
    }
    AUTO_JSON none = NULL;
    assert_int_equal(secrets_join(NULL, NULL, &none), ST_OK);
    must_equal(none, "{}");
}

static void test_merge(void **state)
{
    static const struct {
        const char *given, *kept, *meant;
    } rows[] = {
        {"{\"url\":\"u\"}", "{}", "{\"url\":\"u\"}"},
        /* Not mentioned: kept. */
        {"{\"url\":\"u\"}", "{\"token\":\"t\"}", "{\"url\":\"u\",\"token\":\"t\"}"},
        /* Given anew, under either name. */
        {"{\"token\":\"n\"}", "{\"token\":\"t\"}", "{\"token\":\"n\"}"},
        {"{\"pass\":\"n\"}", "{\"password\":\"p\"}", "{\"pass\":\"n\"}"},
        {"{\"password\":\"n\"}", "{\"pass\":\"p\"}", "{\"password\":\"n\"}"},
        /* null removes it, and it alone. */
        {"{\"token\":null}", "{\"token\":\"t\",\"pass\":\"p\"}", "{\"pass\":\"p\"}"},
        {"{\"pass\":null}", "{\"password\":\"p\"}", "{}"},
        {"{\"token\":null}", "{}", "{}"},
        /* Of what is no secret, null stays for validation to refuse. */
        {"{\"url\":null}", "{}", "{\"url\":null}"},
        /* Kept under a name that is no secret any more. */
        {"{}", "{\"url\":\"u\",\"gone\":1}", "{}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON given = parse(rows[i].given);
        AUTO_JSON kept = parse(rows[i].kept);
        AUTO_JSON meant = NULL;
        assert_int_equal(secrets_merge(&schema, given, kept, &meant), ST_OK);
        must_equal(meant, rows[i].meant);
    }
    AUTO_JSON given = parse("{\"url\":\"u\"}");
    AUTO_JSON meant = NULL;
    assert_int_equal(secrets_merge(&schema, given, NULL, &meant), ST_OK);
    must_equal(meant, "{\"url\":\"u\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_and_join),
        cmocka_unit_test(test_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
