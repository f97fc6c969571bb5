/* What keys, roles and anonymous callers may do, and what an API without its stores still does. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "tests/kit/api.h"

static const char *database, *redis_url;
static struct db *db;
static struct uuid org, other_org;

static struct kit_api *start(void)
{
    return kit_api_start(database, redis_url, NULL);
}

static int me(const struct kit_api *i, const char *bearer)
{
    return kit_status(i, "GET", "/api/v1/users/me", bearer, NULL);
}

static int setup(void **state)
{
    json_setup();
    database = kit_database();
    redis_url = kit_redis();
    db = kit_db_open(database);
    org = kit_organisation(db);
    other_org = kit_organisation(db);
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

/* Another API server learns of it within the life of its cache. */
static void revocation_is_everywhere_in_five_seconds(void **state)
{
    const struct uuid user = kit_api_user(db, &org, "vera", "admin");
    struct kit_api *a = start(), *b = start();
    const struct kit_tokens by_logout = kit_sign_in(a, "vera");
    struct kit_reply made = kit_call(a, "POST", "/api/v1/api-keys", by_logout.access,
                                     "{\"name\":\"k\",\"scopes\":[\"checks:read\"]}");
    assert_int_equal(made.status, 201);
    char path[128], key[128];
    (void)snprintf(path, sizeof(path), "/api/v1/api-keys/%s", kit_reply_text(&made, "id"));
    (void)str_copy(key, sizeof(key), kit_reply_text(&made, "key"));
    kit_reply_done(&made);
    assert_int_equal(me(b, by_logout.access), 200);
    assert_int_equal(me(b, key), 200);
    assert_int_equal(kit_status(a, "DELETE", path, by_logout.access, NULL), 204);
    assert_int_equal(kit_status(a, "DELETE", path, by_logout.access, NULL), 404);
    assert_int_equal(kit_status(a, "POST", "/api/v1/auth/logout", by_logout.access, NULL), 200);
    assert_int_equal(me(a, by_logout.access), 401);
    assert_int_equal(me(a, key), 401);
    /* Who was let in after that had asked within the five seconds: the answer may take longer. */
    const int64_t revoked_ms = kit_real_mono_ms();
    int64_t asked_ms = 0, let_in_ms = 0;
    assert_true(kit_wait(
        (asked_ms = kit_real_mono_ms(), me(b, by_logout.access) == 401 && me(b, key) == 401) ||
            (let_in_ms = asked_ms, false),
        KIT_PATIENCE_MS));
    assert_true(let_in_ms - revoked_ms <= 5000);
    (void)user;
    kit_api_stop(a);
    kit_api_stop(b);
}

static void roles_and_keys_are_cut_to_scopes(void **state)
{
    kit_api_user(db, &org, "viktor", "viewer");
    kit_api_user(db, &org, "olga", "operator");
    struct kit_api *i = start();
    const struct kit_tokens viewer = kit_sign_in(i, "viktor"), operator_ = kit_sign_in(i, "olga");
    struct kit_reply r = kit_call(i, "POST", "/api/v1/api-keys", viewer.access,
                                  "{\"name\":\"not mine to make\"}");
    assert_int_equal(r.status, 403);
    assert_string_equal(kit_reply_text(&r, "code"), "INSUFFICIENT_SCOPE");
    kit_reply_done(&r);

    static const struct {
        const char *body;
        int status;
    } rows[] = {
        {"{\"name\":\"a\",\"scopes\":[\"users:write\"]}", 403},
        {"{\"name\":\"a\",\"scopes\":[\"no:such\"]}", 422},
        {"{\"name\":\"a\",\"scopes\":[]}", 422},
        {"{\"name\":\"\"}", 422},
        {"{}", 422},
        {"{\"name\":\"a\",\"expires_at\":\"2020-01-01T00:00:00Z\"}", 422},
        {"{\"name\":\"a\",\"server_id\":\"no-such-server\"}", 404},
        {"{\"name\":\"a\"}", 201},
        {"{\"name\":\"a\",\"expires_at\":\"2099-01-01T00:00:00Z\",\"server_id\":null}", 201},
    };
    for (size_t k = 0; k < ARRAY_LEN(rows); k++)
        assert_int_equal(kit_status(i, "POST", "/api/v1/api-keys", operator_.access, rows[k].body),
                         rows[k].status);

    struct kit_reply made = kit_call(i, "POST", "/api/v1/api-keys", operator_.access,
                                     "{\"name\":\"reader\",\"scopes\":[\"keys:read\"]}");
    const char *key = kit_reply_text(&made, "key");
    assert_int_equal(kit_status(i, "GET", "/api/v1/api-keys", key, NULL), 200);
    assert_int_equal(kit_status(i, "POST", "/api/v1/api-keys", key, "{\"name\":\"b\"}"), 403);
    /* a key acts for a person, but does not become one */
    assert_int_equal(kit_status(i, "PATCH", "/api/v1/users/me", key, "{\"username\":\"x\"}"), 403);
    struct kit_reply mine = kit_call(i, "GET", "/api/v1/api-keys/me", key, NULL);
    assert_true(json_is_array(mine.json));
    assert_int_equal(json_array_size(mine.json), 3);
    assert_null(json_object_get(json_array_get(mine.json, 0), "key"));
    assert_string_equal(kit_reply_header(&mine, "X-Total-Count"), "3");
    kit_reply_done(&mine);
    const struct kit_request by_header = {.port = i->port, .path = "/api/v1/api-keys"};
    struct kit_request with = by_header;
    char header[160];
    (void)snprintf(header, sizeof(header), "X-API-Key: %s", key);
    with.header = header;
    struct kit_reply listed = kit_http(&with);
    assert_int_equal(listed.status, 200);
    kit_reply_done(&listed);
    kit_reply_done(&made);
    kit_api_stop(i);
}

