/* What senders may and may not post, and what they are told. */
#include "tests/integration/services/ingest/fixture.h"

#include <string.h>

#include "auth/scopes.h"
#include "json/parse.h"
#include "store/hosts.h"

/* --- cases --- */

static void keys_decide_who_may_write_what(void **state)
{
    struct host host;
    const struct host_fields fields = {.name = "Bound"};
    assert_ok(host_create(fx.db, fx.arena, &fx.org, &fields, &host));
    char bound[API_KEY_BYTES], reader[API_KEY_BYTES];
    fx_new_key(&host.id, SCOPE_BIT(SCOPE_METRICS_WRITE), bound);
    fx_new_key(NULL, SCOPE_BIT(SCOPE_METRICS_READ), reader);
    const char *sample = "\"metrics\":[{\"metric_type\":\"a\",\"metric_name\":\"b\",\"value\":1}]}";
    const struct {
        const char *key, *agent;
        long want;
    } cases[] = {
        {NULL, "\"agent_id\":\"x\",", 401},
        {"tocsin_AAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "\"agent_id\":\"x\",", 401},
        {"rubbish", "\"agent_id\":\"x\",", 401},
        {reader, "\"agent_id\":\"x\",", 403},
        {bound, "", 202},
        {bound, "\"agent_id\":\"bound\",", 202},
        {bound, "\"agent_id\":\"server-001\",", 403},
        {bound, "\"agent_id\":\"never-seen\",", 403},
        {fx.key, "\"agent_id\":\"bound\",", 202},
        {fx.key, "", 422},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF reply;
        buf_init(&reply, 1 << 20);
        char *body = arena_printf(fx.arena, "{%s%s", cases[i].agent, sample);
        long got = fx_post_key(cases[i].key, body, &reply);
        if (got != cases[i].want)
            fail_msg("case %zu: %ld: %s", i, got, buf_cstr(&reply));
    }
    assert_int_equal(kit_sql_i64(fx.db, "SELECT count(*) FROM hosts WHERE slug = 'never-seen'"), 0);
}

static void hostile_bodies_are_refused(void **state)
{
    static const struct {
        const char *body;
        long want;
    } cases[] = {
        {"", 400},
        {"{", 400},
        {"nonsense", 400},
        {"7", 400},
        {"null", 400},
        {"\"text\"", 400},
        {"{\"a\":1,\"a\":2}", 400},
        {"{\"agent_id\":\"x\",\"metrics\":[{\"metric_type\":\"a\",\"metric_name\":\"b\","
         "\"value\":NaN}]}",
         400},
        {"{\"agent_id\":\"x\\u0000\",\"metrics\":[]}", 400},
        {"[]", 422},
        {"{}", 422},
        {"[[]]", 422},
        {"[1,2]", 422},
        {"{\"agent_id\":7,\"metrics\":[]}", 422},
        {"{\"agent_id\":\"\",\"metrics\":[]}", 422},
        {"{\"agent_id\":\"x\",\"metrics\":{}}", 422},
        {"{\"agent_id\":\"x\",\"time\":\"yesterday\",\"metrics\":[]}", 422},
        {"{\"agent_id\":\"x\",\"time\":\"2001-01-01T00:00:00Z\",\"metrics\":[{}]}", 422},
        {"{\"agent_id\":\"x\",\"disk\":[{\"device\":\"\"}]}", 422},
        {"{\"agent_id\":\"x\",\"processes\":[{\"pid\":-1,\"name\":\"n\"}]}", 422},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        (void)fx_post(cases[i].body, cases[i].want);

    AUTO_BUF deep;
    buf_init(&deep, 4 << 20);
    for (int i = 0; i < 100000; i++)
        buf_char(&deep, '[');
    (void)fx_post(buf_cstr(&deep), 413);
    buf_reset(&deep);
    buf_str(&deep, "{\"agent_id\":\"x\",\"metrics\":[");
    for (int i = 0; i < 20001; i++)
        buf_str(&deep, i ? ",1" : "1");
    buf_str(&deep, "]}");
    (void)fx_post(buf_cstr(&deep), 413);
    assert_int_equal(fx_get_status(fx.d.port, "/readyz"), 200);
    assert_int_equal(kit_sql_i64(fx.db, "SELECT count(*) FROM hosts WHERE slug = 'x'"), 0);
}

static void good_samples_are_kept_beside_bad_ones(void **state)
{
    const char *body =
        "{\"agent_id\":\"server-001\",\"metrics\":["
        "{\"metric_type\":\"a\",\"metric_name\":\"b\",\"value\":1},"
        "{\"metric_type\":\"a\",\"metric_name\":\"b\",\"value\":2},"
        "{\"metric_type\":\"a\",\"metric_name\":\"c\"},"
        "{\"metric_type\":\"a\",\"metric_name\":\"d\",\"value\":\"high\"},"
        "{\"metric_type\":\"a\",\"metric_name\":\"e\",\"value\":3,\"time\":\"2031-01-01\"}],"
        "\"processes\":[{\"pid\":1,\"name\":\"a\"},{\"pid\":1,\"name\":\"b\"}]}";
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    assert_int_equal(fx_post_key(fx.key, body, &reply), 202);
    AUTO_JSON json = NULL;
    assert_ok(json_parse(buf_cstr(&reply), reply.len, &json, NULL));
    assert_int_equal(json_integer_value(json_object_get(json, "accepted")), 2);
    assert_int_equal(json_integer_value(json_object_get(json, "rejected")), 5);
    json_t *errors = json_object_get(json, "errors");
    assert_int_equal(json_array_size(errors), 5);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(errors, 0), "index")), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(errors, 0), "reason")),
                        "field required");
    assert_true(kit_wait(COUNT("scrapes") == 1 && COUNT("process_samples") == 1, WAIT_MS));
}

