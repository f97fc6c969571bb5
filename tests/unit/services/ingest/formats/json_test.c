/* Our own JSON: what is taken, what is refused and with which reason. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "services/ingest/formats/json.h"
#include "tests/kit/kit.h"

enum { ARENA_BYTES = 64 << 20 };

/* 2024-01-30T22:00:00Z */
static const int64_t now_us = 1706652000LL * 1000000;

struct decoded {
    struct arena *arena;
    json_t *root;
    struct post post;
    struct report report;
    struct errbuf err;
};

static enum status decode(const char *body, struct decoded *d)
{
    *d = (struct decoded){.arena = arena_new(ARENA_BYTES)};
    assert_non_null(d->arena);
    return format_json_decode(body, strlen(body), now_us, d->arena, &d->root, &d->post, &d->report,
                              &d->err);
}

static void done(struct decoded *d)
{
    json_decref(d->root);
    report_done(&d->report);
    arena_free(d->arena);
}

static void an_object_becomes_an_item(void **state)
{
    struct decoded d;
    assert_ok(
        decode("{\"agent_id\":\"server-001\",\"time\":\"2024-01-30T21:59:00.5Z\",\"version\":9,"
               "\"metrics\":[{\"metric_type\":\"cpu\",\"metric_name\":\"usage_percent\","
               "\"value\":15.2,\"tags\":{\"b\":\"2\",\"a\":1}},"
               "{\"metric_type\":\"cpu\",\"metric_name\":\"cores\",\"value\":4,\"tags\":null,"
               "\"time\":\"2024-01-30T21:58:00Z\"}],"
               "\"disk\":[{\"device\":\"/dev/sda1\",\"total_bytes\":1e3}],"
               "\"network\":[{\"interface\":\"eth0\",\"is_up\":false,\"drop_in\":null}],"
               "\"processes\":[{\"pid\":1,\"name\":\"init\",\"cmdline\":\"a\\nb\"}]}",
               &d));
    assert_int_equal(d.report.rejected, 0);
    assert_int_equal(d.post.count, 1);
    const struct item *item = &d.post.items[0];
    assert_int_equal(item->index, -1);
    assert_string_equal(item->agent_id, "server-001");
    assert_int_equal(item->sample_count, 2);
    assert_string_equal(item->samples[0].key.tags, "{\"a\":1,\"b\":\"2\"}");
    assert_int_equal(item->samples[0].head.at_us, now_us - 59500000);
    assert_int_equal(item->samples[1].head.at_us, now_us - 120000000);
    assert_string_equal(item->samples[1].key.tags, "{}");
    assert_int_equal(item->disks[0].v.total_bytes, 1000);
    assert_int_equal(item->disks[0].v.used_bytes, SAMPLE_NONE);
    assert_string_equal(item->disks[0].v.mount_point, "");
    assert_true(isnan(item->disks[0].v.usage_percent));
    assert_int_equal(item->networks[0].v.is_up, 0);
    assert_int_equal(item->networks[0].v.drop_in, SAMPLE_NONE);
    assert_string_equal(item->processes[0].v.cmdline, "a\nb");
    done(&d);
}

static void no_time_is_now(void **state)
{
    struct decoded d;
    assert_ok(
        decode("[{\"metrics\":[{\"metric_type\":\"a\",\"metric_name\":\"b\",\"value\":-1}]}]", &d));
    assert_int_equal(d.post.items[0].samples[0].head.at_us, now_us);
    assert_null(d.post.items[0].agent_id);
    assert_int_equal(d.post.items[0].index, 0);
    done(&d);
}

#define SAMPLE(text) "{\"agent_id\":\"x\",\"metrics\":[{" text "}]}"
#define NAMED "\"metric_type\":\"a\",\"metric_name\":\"b\","