/* The end of a key that is made with the key; NULL: it is refused for its end. The caller frees it.
 */
static char *end_of_made(struct kit_api *i, const char *key, const char *body)
{
    struct kit_reply r = kit_call(i, "POST", "/api/v1/api-keys", key, body);
    char *end = NULL;
    if (r.status == 201) {
        const char *text = json_string_value(json_object_get(r.json, "expires_at"));
        end = strdup(text ? text : "never");
    } else {
        assert_int_equal(r.status, 422);
    }
    kit_reply_done(&r);
    return end;
}

static void a_key_makes_none_that_outlives_it(void **state)
{
    static const struct {
        const char *own, *asked, *end;
    } rows[] = {
        {"\"2098-01-01T00:00:00Z\"", "\"2099-01-01T00:00:00Z\"", NULL},
        {"\"2098-01-01T00:00:00Z\"", "\"2097-01-01T00:00:00Z\"", "2097"},
        {"\"2098-01-01T00:00:00Z\"", "null", "2098"},
        {"null", "\"2099-01-01T00:00:00Z\"", "2099"},
        {"null", "null", "never"},
    };
    kit_api_user(db, &org, "kay", "admin");
    struct kit_api *i = start();
    const struct kit_tokens admin = kit_sign_in(i, "kay");
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        char body[256];
        (void)snprintf(body, sizeof(body),
                       "{\"name\":\"maker\",\"scopes\":[\"keys:write\"],\"expires_at\":%s}",
                       rows[k].own);
        struct kit_reply maker = kit_call(i, "POST", "/api/v1/api-keys", admin.access, body);
        assert_int_equal(maker.status, 201);
        (void)snprintf(body, sizeof(body), "{\"name\":\"made\",\"expires_at\":%s}", rows[k].asked);
        AUTO_FREE char *end = end_of_made(i, kit_reply_text(&maker, "key"), body);
        if (!end || !rows[k].end)
            assert_true(!end && !rows[k].end);
        else
            assert_true(str_starts(end, rows[k].end));
        kit_reply_done(&maker);
    }
    kit_api_stop(i);
}

static void an_agents_key_is_bound_to_its_server(void **state)
{
    kit_api_user(db, &org, "adam", "admin");
    kit_api_user(db, &other_org, "eve", "admin");
    const struct uuid host = uuid_new();
    kit_sql(db, "INSERT INTO hosts (id, org_id, slug, name) VALUES ('%s', '%s', 'web-1', 'Web')",
            kit_id(&host), kit_id(&org));
    struct kit_api *i = start();
    const struct kit_tokens adam = kit_sign_in(i, "adam"), eve = kit_sign_in(i, "eve");
    char body[160];
    (void)snprintf(body, sizeof(body), "{\"server_id\":\"%s\",\"name\":\"Production Agent\"}",
                   kit_id(&host));
    assert_int_equal(kit_status(i, "POST", "/api/v1/api-keys", eve.access, body), 404);
    struct kit_reply made = kit_call(i, "POST", "/api/v1/api-keys", adam.access, body);
    assert_int_equal(made.status, 201);
    assert_string_equal(kit_reply_text(&made, "server_id"), kit_id(&host));
    assert_string_equal(kit_reply_text(&made, "name"), "Production Agent");
    assert_true(str_starts(kit_reply_text(&made, "key"), "tocsin_"));
    assert_true(strlen(kit_reply_text(&made, "created_at")) > 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(made.json, "scopes"), 0)),
                        "metrics:write");
    assert_int_equal(me(i, kit_reply_text(&made, "key")), 403);

    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/api-keys/%s", kit_reply_text(&made, "id"));
    assert_int_equal(kit_status(i, "DELETE", path, eve.access, NULL), 404);
    assert_int_equal(kit_status(i, "DELETE", path, adam.access, NULL), 204);
    assert_int_equal(me(i, kit_reply_text(&made, "key")), 401);
    kit_reply_done(&made);
    assert_int_equal(kit_status(i, "POST", "/api/v1/api-keys", adam.access,
                                "{\"server_id\":\"web-1\",\"name\":\"by slug\"}"),
                     201);
    assert_int_equal(
        kit_status(i, "POST", "/api/v1/api-keys", adam.access,
                   "{\"server_id\":\"web-1\",\"name\":\"x\",\"scopes\":[\"checks:write\"]}"),
        422);
    kit_api_stop(i);
}