/* A series beyond the limit is named and dropped; those that are known go on. */
static void only_new_series_are_dropped_at_the_limit(void **state)
{
    assert_int_equal(fx_post(fx_body_at("full", fx_time_text(30), 1), 202), 5);
    kit_sql(fx.db,
            "INSERT INTO series (host_id, metric_type, metric_name) SELECT h.id, 'x', n::text "
            "FROM hosts h, generate_series(1, %d) n WHERE h.slug = 'full'",
            LIMIT_SERIES_PER_HOST - 2);
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    assert_int_equal(
        fx_post_key(
            fx.key,
            "{\"agent_id\":\"full\",\"metrics\":[{\"metric_type\":\"cpu\",\"metric_name\":"
            "\"usage_percent\",\"value\":1},{\"metric_type\":\"novel\",\"metric_name\":\"one\","
            "\"value\":1}]}",
            &reply),
        202);
    assert_non_null(strstr(buf_cstr(&reply), "novel.one"));
    assert_non_null(strstr(buf_cstr(&reply), "\"accepted\":1,\"rejected\":1"));
    assert_true(kit_wait(COUNT("scrapes") == 2, WAIT_MS));
}

static void a_deleted_host_is_noticed(void **state)
{
    assert_int_equal(fx_post(fx_body_at("doomed", fx_time_text(20), 1), 202), 5);
    assert_true(kit_wait(fx_is_drained(), WAIT_MS));
    kit_sql(fx.db, "DELETE FROM hosts WHERE slug = 'doomed'");
    /* A new series meets the missing host at once; then the next try registers it anew. Where the
     * host was forgotten meanwhile (LIMIT_METRIC_CACHE_MS), the first does. */
    const char *body = "{\"agent_id\":\"doomed\",\"metrics\":[{\"metric_type\":\"a\","
                       "\"metric_name\":\"new\",\"value\":1}]}";
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    const long first = fx_post_key(fx.key, body, &reply);
    if (first != 503 && first != 202)
        fail_msg("%ld: %s", first, buf_cstr(&reply));
    assert_int_equal(fx_post(body, 202), 1);
    assert_true(kit_wait(COUNT("scrapes") >= 1, WAIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keys_decide_who_may_write_what, fx_before_each),
        cmocka_unit_test_setup(hostile_bodies_are_refused, fx_before_each),
        cmocka_unit_test_setup(good_samples_are_kept_beside_bad_ones, fx_before_each),
        cmocka_unit_test_setup(only_new_series_are_dropped_at_the_limit, fx_before_each),
        cmocka_unit_test_setup(a_deleted_host_is_noticed, fx_before_each),
    };
    return cmocka_run_group_tests(tests, fx_set_up, fx_tear_down);
}
