/* Limits that several processes count together, and alone when Redis is gone. */
#include <stdio.h>

#include "base/rand.h"
#include "base/str.h"
#include "json/parse.h"
#include "services/api/rate_shared.h"
#include "tests/kit/api.h"
#include "tests/kit/redis_server.h"

static const char *database;
static struct redis_server server;

static int setup(void **state)
{
    json_setup();
    database = kit_database();
    redis_server_init(&server, "rate");
    redis_server_start(&server);
    return 0;
}

static int teardown(void **state)
{
    redis_server_kill(&server);
    return 0;
}

static struct rate_key key_of(unsigned char n)
{
    return (struct rate_key){.kind = RATE_CREDENTIAL, .bytes = {n}};
}

/* However the requests fall on the processes, together they pass what the limit says: a minute's
 * worth at once, and what fills in meanwhile. */
static void processes_give_out_one_limit(void **state)
{
    enum { PROCESSES = 3, LIMIT = 200, ASKED = 900 };
    static const struct {
        int64_t step_us; /* between requests, of our clock: a lease lasts a second of it */
        bool is_even;
    } rows[] = {{100, true}, {100, false}, {40000, true}, {400000, false}};
    struct redis *redis = kit_redis_open(server.url);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rate_shared *process[PROCESSES];
        const struct rate_key key = key_of((unsigned char)i);
        for (size_t p = 0; p < PROCESSES; p++)
            process[p] = rate_shared_new(64);
        int passed = 0;
        int64_t now_us = 1000000000;
        const int64_t began_ms = kit_real_mono_ms();
        for (int n = 0; n < ASKED; n++) {
            struct rate_state s;
            const size_t p = rows[i].is_even ? (size_t)n % PROCESSES
                                             : (size_t)rand_below(rand_below(PROCESSES) + 1);
            passed += rate_shared_take(process[p], redis, &key, LIMIT, now_us, &s) == RATE_PASSED;
            assert_int_equal(s.limit, LIMIT);
            assert_true(s.remaining >= 0 && s.remaining <= LIMIT && s.reset_s <= 60);
            now_us += rows[i].step_us;
        }
        /* Redis's own clock fills the bucket. */
        const int64_t filled = (kit_real_mono_ms() - began_ms) * LIMIT / 60000 + 1;
        assert_true(passed <= LIMIT + filled);
        assert_true(passed >= LIMIT - PROCESSES * LIMIT / 20);
        for (size_t p = 0; p < PROCESSES; p++)
            rate_shared_free(process[p]);
    }
    redis_free(redis);
}

/* A quiet caller gets back what was drawn for him: the last request is as good as the first. */
static void nothing_is_lost_to_a_quiet_caller(void **state)
{
    struct redis *redis = kit_redis_open(server.url);
    struct rate_shared *s = rate_shared_new(64);
    const struct rate_key key = key_of(100);
    struct rate_state state_;
    int64_t now_us = 1000000000;
    int passed = 0;
    for (int i = 0; i < 100; i++) {
        passed += rate_shared_take(s, redis, &key, 100, now_us, &state_) == RATE_PASSED;
        now_us += i < 50 ? 1000 : 1100000; /* busy at first, which makes it draw more at a time */
    }
    assert_int_equal(passed, 100);
    rate_shared_free(s);
    redis_free(redis);
}

static struct kit_reply health(const struct kit_api *api)
{
    return kit_call(api, "GET", "/api/v1/plugins", NULL, NULL);
}

static void two_servers_count_together(void **state)
{
    const struct kit_api_options few = {.anonymous_rate = 60};
    struct kit_api *api[2] = {kit_api_start(database, server.url, &few),
                              kit_api_start(database, server.url, &few)};
    int unauthenticated = 0, limited = 0;
    int64_t began_ms = kit_real_mono_ms();
    for (int i = 0; i < 90; i++) {
        struct kit_reply r = health(api[i % 2]);
        unauthenticated += r.status == 401;
        limited += r.status == 429;
        assert_string_equal(kit_reply_header(&r, "RateLimit-Limit"), "60");
        assert_string_equal(kit_reply_header(&r, "RateLimit-Policy"), "60;w=60");
        int64_t left = -1, reset = -1, wait = 0;
        assert_ok(str_to_i64(kit_reply_header(&r, "RateLimit-Remaining"), &left));
        assert_ok(str_to_i64(kit_reply_header(&r, "RateLimit-Reset"), &reset));
        assert_true(left >= 0 && left < 60 && reset >= 0 && reset <= 60);
        if (r.status == 429) {
            assert_string_equal(kit_reply_text(&r, "code"), "RATE_LIMITED");
            assert_ok(str_to_i64(kit_reply_header(&r, "Retry-After"), &wait));
            assert_true(wait >= 1 && wait <= 3);
        }
        kit_reply_done(&r);
    }
    /* One more for each second that it took. */
    const int64_t filled = (kit_real_mono_ms() - began_ms) / 1000;
    assert_true(unauthenticated >= 60 && unauthenticated <= 62 + filled);
    assert_int_equal(unauthenticated + limited, 90);

    /* Alone, each goes on from what it has let pass itself. */
    redis_server_kill(&server);
    assert_true(
        kit_wait(kit_status(api[0], "GET", "/api/v1/plugins", NULL, NULL) == 401, KIT_PATIENCE_MS));
    int alone = 1;
    began_ms = kit_real_mono_ms();
    for (int i = 0; i < 60; i++)
        alone += kit_status(api[0], "GET", "/api/v1/plugins", NULL, NULL) == 401;
    assert_true(alone > 1 && alone <= 34 + (kit_real_mono_ms() - began_ms) / 1000);
    redis_server_start(&server);
    kit_api_stop(api[0]);
    kit_api_stop(api[1]);
}

/* A key may have less than the installation gives, never more. */
static void a_key_has_a_limit_of_its_own(void **state)
{
    struct db *db = kit_db_open(database);
    const struct uuid org = kit_organisation(db);
    kit_api_user(db, &org, "rita", "admin");
    struct kit_api *api = kit_api_start(database, server.url, NULL);
    const struct kit_tokens rita = kit_sign_in(api, "rita");
    static const struct {
        const char *body, *limit;
    } rows[] = {{"{\"name\":\"few\",\"rate_limit\":3}", "3"},
                {"{\"name\":\"many\",\"rate_limit\":90000000}", "6000"},
                {"{\"name\":\"usual\"}", "6000"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kit_reply made = kit_call(api, "POST", "/api/v1/api-keys", rita.access,
                                         rows[i].body);
        assert_int_equal(made.status, 201);
        for (int n = 0; n < 4; n++) {
            struct kit_reply r = kit_call(api, "GET", "/api/v1/plugins",
                                          kit_reply_text(&made, "key"), NULL);
            assert_string_equal(kit_reply_header(&r, "RateLimit-Limit"), rows[i].limit);
            assert_int_equal(r.status, i == 0 && n == 3 ? 429 : 200);
            kit_reply_done(&r);
        }
        kit_reply_done(&made);
    }
    assert_int_equal(kit_status(api, "POST", "/api/v1/api-keys", rita.access,
                                "{\"name\":\"none\",\"rate_limit\":0}"),
                     422);
    kit_api_stop(api);
    db_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_give_out_one_limit),
        cmocka_unit_test(nothing_is_lost_to_a_quiet_caller),
        cmocka_unit_test(two_servers_count_together),
        cmocka_unit_test(a_key_has_a_limit_of_its_own),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
