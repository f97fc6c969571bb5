/* Arguments of the check tasks, there and back. */
#include "queue/check_jobs.h"

#include <string.h>

#include "tests/kit/kit.h"

#define ID "0190163d-8694-739b-aea5-966c26f8ad91"

static void test_scheduled_round_trip(void **state)
{
    static struct check_scheduled in, back;
    in = (struct check_scheduled){.is_retry = true, .count = LIMIT_JOB_CHECKS};
    for (size_t i = 0; i < in.count; i++)
        in.due[i] = (struct check_due){.check_id = uuid_new(),
                                       .slot_ms = 1700000000000 + (int64_t)i,
                                       .prev_ms = i % 2 ? 1600000000000 : 0};
    AUTO_BUF text;
    buf_init(&text, LIMIT_JOB_ARGS_BYTES);
    check_scheduled_encode(&in, &text);
    assert_ok(buf_status(&text));
    assert_ok(check_scheduled_decode(buf_cstr(&text), &back, NULL));
    assert_true(back.is_retry);
    assert_int_equal(back.count, in.count);
    assert_memory_equal(back.due, in.due, sizeof(in.due));
}

static void test_run_round_trip(void **state)
{
    struct check_run in = {.check_id = uuid_new(), .slot_us = 1700000000123456}, back;
    AUTO_BUF text;
    buf_init(&text, LIMIT_JOB_ARGS_BYTES);
    check_run_encode(&in, &text);
    assert_ok(check_run_decode(buf_cstr(&text), &back, NULL));
    assert_true(uuid_eq(&back.check_id, &in.check_id));
    assert_true(back.slot_us == in.slot_us);
}

static void test_adhoc_round_trip(void **state)
{
    struct check_adhoc in = {.kind = "website",
                             .config_json = "{\"url\":\"http://example.com/\",\"n\":[1,null]}",
                             .sealed = (const unsigned char *)"\0\xff\x7f\x80",
                             .sealed_len = 4,
                             .timeout_ms = 10000},
                       back;
    AUTO_BUF text;
    buf_init(&text, LIMIT_JOB_ARGS_BYTES);
    AUTO_ARENA arena = arena_new(65536);
    check_adhoc_encode(&in, &text);
    assert_ok(check_adhoc_decode(buf_cstr(&text), arena, &back, NULL));
    assert_string_equal(back.kind, in.kind);
    assert_string_equal(back.config_json, in.config_json);
    assert_true(back.timeout_ms == in.timeout_ms);
    assert_int_equal(back.sealed_len, in.sealed_len);
    assert_memory_equal(back.sealed, in.sealed, in.sealed_len);

    in.sealed = NULL;
    buf_reset(&text);
    check_adhoc_encode(&in, &text);
    assert_ok(check_adhoc_decode(buf_cstr(&text), arena, &back, NULL));
    assert_null(back.sealed);
}

static void test_scheduled_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"trigger\":\"schedule\"}",
        "{\"trigger\":\"schedule\",\"checks\":[]}",
        "{\"trigger\":\"manual\",\"checks\":[{\"id\":\"" ID "\",\"slot\":1}]}",
        "{\"trigger\":\"schedule\",\"checks\":[{\"id\":\"" ID "\"}]}",
        "{\"trigger\":\"schedule\",\"checks\":[{\"id\":\"x\",\"slot\":1}]}",
        "{\"trigger\":\"schedule\",\"checks\":[{\"id\":\"" ID "\",\"slot\":\"1\"}]}",
        "{\"trigger\":\"schedule\",\"checks\":[{\"id\":\"" ID "\",\"slot\":1.5}]}",
        "{\"trigger\":\"schedule\",\"checks\":[7]}",
        "{\"trigger\":\"schedule\",\"checks\":{}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        static struct check_scheduled out;
        struct errbuf err = {{0}};
        if (check_scheduled_decode(bad[i], &out, &err) != ST_INVALID)
            fail_msg("accepted: %s", bad[i]);
        assert_true(err.text[0] != '\0');
    }
}

static void test_scheduled_bound(void **state)
{
    static struct check_scheduled out;
    AUTO_BUF text;
    buf_init(&text, LIMIT_JOB_ARGS_BYTES);
    buf_str(&text, "{\"trigger\":\"schedule\",\"checks\":[");
    for (int i = 0; i <= LIMIT_JOB_CHECKS; i++)
        buf_printf(&text, "%s{\"id\":\"" ID "\",\"slot\":1}", i ? "," : "");
    buf_str(&text, "]}");
    assert_status(ST_INVALID, check_scheduled_decode(buf_cstr(&text), &out, NULL));
}

static void test_run_and_adhoc_refused(void **state)
{
    static const char *const bad_run[] = {"{}", "{\"check_id\":\"" ID "\"}",
                                          "{\"check_id\":null,\"slot_us\":1}",
                                          "{\"check_id\":\"" ID "\",\"slot_us\":1"};
    for (size_t i = 0; i < ARRAY_LEN(bad_run); i++) {
        struct check_run out;
        assert_status(ST_INVALID, check_run_decode(bad_run[i], &out, NULL));
    }
    static const char *const bad_adhoc[] = {
        "{}",
        "{\"kind\":\"website\",\"config\":[],\"timeout_ms\":1}",
        "{\"kind\":\"website\",\"config\":{},\"timeout_ms\":0}",
        "{\"kind\":\"website\",\"config\":{},\"timeout_ms\":1000000}",
        "{\"kind\":\"\",\"config\":{},\"timeout_ms\":1}",
        "{\"kind\":\"website\",\"config\":{},\"timeout_ms\":1,\"secret\":7}",
        "{\"kind\":\"website\",\"config\":{},\"timeout_ms\":1,\"secret\":\"a b\"}",
    };
    AUTO_ARENA arena = arena_new(65536);
    for (size_t i = 0; i < ARRAY_LEN(bad_adhoc); i++) {
        struct check_adhoc out;
        if (check_adhoc_decode(bad_adhoc[i], arena, &out, NULL) != ST_INVALID)
            fail_msg("accepted: %s", bad_adhoc[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scheduled_round_trip), cmocka_unit_test(test_run_round_trip),
        cmocka_unit_test(test_adhoc_round_trip),     cmocka_unit_test(test_scheduled_refused),
        cmocka_unit_test(test_scheduled_bound),      cmocka_unit_test(test_run_and_adhoc_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
