/* What the answer of a website means: one line a claim. */
#include "services/worker/kinds/website.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"

#define ANSWER .failure = HTTPC_OK, .total_us = 342000, .final_url = "http://h/"

static const struct {
    const char *config; /* without the url */
    struct httpc_reply reply;
    enum result_status status;
    const char *message;
    int64_t response_us;
} cases[] = {
    {"", {ANSWER, .status = 200}, RESULT_SUCCESS, "Website responded with status 200", 342000},
    {"",
     {ANSWER, .status = 204},
     RESULT_ERROR,
     "Website responded with status 204, expected 200",
     342000},
    {"",
     {ANSWER, .status = 503},
     RESULT_ERROR,
     "Website responded with status 503, expected 200",
     342000},
    {"\"expected_status\":404",
     {ANSWER, .status = 404},
     RESULT_SUCCESS,
     "Website responded with status 404",
     342000},
    {"\"expected_status\":201",
     {ANSWER, .status = 200},
     RESULT_ERROR,
     "Website responded with status 200, expected 201",
     342000},
    {"\"accepted_statuses\":\"200-299,304\"",
     {ANSWER, .status = 304},
     RESULT_SUCCESS,
     "Website responded with status 304",
     342000},
    {"\"accepted_statuses\":\"2xx\"",
     {ANSWER, .status = 404},
     RESULT_ERROR,
     "Website responded with status 404, expected 2xx",
     342000},
    {"\"expected_content\":\"Welcome\"",
     {ANSWER, .status = 200, .body = "<b>Welcome</b>", .body_len = 14, .body_total = 14},
     RESULT_SUCCESS,
     "Website responded with status 200",
     342000},
    {"\"expected_content\":\"Welcome\"",
     {ANSWER, .status = 200, .body = "welcome", .body_len = 7, .body_total = 7},
     RESULT_ERROR,
     "Website responded with status 200, but the body does not contain \"Welcome\"",
     342000},
    {"\"expected_content\":\"end\"",
     {ANSWER, .status = 200, .body = "begin", .body_len = 5, .body_total = 9},
     RESULT_ERROR,
     "Website responded with status 200, but the first part of the body does not contain \"end\"",
     342000},
    {"\"expected_content\":\"b\"",
     {ANSWER, .status = 200, .body = "a\0b", .body_len = 3, .body_total = 3},
     RESULT_SUCCESS,
     "Website responded with status 200",
     342000},
    {"\"unexpected_content\":\"Fatal\"",
     {ANSWER, .status = 200, .body = "Fatal error", .body_len = 11, .body_total = 11},
     RESULT_ERROR,
     "Website responded with status 200, but the body contains \"Fatal\"",
     342000},
    {"\"unexpected_content\":\"Fatal\"",
     {ANSWER, .status = 200, .body = "fine", .body_len = 4, .body_total = 4},
     RESULT_SUCCESS,
     "Website responded with status 200",
     342000},
    {"\"expected_content\":\"x\"",
     {ANSWER, .status = 500, .body = "x", .body_len = 1},
     RESULT_ERROR,
     "Website responded with status 500, expected 200",
     342000},
    {"\"warning_time\":0.342",
     {ANSWER, .status = 200},
     RESULT_SUCCESS,
     "Website responded with status 200",
     342000},
    {"\"warning_time\":0.3",
     {ANSWER, .status = 200},
     RESULT_WARNING,
     "Website responded with status 200, but slowly: 0.342 s (warning above 0.300 s)",
     342000},
    {"\"warning_time\":0.3",
     {ANSWER, .status = 500},
     RESULT_ERROR,
     "Website responded with status 500, expected 200",
     342000},
    {"",
     {.failure = HTTPC_DNS, .error = "could not resolve h: the name does not exist", .total_us = 7},
     RESULT_ERROR,
     "Could not resolve h: the name does not exist",
     7},
    {"",
     {.failure = HTTPC_TIMEOUT,
      .error = "timed out after 10 ms connecting to h",
      .total_us = 10000},
     RESULT_ERROR,
     "Timed out after 10 ms connecting to h",
     10000},
    {"",
     {.failure = HTTPC_DENIED, .error = "loopback address 127.0.0.1 is not allowed", .total_us = 5},
     RESULT_ERROR,
     "Loopback address 127.0.0.1 is not allowed",
     -1},
    {"",
     {.failure = HTTPC_BAD_URL, .error = "URL has no host", .total_us = 5},
     RESULT_ERROR,
     "URL has no host",
     -1},
    {"",
     {.failure = HTTPC_TLS, .error = "SSL certificate problem", .total_us = 5},
     RESULT_ERROR,
     "SSL certificate problem",
     5},
};

static struct website_config bind_config(const char *members, struct arena *arena, json_t **json)
{
    char text[512];
    AUTO_FIELD_ERRORS errors = {0};
    void *bound = NULL;
    (void)snprintf(text, sizeof(text), "{\"url\":\"http://h/\"%s%s}", members[0] ? "," : "",
                   members);
    assert_int_equal(json_parse(text, strlen(text), json, NULL), ST_OK);
    assert_int_equal(
        check_kind_bind(check_kind_find("website_status"), *json, arena, &bound, &errors), ST_OK);
    return *(struct website_config *)bound;
}