static void every_refusal_has_its_reason(void **state)
{
    static const struct {
        const char *body;
        size_t rejected;
        const char *field, *reason;
    } rows[] = {
        {SAMPLE("\"metric_name\":\"b\",\"value\":1"), 1, "metric_type", "field required"},
        {SAMPLE("\"metric_type\":\"a\",\"value\":1"), 1, "metric_name", "field required"},
        {SAMPLE("\"metric_type\":\"\",\"metric_name\":\"b\",\"value\":1"), 1, "metric_type",
         "empty"},
        {SAMPLE("\"metric_type\":7,\"metric_name\":\"b\",\"value\":1"), 1, "metric_type",
         "not a text"},
        {SAMPLE("\"metric_type\":\"a\\n\",\"metric_name\":\"b\",\"value\":1"), 1, "metric_type",
         "has control characters"},
        {SAMPLE(
             "\"metric_type\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
             "\"metric_name\":\"b\",\"value\":1"),
         1, "metric_type", "too long"},
        {SAMPLE(NAMED "\"other\":1"), 1, "value", "field required"},
        {SAMPLE(NAMED "\"value\":null"), 1, "value", "field required"},
        {SAMPLE(NAMED "\"value\":\"1\""), 1, "value", "not a finite number"},
        {SAMPLE(NAMED "\"value\":true"), 1, "value", "not a finite number"},
        {SAMPLE(NAMED "\"value\":1,\"tags\":[]"), 1, "tags", "not an object"},
        {SAMPLE(NAMED "\"value\":1,\"tags\":{\"a\":{}}"), 1, "tags",
         "a tag that is not a text, number or boolean"},
        {SAMPLE(NAMED "\"value\":1,\"time\":\"soon\""), 1, "time", "not an RFC 3339 date and time"},
        {SAMPLE(NAMED "\"value\":1,\"time\":1706652000"), 1, "time",
         "not an RFC 3339 date and time"},
        {SAMPLE(NAMED "\"value\":1,\"time\":\"2023-12-31T21:59:59Z\""), 1, "time",
         "older than 30 days"},
        {SAMPLE(NAMED "\"value\":1,\"time\":\"2024-01-30T22:10:01Z\""), 1, "time",
         "more than 10 minutes in the future"},
        {SAMPLE(NAMED "\"value\":1,\"agent_id\":\"y\""), 1, "agent_id", "another agent's"},
        {"{\"agent_id\":\"x\",\"metrics\":[3]}", 1, NULL, "not an object"},
        {"{\"agent_id\":\"x\",\"metrics\":7}", 1, NULL, "not an array"},
        {"{\"agent_id\":\"x\",\"disk\":[{}]}", 1, "device", "field required"},
        {"{\"agent_id\":\"x\",\"disk\":[{\"device\":\"d\",\"total_bytes\":-1}]}", 1, "total_bytes",
         "negative"},
        {"{\"agent_id\":\"x\",\"disk\":[{\"device\":\"d\",\"total_bytes\":1.5}]}", 1, "total_bytes",
         "not an integer"},
        {"{\"agent_id\":\"x\",\"disk\":[{\"device\":\"d\",\"total_bytes\":1e300}]}", 1,
         "total_bytes", "not an integer"},
        {"{\"agent_id\":\"x\",\"network\":[{\"interface\":\"e\",\"is_up\":1}]}", 1, "is_up",
         "not a boolean"},
        {"{\"agent_id\":\"x\",\"processes\":[{\"name\":\"n\"}]}", 1, "pid", "field required"},
        {"{\"agent_id\":7,\"metrics\":[1,2,3]}", 3, "agent_id", "not a text"},
        {"{\"agent_id\":\"\",\"metrics\":[1]}", 1, "agent_id",
         "empty, too long, or has control characters"},
        {"{\"time\":\"never\",\"metrics\":[1,2],\"disk\":[1]}", 3, "time",
         "not an RFC 3339 date and time"},
        {"[5]", 1, NULL, "not an object"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct decoded d;
        assert_ok(decode(rows[i].body, &d));
        if (d.report.rejected != rows[i].rejected || d.post.count != 0)
            fail_msg("%s: %zu rejected, %zu items", rows[i].body, d.report.rejected, d.post.count);
        const json_t *error = json_array_get(d.report.errors, 0);
        assert_string_equal(json_string_value(json_object_get(error, "reason")), rows[i].reason);
        const json_t *loc = json_object_get(error, "loc");
        const json_t *last = json_array_get(loc, json_array_size(loc) - 1);
        if (rows[i].field)
            assert_string_equal(json_string_value(last), rows[i].field);
        done(&d);
    }
}

static void what_is_no_post_is_refused_whole(void **state)
{
    static const struct {
        const char *body;
        enum status want;
    } rows[] = {
        {"", ST_MALFORMED},      {"x", ST_MALFORMED},
        {"1", ST_MALFORMED},     {"\"a\"", ST_MALFORMED},
        {"null", ST_MALFORMED},  {"{\"a\":1e999}", ST_MALFORMED},
        {"{} {}", ST_MALFORMED}, {"{\"a\":NaN}", ST_MALFORMED},
        {"[", ST_MALFORMED},     {"{\"a\":\"\\u0000\"}", ST_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct decoded d;
        assert_status(rows[i].want, decode(rows[i].body, &d));
        assert_null(d.root);
        done(&d);
    }
}

/* What would take a multiple of its size in memory is refused before it is parsed. */
static void bombs_are_refused_unparsed(void **state)
{
    static const char *const parts[] = {"[],", "{},", "{\"a\":[]},", "1,", "\"\","};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        AUTO_BUF body;
        buf_init(&body, 8 << 20);
        buf_char(&body, '[');
        for (int k = 0; k < 401000; k++)
            buf_str(&body, parts[i]);
        buf_str(&body, "1]");
        struct decoded d;
        assert_status(ST_TOO_LARGE, decode(buf_cstr(&body), &d));
        done(&d);
    }
    /* … while as much punctuation within a text is only a text. */
    AUTO_BUF body;
    buf_init(&body, 8 << 20);
    buf_str(&body, "[\"\\\"");
    for (int k = 0; k < 500000; k++)
        buf_str(&body, "{,");
    buf_str(&body, "\"]");
    struct decoded d;
    assert_ok(decode(buf_cstr(&body), &d));
    assert_int_equal(d.report.rejected, 1);
    done(&d);
}

static void many_errors_are_counted_and_some_shown(void **state)
{
    AUTO_BUF body;
    buf_init(&body, 1 << 20);
    buf_str(&body, "{\"agent_id\":\"x\",\"metrics\":[{" NAMED "\"value\":1}");
    for (int i = 0; i < 1000; i++)
        buf_str(&body, ",{}");
    buf_str(&body, "]}");
    struct decoded d;
    assert_ok(decode(buf_cstr(&body), &d));
    assert_int_equal(d.report.rejected, 1000);
    assert_int_equal(json_array_size(d.report.errors), LIMIT_VALIDATION_ERRORS);
    assert_int_equal(d.post.items[0].sample_count, 1);
    done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_becomes_an_item),
        cmocka_unit_test(no_time_is_now),
        cmocka_unit_test(every_refusal_has_its_reason),
        cmocka_unit_test(what_is_no_post_is_refused_whole),
        cmocka_unit_test(bombs_are_refused_unparsed),
        cmocka_unit_test(many_errors_are_counted_and_some_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