static void anonymous_callers_are_limited(void **state)
{
    kit_api_user(db, &org, "lars", "viewer");
    struct kit_api *i = kit_api_start(database, redis_url,
                                      &(struct kit_api_options){.anonymous_rate = 3});
    const struct kit_tokens t = kit_sign_in(i, "lars");
    assert_int_equal(me(i, NULL), 401);
    assert_int_equal(me(i, "tocsin_aaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), 401);
    struct kit_reply r = kit_call(i, "GET", "/api/v1/users/me", NULL, NULL);
    assert_int_equal(r.status, 429);
    assert_string_equal(kit_reply_header(&r, "RateLimit-Limit"), "3");
    assert_string_equal(kit_reply_header(&r, "RateLimit-Remaining"), "0");
    const char *after = kit_reply_header(&r, "Retry-After");
    int64_t seconds = 0;
    assert_ok(str_to_i64(after, &seconds));
    assert_in_range(seconds, 1, 20);
    kit_reply_done(&r);
    /* who has signed in, and health, are not hindered by it */
    assert_int_equal(me(i, t.access), 200);
    assert_int_equal(kit_status(i, "GET", "/health", NULL, NULL), 200);
    kit_api_stop(i);
}

static void without_authentication_the_owner_is_everybody(void **state)
{
    struct kit_api *i = kit_api_start(database, redis_url,
                                      &(struct kit_api_options){.auth = "none"});
    kit_sql(db, "DELETE FROM users WHERE role = 'owner'");
    struct kit_reply r = kit_call(i, "GET", "/api/v1/api-keys", NULL, NULL);
    assert_int_equal(r.status, 503);
    assert_string_equal(kit_reply_text(&r, "code"), "NOT_SET_UP");
    kit_reply_done(&r);
    kit_api_user(db, &org, "boss", "owner");
    struct kit_reply who = kit_call(i, "GET", "/api/v1/users/me", NULL, NULL);
    assert_int_equal(who.status, 200);
    assert_string_equal(kit_reply_text(&who, "username"), "boss");
    kit_reply_done(&who);
    assert_int_equal(kit_status(i, "POST", "/api/v1/api-keys", NULL, "{\"name\":\"a\"}"), 201);

    /* as if it were bound to an outside address: reading only, and nothing about people */
    i->api->is_loopback = false;
    assert_true(kit_wait(me(i, NULL) == 401, KIT_PATIENCE_MS));
    assert_int_equal(kit_status(i, "GET", "/api/v1/incidents", NULL, NULL), 200);
    assert_int_equal(kit_status(i, "GET", "/api/v1/api-keys", NULL, NULL), 401);
    assert_int_equal(kit_status(i, "POST", "/api/v1/api-keys", NULL, "{\"name\":\"a\"}"), 401);
    assert_int_equal(me(i, kit_sign_in(i, "boss").access), 200);
    kit_api_stop(i);
}

static bool health_is(const struct kit_api *i, const char *status)
{
    struct kit_reply r = kit_call(i, "GET", "/api/v1/health", NULL, NULL);
    const bool is = r.status == 200 && str_eq(kit_reply_text(&r, "status"), status);
    kit_reply_done(&r);
    return is;
}

static void stores_that_are_down_are_told_apart(void **state)
{
    kit_api_user(db, &org, "dora", "viewer");
    struct kit_api *i = start();
    assert_true(kit_wait(health_is(i, "healthy"), KIT_PATIENCE_MS));
    kit_api_stop(i);

    i = kit_api_start(database, redis_url,
                      &(struct kit_api_options){.redis = "unix:///nowhere/redis.sock"});
    assert_true(kit_wait(health_is(i, "degraded"), KIT_PATIENCE_MS));
    assert_int_equal(me(i, kit_sign_in(i, "dora").access), 200);
    assert_int_equal(kit_status(i, "GET", "/readyz", NULL, NULL), 200);
    kit_api_stop(i);

    i = kit_api_start(database, redis_url,
                      &(struct kit_api_options){.database = "postgresql:///nowhere?host=/nowhere"});
    assert_true(kit_wait(health_is(i, "unhealthy"), KIT_PATIENCE_MS));
    assert_int_equal(kit_status(i, "GET", "/health", NULL, NULL), 200);
    assert_int_equal(kit_status(i, "GET", "/readyz", NULL, NULL), 503);
    struct kit_reply r = kit_call(i, "POST", "/api/v1/auth/login", NULL,
                                  "{\"username\":\"dora\",\"password\":\"" KIT_PASSWORD "\"}");
    assert_int_equal(r.status, 503);
    assert_true(kit_reply_header(&r, "Retry-After")[0] != '\0');
    kit_reply_done(&r);
    kit_api_stop(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(revocation_is_everywhere_in_five_seconds),
        cmocka_unit_test(roles_and_keys_are_cut_to_scopes),
        cmocka_unit_test(a_key_makes_none_that_outlives_it),
        cmocka_unit_test(an_agents_key_is_bound_to_its_server),
        cmocka_unit_test(anonymous_callers_are_limited),
        cmocka_unit_test(without_authentication_the_owner_is_everybody),
        cmocka_unit_test(stores_that_are_down_are_told_apart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
