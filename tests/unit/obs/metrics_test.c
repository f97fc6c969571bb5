/* The text of /metrics, and the conjunction behind /readyz. */
#include "tests/kit/kit.h"

#include <string.h>

#include "obs/health.h"
#include "obs/metrics.h"

static int64_t seven(void *arg)
{
    return *(int *)arg;
}

static void test_text(void **state)
{
    static int number = 7;
    static struct metric a = {.name = "t_total", .help = "H", .labels = "k=\"a\""};
    static struct metric b = {.name = "t_total", .help = "H", .labels = "k=\"b\""};
    static struct metric g = {
        .name = "t_gauge", .help = "G", .type = METRIC_GAUGE, .read = seven, .arg = &number};
    static struct metric h = {.name = "t_seconds", .help = "S", .type = METRIC_HISTOGRAM};
    metrics_add(&a);
    metrics_add(&b);
    metrics_add(&g);
    metrics_add(&h);
    metric_inc(&a);
    metric_add(&a, 2);
    metric_observe_us(&h, 500); /* on a bound: in its bucket */
    metric_observe_us(&h, 2000000);
    metric_observe_us(&h, 99000000); /* beyond the last */

    AUTO_BUF out;
    buf_init(&out, 1u << 20);
    metrics_write(&out);
    static const char *const parts[] = {
        "# HELP t_total H\n# TYPE t_total counter\nt_total{k=\"a\"} 3\nt_total{k=\"b\"} 0\n",
        "# TYPE t_gauge gauge\nt_gauge 7\n",
        "t_seconds_bucket{le=\"0.0005\"} 1\n",
        "t_seconds_bucket{le=\"2.5\"} 2\n",
        "t_seconds_bucket{le=\"60\"} 2\nt_seconds_bucket{le=\"+Inf\"} 3\n",
        "t_seconds_sum 101.000500\nt_seconds_count 3\n",
        "process_resident_memory_bytes ",
        "process_open_fds ",
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (!strstr(buf_cstr(&out), parts[i]))
            fail_msg("missing %s in\n%s", parts[i], buf_cstr(&out));
    }
}

static void test_health(void **state)
{
    static struct health_item database = {.name = "database", .is_required = true};
    static struct health_item redis = {.name = "redis"};
    assert_int_equal(health_state(), HEALTH_OK);
    health_add(&database);
    health_add(&redis);
    static const struct {
        bool database, redis;
        enum health_state want;
        const char *name;
    } cases[] = {{true, true, HEALTH_OK, "ok"},
                 {true, false, HEALTH_DEGRADED, "degraded"},
                 {false, true, HEALTH_DOWN, "down"},
                 {false, false, HEALTH_DOWN, "down"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        health_set(&database, cases[i].database);
        health_set(&redis, cases[i].redis);
        assert_int_equal(health_state(), cases[i].want);
        assert_string_equal(health_state_name(health_state()), cases[i].name);
    }
    assert_ptr_equal(health_next(NULL), &database);
    assert_ptr_equal(health_next(&database), &redis);
    assert_null(health_next(&redis));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_health)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
