/* Channel configurations, the parting of their secrets, and webhook signatures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "channels/channel.h"
#include "channels/email.h"
#include "channels/webhook.h"
#include "json/parse.h"

#define SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static enum status bind(const char *type, const char *text, json_t **errors)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    AUTO_JSON config = NULL;
    AUTO_FIELD_ERRORS list = {0};
    assert_int_equal(json_parse(text, strlen(text), &config, NULL), ST_OK);
    enum status st = channel_type_bind(channel_type_find(type), config, arena, NULL, &list);
    if (errors)
        *errors = json_incref(list.list);
    return st;
}

static void must_bind(const char *type, const char *text)
{
    if (bind(type, text, NULL) != ST_OK)
        fail_msg("%s refused: %s", type, text);
}

static void must_not_bind(const char *type, const char *text)
{
    AUTO_JSON errors = NULL;
    if (bind(type, text, &errors) != ST_INVALID)
        fail_msg("%s taken: %s", type, text);
    json_t *loc = json_object_get(json_array_get(errors, 0), "loc");
    assert_string_equal(json_string_value(json_array_get(loc, 0)), "body");
}

static void test_email(void **state)
{
    must_bind("email", "{\"to\":[\"a@b.c\"]}");
    must_bind("email", "{\"to\":[\"a@b.c\",\"d@e.f\"],\"subject_prefix\":\"[prod] \"}");
    must_not_bind("email", "{}");
    must_not_bind("email", "{\"to\":[]}");
    must_not_bind("email", "{\"to\":\"a@b.c\"}");
    must_not_bind("email", "{\"to\":[\"a@b.c\",\"nobody\"]}");
    must_not_bind("email", "{\"to\":[\"a@b.c\\r\\nRCPT TO:<x@y.z>\"]}");
    must_not_bind("email", "{\"to\":[7]}");
    must_not_bind("email", "{\"to\":[\"a@b.c\"],\"subject_prefix\":\"a\\nBcc: x@y.z\"}");
    must_not_bind("email", "{\"to\":[\"a@b.c\"],\"cc\":[]}");
}

static void test_webhook(void **state)
{
    must_bind("webhook", "{\"url\":\"https://example.org/hook\"}");
    must_bind("webhook", "{\"url\":\"http://10.0.0.1:8080/\",\"secret\":\"" SECRET "\"}");
    must_bind("webhook", "{\"url\":\"https://e.org\",\"headers\":{\"X-A\":\"b\"},\"timeout\":2.5}");
    must_not_bind("webhook", "{}");
    must_not_bind("webhook", "{\"url\":\"ftp://example.org/\"}");
    must_not_bind("webhook", "{\"url\":\"https://e.org/\",\"secret\":\"whsec_YWJj\"}");
    must_not_bind("webhook", "{\"url\":\"https://e.org/\",\"secret\":\"secret\"}");
    must_not_bind("webhook", "{\"url\":\"https://e.org/\",\"timeout\":60}");
    must_not_bind("webhook", "{\"url\":\"https://e.org/\",\"headers\":{\"X A\":\"b\"}}");
    must_not_bind("webhook", "{\"url\":\"https://e.org/\",\"headers\":{\"X\":\"a\\r\\nY: b\"}}");
    must_not_bind("webhook", "{\"url\":\"https://e.org/\",\"headers\":{\"X\":1}}");
    must_not_bind("webhook", "{\"url\":\"https://e.org/\",\"headers\":{\"HOST\":\"x\"}}");
    must_not_bind("webhook", "{\"url\":\"https://e.org/\",\"headers\":{\"Webhook-Id\":\"x\"}}");
}

static void test_secret_is_made_when_absent(void **state)
{
    const struct channel_type *type = channel_type_find("webhook");
    AUTO_JSON config = json_pack("{s:s}", "url", "https://e.org/");
    AUTO_JSON other = json_pack("{s:s}", "url", "https://e.org/");
    assert_int_equal(channel_type_complete(type, config), ST_OK);
    assert_int_equal(channel_type_complete(type, other), ST_OK);
    const char *secret = json_string_value(json_object_get(config, "secret"));
    assert_non_null(secret);
    assert_null(webhook_secret_check(secret));
    assert_string_not_equal(secret, json_string_value(json_object_get(other, "secret")));

    AUTO_JSON given = json_pack("{s:s}", "secret", SECRET);
    assert_int_equal(channel_type_complete(type, given), ST_OK);
    assert_string_equal(json_string_value(json_object_get(given, "secret")), SECRET);
}

/* The expected value comes from `openssl dgst -sha256 -mac HMAC`. */
static void test_signature(void **state)
{
    static const char body[] = "{\"test\": 2432232314}";
    char out[WEBHOOK_SIGNATURE_BYTES];
    assert_int_equal(webhook_sign(SECRET, "msg_1", 1614265330, body, strlen(body), out), ST_OK);
    assert_string_equal(out, "v1,aTF4+pE6A/FmvKM0YSVBBUfRhLIlBiaBUR+EjGls6Mc=");
    assert_int_equal(webhook_sign("nonsense", "msg_1", 1, body, strlen(body), out), ST_INVALID);
}

static void test_unknown_type(void **state)
{
    assert_null(channel_type_find("pigeon"));
    assert_null(channel_type_find(""));
    assert_string_equal(channel_type_at(0)->name, "email");
    assert_null(channel_type_at(100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_email),
        cmocka_unit_test(test_webhook),
        cmocka_unit_test(test_secret_is_made_when_absent),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_unknown_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