static void judge(const char *members, const struct httpc_reply *reply, struct probe_result *out)
{
    AUTO_ARENA arena = arena_new(65536);
    AUTO_JSON json = NULL;
    struct website_config config = bind_config(members, arena, &json);
    *out = (struct probe_result){0};
    buf_init(&out->raw, LIMIT_RESULT_RAW_BYTES);
    struct httpc_reply r = *reply;
    if (!r.body)
        r.body = "";
    website_judge(&config, &r, out);
}

static void answers_are_judged(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct probe_result r;
        judge(cases[i].config, &cases[i].reply, &r);
        assert_string_equal(r.message, cases[i].message);
        assert_int_equal(r.status, cases[i].status);
        assert_int_equal(r.response_us, cases[i].response_us);
        AUTO_JSON raw = NULL;
        assert_int_equal(json_parse(r.raw.data, r.raw.len, &raw, NULL), ST_OK);
        const char *error = json_string_value(json_object_get(raw, "error"));
        if (cases[i].reply.failure == HTTPC_OK)
            assert_null(error);
        else
            assert_string_equal(error, httpc_failure_name(cases[i].reply.failure));
        buf_done(&r.raw);
    }
}

static void details_are_written(void **state)
{
    static const struct httpc_header headers[] = {
        {"Content-Type", "text/html"}, {"X-Two", "a"}, {"x-two", "b"}, {"X-\"Odd", "q\"\\\xff"}};
    const struct httpc_reply reply = {ANSWER,
                                      .status = 200,
                                      .phases = {10, 20, -1, 30, 40},
                                      .redirects = 2,
                                      .headers = headers,
                                      .header_count = ARRAY_LEN(headers),
                                      .body_total = 1234,
                                      .remote_ip = "192.0.2.1",
                                      .cert_expires_at_us = 1700000000000000};
    struct probe_result r;
    judge("", &reply, &r);
    assert_string_equal(
        buf_cstr(&r.raw),
        "{\"status_code\":200,\"headers\":{\"content-type\":\"text/html\",\"x-two\":\"a, b\","
        "\"x-\\\"odd\":\"q\\\"\\\\?\"},\"final_url\":\"http://h/\",\"redirects\":2,"
        "\"remote_ip\":\"192.0.2.1\",\"timings\":{\"dns_us\":10,\"connect_us\":20,\"tls_us\":null,"
        "\"wait_us\":30,\"transfer_us\":40},\"body_bytes\":1234,"
        "\"certificate_expires_at\":\"2023-11-14T22:13:20Z\"}");
    buf_done(&r.raw);
}

static void details_are_null_when_nothing_came(void **state)
{
    const struct httpc_reply reply = {.failure = HTTPC_CONNECT,
                                      .error = "could not connect",
                                      .phases = {5, -1, -1, -1, -1},
                                      .final_url = "http://h/"};
    struct probe_result r;
    judge("", &reply, &r);
    assert_string_equal(buf_cstr(&r.raw),
                        "{\"status_code\":null,\"headers\":{},\"final_url\":\"http://h/\","
                        "\"redirects\":0,\"remote_ip\":null,\"timings\":{\"dns_us\":5,"
                        "\"connect_us\":null,\"tls_us\":null,\"wait_us\":null,"
                        "\"transfer_us\":null},\"body_bytes\":0,\"error\":\"connect\"}");
    buf_done(&r.raw);
}

static void headers_are_bounded(void **state)
{
    static char value[60000];
    static char names[256][16];
    static struct httpc_header headers[256];
    memset(value, '"', sizeof(value) - 1); /* doubles when escaped */
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "X-%zu", i);
        headers[i] = (struct httpc_header){names[i], value};
    }
    const struct httpc_reply reply = {ANSWER, .status = 200, .headers = headers,
                                      .header_count = ARRAY_LEN(headers)};
    struct probe_result r;
    judge("", &reply, &r);
    assert_int_equal(buf_status(&r.raw), ST_OK);
    assert_true(r.raw.len < LIMIT_RESULT_RAW_BYTES);
    AUTO_JSON raw = NULL;
    assert_int_equal(json_parse(r.raw.data, r.raw.len, &raw, NULL), ST_OK);
    assert_int_equal(
        strlen(json_string_value(json_object_get(json_object_get(raw, "headers"), "x-0"))), 1024);
    buf_done(&r.raw);
}

static void kinds_are_found(void **state)
{
    const struct check_kind *kind = NULL;
    for (size_t i = 0; (kind = check_kind_at(i)) != NULL; i++)
        assert_non_null(probe_kind_find(kind->name));
    assert_null(probe_kind_find("teapot"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_judged),
        cmocka_unit_test(details_are_written),
        cmocka_unit_test(details_are_null_when_nothing_came),
        cmocka_unit_test(headers_are_bounded),
        cmocka_unit_test(kinds_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
