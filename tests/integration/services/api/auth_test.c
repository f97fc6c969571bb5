/* Signing in, sessions, keys and limits through the whole API, in front of real stores. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/jwt.h"
#include "auth/password.h"
#include "base/str.h"
#include "json/parse.h"
#include "services/api/api.h"
#include "tests/kit/http_client.h"
#include "tests/kit/kit.h"

#define PASSWORD "correct horse battery"
#define SECRET "0123456789abcdef0123456789abcdef"

static const char *database, *redis_url;
static struct db *db;
static struct uuid org, other_org;

/* One API: its settings and the running service. */
struct instance {
    struct daemon daemon;
    struct api *api;
    int port;
};

static void set_text(char **field, const char *text)
{
    free(*field);
    assert_ok(str_dup(text, field));
}

static struct instance *start_with(const char *db_url, const char *redis, const char *auth,
                                   int64_t anonymous_rate)
{
    struct instance *i = calloc(1, sizeof(*i));
    assert_non_null(i);
    struct conf *c = &i->daemon.conf;
    assert_ok(conf_load(NULL, c, NULL));
    set_text(&c->database_url, db_url);
    set_text(&c->redis_url, redis);
    set_text(&c->listen, "127.0.0.1");
    set_text(&c->jwt_secret, SECRET);
    set_text(&c->secret_key, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    set_text(&c->auth, auth);
    c->api_port = 0;
    c->anonymous_rate = anonymous_rate;
    struct errbuf err = {""};
    void *state = NULL;
    if (api_start(&i->daemon, &state, &err) != ST_OK)
        fail_msg("the API did not start: %s", err.text);
    i->api = state;
    i->port = http_port(i->api->server);
    return i;
}

static struct instance *start(void)
{
    return start_with(database, redis_url, "jwt", 100000);
}

static void stop(struct instance *i)
{
    api_stop(i->api, 1000);
    conf_done(&i->daemon.conf);
    free(i);
}

static struct kit_reply call(const struct instance *i, const char *method, const char *path,
                             const char *bearer, const char *body)
{
    const struct kit_request q = {
        .port = i->port, .method = method, .path = path, .bearer = bearer, .body = body};
    return kit_http(&q);
}

static int status_of(const struct instance *i, const char *method, const char *path,
                     const char *bearer, const char *body)
{
    struct kit_reply r = call(i, method, path, bearer, body);
    kit_reply_done(&r);
    return r.status;
}

static const char *id_text(const struct uuid *id)
{
    static char text[4][UUID_TEXT_BYTES];
    static int next;
    next = (next + 1) % 4;
    uuid_format(id, text[next]);
    return text[next];
}

/* A user of his own for each test, so that none disturbs another. */
static struct uuid make_user(const struct uuid *of, const char *name, const char *role)
{
    const struct uuid id = uuid_new();
    char hash[PASSWORD_HASH_BYTES];
    assert_ok(password_hash(PASSWORD, hash));
    kit_sql(db,
            "INSERT INTO users (id, org_id, username, email, password_hash, role)"
            " VALUES ('%s', '%s', '%s', '%s@example.test', '%s', '%s')",
            id_text(&id), id_text(of), name, name, hash, role);
    return id;
}

struct tokens {
    char access[2048], refresh[128];
};

static struct tokens tokens_of(struct kit_reply r)
{
    struct tokens t;
    assert_int_equal(r.status, 200);
    (void)str_copy(t.access, sizeof(t.access), kit_reply_text(&r, "access_token"));
    (void)str_copy(t.refresh, sizeof(t.refresh), kit_reply_text(&r, "refresh_token"));
    assert_true(t.access[0] && t.refresh[0]);
    kit_reply_done(&r);
    return t;
}

static struct tokens sign_in(const struct instance *i, const char *name)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"username\":\"%s\",\"password\":\"" PASSWORD "\"}", name);
    return tokens_of(call(i, "POST", "/api/v1/auth/login", NULL, body));
}

static struct kit_reply refresh(const struct instance *i, const char *token)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"refresh_token\":\"%s\"}", token);
    return call(i, "POST", "/api/v1/auth/refresh", NULL, body);
}

static int me(const struct instance *i, const char *bearer)
{
    return status_of(i, "GET", "/api/v1/users/me", bearer, NULL);
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

static void every_way_to_sign_in(void **state)
{
    static const struct {
        const char *path, *body;
        int form, status;
    } rows[] = {
        {"/api/v1/auth/login", "{\"email\":\"ann@example.test\",\"password\":\"" PASSWORD "\"}", 0,
         200},
        {"/api/v1/auth/login", "{\"username\":\"ann\",\"password\":\"" PASSWORD "\"}", 0, 200},
        {"/api/v1/auth/login", "{\"username\":\"ANN\",\"password\":\"" PASSWORD "\"}", 0, 200},
        {"/api/v1/auth/token", "{\"username\":\"ann@example.test\",\"password\":\"" PASSWORD "\"}",
         0, 200},
        {"/api/v1/auth/token",
         "grant_type=password&username=ann%40example.test&password=correct+horse+battery&scope=", 1,
         200},
        {"/api/v1/auth/token", "grant_type=magic&username=ann&password=x", 1, 422},
        {"/api/v1/auth/login", "{\"username\":\"ann\",\"password\":\"wrong\"}", 0, 401},
        {"/api/v1/auth/login", "{\"username\":\"nobody\",\"password\":\"wrong\"}", 0, 401},
        {"/api/v1/auth/login", "{\"username\":\"ann\"}", 0, 422},
        {"/api/v1/auth/login", "{\"password\":\"" PASSWORD "\"}", 0, 422},
        {"/api/v1/auth/login", "{\"username\":1,\"password\":\"" PASSWORD "\"}", 0, 422},
        {"/api/v1/auth/login", "{\"username\":\"ann\",", 0, 400},
    };
    const struct uuid ann = make_user(&org, "ann", "admin");
    struct instance *i = start();
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        const struct kit_request q = {.port = i->port,
                                      .method = "POST",
                                      .path = rows[k].path,
                                      .body = rows[k].body,
                                      .form = rows[k].form};
        struct kit_reply r = kit_http(&q);
        if (r.status != rows[k].status)
            fail_msg("%s %s: %d", rows[k].path, rows[k].body, r.status);
        if (r.status == 200) {
            assert_string_equal(kit_reply_text(&r, "token"), kit_reply_text(&r, "access_token"));
            assert_string_equal(kit_reply_text(&r, "token_type"), "bearer");
            assert_string_equal(kit_reply_text(&r, "user.id"), id_text(&ann));
            assert_string_equal(kit_reply_text(&r, "user.email"), "ann@example.test");
            assert_string_equal(kit_reply_text(&r, "user.role"), "admin");
            assert_true(json_is_true(json_object_get(json_object_get(r.json, "user"), "is_admin")));
            assert_int_equal(json_integer_value(json_object_get(r.json, "expires_in")), 3600);
            assert_null(json_object_get(json_object_get(r.json, "user"), "password_hash"));
            assert_int_equal(me(i, kit_reply_text(&r, "access_token")), 200);
        }
        kit_reply_done(&r);
    }
    kit_sql(db, "UPDATE users SET is_active = false WHERE id = '%s'", id_text(&ann));
    assert_int_equal(status_of(i, "POST", "/api/v1/auth/login", NULL, rows[0].body), 401);
    stop(i);
}

static void bad_credentials_are_refused(void **state)
{
    make_user(&org, "bad", "admin");
    struct instance *i = start();
    const struct tokens t = sign_in(i, "bad");
    char almost[2048], padded[2100];
    (void)str_copy(almost, sizeof(almost), t.access);
    almost[strlen(almost) - 2] = almost[strlen(almost) - 2] == 'A' ? 'B' : 'A';
    (void)snprintf(padded, sizeof(padded), "%sx", t.access);
    const char *const bad[] = {
        "",       "x",    "..",      "a.b.c",
        almost,   padded, t.refresh, "tocsin_aaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "tocsin_"};
    for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
        struct kit_reply r = call(i, "GET", "/api/v1/users/me", bad[k], NULL);
        assert_int_equal(r.status, 401);
        assert_true(str_starts(kit_reply_header(&r, "WWW-Authenticate"), "Bearer"));
        assert_true(str_starts(kit_reply_text(&r, "detail"), "Could not validate credentials"));
        kit_reply_done(&r);
    }
    struct kit_reply none = call(i, "GET", "/api/v1/users/me", NULL, NULL);
    assert_int_equal(none.status, 401);
    assert_string_equal(kit_reply_text(&none, "code"), "UNAUTHENTICATED");
    kit_reply_done(&none);
    const struct kit_request basic = {
        .port = i->port, .path = "/api/v1/users/me", .header = "Authorization: Basic YTpi"};
    struct kit_reply r = kit_http(&basic);
    assert_int_equal(r.status, 401);
    kit_reply_done(&r);
    assert_int_equal(me(i, t.access), 200);
    stop(i);
}

/* A token that our own key signed, for a user of another organisation than it says. */
static void a_token_cannot_move_between_organisations(void **state)
{
    const struct uuid user = make_user(&org, "mover", "admin");
    struct instance *i = start();
    AUTO_ARENA arena = arena_new(1 << 20);
    const struct tokens t = sign_in(i, "mover");
    struct jwt_claims claims;
    const struct jwt_key key = {SECRET, strlen(SECRET)};
    const char *forged = NULL;
    assert_ok(jwt_verify(&key, t.access, clock_wall_us() / 1000000, &claims, NULL));
    assert_true(uuid_eq(&claims.user_id, &user));
    claims.org_id = other_org;
    assert_ok(jwt_issue(&key, &claims, arena, &forged));
    assert_int_equal(me(i, forged), 401);
    claims.org_id = org;
    claims.session = uuid_new();
    assert_ok(jwt_issue(&key, &claims, arena, &forged));
    assert_int_equal(me(i, forged), 401);
    assert_int_equal(me(i, t.access), 200);
    stop(i);
}

static void a_refresh_token_works_once(void **state)
{
    make_user(&org, "rita", "viewer");
    struct instance *i = start();
    const struct tokens first = sign_in(i, "rita"), apart = sign_in(i, "rita");
    const struct tokens second = tokens_of(refresh(i, first.refresh));
    const struct tokens third = tokens_of(refresh(i, second.refresh));
    assert_string_not_equal(first.refresh, second.refresh);
    assert_int_equal(me(i, third.access), 200);

    /* one that comes twice ends the family: tokens before and after it, but no other session */
    struct kit_reply reused = refresh(i, second.refresh);
    assert_int_equal(reused.status, 401);
    assert_string_equal(kit_reply_text(&reused, "code"), "TOKEN_REUSED");
    kit_reply_done(&reused);
    struct kit_reply ended = refresh(i, third.refresh);
    assert_int_equal(ended.status, 401);
    kit_reply_done(&ended);
    assert_int_equal(me(i, third.access), 401);
    assert_int_equal(me(i, apart.access), 200);

    struct kit_reply unknown = refresh(i, "tcr_none");
    assert_int_equal(unknown.status, 401);
    assert_string_equal(kit_reply_text(&unknown, "code"), "INVALID_TOKEN");
    kit_reply_done(&unknown);
    kit_sql(db, "UPDATE refresh_tokens SET expires_at = now() - interval '1 second'"
                " WHERE used_at IS NULL");
    struct kit_reply expired = refresh(i, apart.refresh);
    assert_int_equal(expired.status, 401);
    assert_string_equal(kit_reply_text(&expired, "code"), "INVALID_TOKEN");
    kit_reply_done(&expired);
    stop(i);
}

static void signing_out_ends_one_session_or_all(void **state)
{
    make_user(&org, "otto", "viewer");
    struct instance *i = start();
    const struct tokens a = sign_in(i, "otto"), b = sign_in(i, "otto"), c = sign_in(i, "otto");
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"refresh_token\":\"%s\"}", a.refresh);
    assert_int_equal(status_of(i, "POST", "/api/v1/auth/logout", b.access, body), 200);
    assert_int_equal(me(i, a.access), 401);
    assert_int_equal(me(i, b.access), 200);
    assert_int_equal(status_of(i, "POST", "/api/v1/auth/logout", b.access, NULL), 200);
    assert_int_equal(me(i, b.access), 401);
    assert_int_equal(me(i, c.access), 401);
    struct kit_reply r = refresh(i, c.refresh);
    assert_int_equal(r.status, 401);
    kit_reply_done(&r);
    assert_int_equal(status_of(i, "POST", "/api/v1/auth/logout", NULL, NULL), 401);
    assert_int_equal(me(i, sign_in(i, "otto").access), 200);
    stop(i);
}

static void changing_the_password_ends_all_sessions(void **state)
{
    make_user(&org, "pia", "viewer");
    struct instance *i = start();
    const struct tokens t = sign_in(i, "pia");
    static const struct {
        const char *body;
        int status;
    } rows[] = {
        {"{\"current_password\":\"wrong\",\"new_password\":\"another password\"}", 422},
        {"{\"current_password\":\"" PASSWORD "\",\"new_password\":\"short\"}", 422},
        {"{\"current_password\":\"" PASSWORD "\"}", 422},
        {"{\"current_password\":\"" PASSWORD "\",\"new_password\":\"another password\"}", 204},
    };
    for (size_t k = 0; k < ARRAY_LEN(rows); k++)
        assert_int_equal(status_of(i, "POST", "/api/v1/users/me/password", t.access, rows[k].body),
                         rows[k].status);
    assert_int_equal(me(i, t.access), 401);
    struct kit_reply r = refresh(i, t.refresh);
    assert_int_equal(r.status, 401);
    kit_reply_done(&r);
    assert_int_equal(status_of(i, "POST", "/api/v1/auth/login", NULL,
                               "{\"username\":\"pia\",\"password\":\"another password\"}"),
                     200);
    stop(i);
}

/* Another API server learns of it within the life of its cache. */
static void revocation_is_everywhere_in_five_seconds(void **state)
{
    const struct uuid user = make_user(&org, "vera", "admin");
    struct instance *a = start(), *b = start();
    const struct tokens by_logout = sign_in(a, "vera");
    struct kit_reply made = call(a, "POST", "/api/v1/api-keys", by_logout.access,
                                 "{\"name\":\"k\",\"scopes\":[\"checks:read\"]}");
    assert_int_equal(made.status, 201);
    char path[128], key[128];
    (void)snprintf(path, sizeof(path), "/api/v1/api-keys/%s", kit_reply_text(&made, "id"));
    (void)str_copy(key, sizeof(key), kit_reply_text(&made, "key"));
    kit_reply_done(&made);
    assert_int_equal(me(b, by_logout.access), 200);
    assert_int_equal(me(b, key), 200);
    const int64_t start_ms = kit_real_mono_ms();
    assert_int_equal(status_of(a, "DELETE", path, by_logout.access, NULL), 204);
    assert_int_equal(status_of(a, "DELETE", path, by_logout.access, NULL), 404);
    assert_int_equal(status_of(a, "POST", "/api/v1/auth/logout", by_logout.access, NULL), 200);
    assert_int_equal(me(a, by_logout.access), 401);
    assert_int_equal(me(a, key), 401);
    assert_true(kit_wait(me(b, by_logout.access) == 401 && me(b, key) == 401, 8000));
    assert_true(kit_real_mono_ms() - start_ms < 5500);
    (void)user;
    stop(a);
    stop(b);
}

static void roles_and_keys_are_cut_to_scopes(void **state)
{
    make_user(&org, "viktor", "viewer");
    make_user(&org, "olga", "operator");
    struct instance *i = start();
    const struct tokens viewer = sign_in(i, "viktor"), operator_ = sign_in(i, "olga");
    struct kit_reply r = call(i, "POST", "/api/v1/api-keys", viewer.access,
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
        assert_int_equal(status_of(i, "POST", "/api/v1/api-keys", operator_.access, rows[k].body),
                         rows[k].status);

    struct kit_reply made = call(i, "POST", "/api/v1/api-keys", operator_.access,
                                 "{\"name\":\"reader\",\"scopes\":[\"keys:read\"]}");
    const char *key = kit_reply_text(&made, "key");
    assert_int_equal(status_of(i, "GET", "/api/v1/api-keys", key, NULL), 200);
    assert_int_equal(status_of(i, "POST", "/api/v1/api-keys", key, "{\"name\":\"b\"}"), 403);
    /* a key acts for a person, but does not become one */
    assert_int_equal(status_of(i, "PATCH", "/api/v1/users/me", key, "{\"username\":\"x\"}"), 403);
    struct kit_reply mine = call(i, "GET", "/api/v1/api-keys/me", key, NULL);
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
    stop(i);
}

static void an_agents_key_is_bound_to_its_server(void **state)
{
    make_user(&org, "adam", "admin");
    make_user(&other_org, "eve", "admin");
    const struct uuid host = uuid_new();
    kit_sql(db, "INSERT INTO hosts (id, org_id, slug, name) VALUES ('%s', '%s', 'web-1', 'Web')",
            id_text(&host), id_text(&org));
    struct instance *i = start();
    const struct tokens adam = sign_in(i, "adam"), eve = sign_in(i, "eve");
    char body[160];
    (void)snprintf(body, sizeof(body), "{\"server_id\":\"%s\",\"name\":\"Production Agent\"}",
                   id_text(&host));
    assert_int_equal(status_of(i, "POST", "/api/v1/api-keys", eve.access, body), 404);
    struct kit_reply made = call(i, "POST", "/api/v1/api-keys", adam.access, body);
    assert_int_equal(made.status, 201);
    assert_string_equal(kit_reply_text(&made, "server_id"), id_text(&host));
    assert_string_equal(kit_reply_text(&made, "name"), "Production Agent");
    assert_true(str_starts(kit_reply_text(&made, "key"), "tocsin_"));
    assert_true(strlen(kit_reply_text(&made, "created_at")) > 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(made.json, "scopes"), 0)),
                        "metrics:write");
    assert_int_equal(me(i, kit_reply_text(&made, "key")), 403);

    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/api-keys/%s", kit_reply_text(&made, "id"));
    assert_int_equal(status_of(i, "DELETE", path, eve.access, NULL), 404);
    assert_int_equal(status_of(i, "DELETE", path, adam.access, NULL), 204);
    assert_int_equal(me(i, kit_reply_text(&made, "key")), 401);
    kit_reply_done(&made);
    assert_int_equal(status_of(i, "POST", "/api/v1/api-keys", adam.access,
                               "{\"server_id\":\"web-1\",\"name\":\"by slug\"}"),
                     201);
    assert_int_equal(
        status_of(i, "POST", "/api/v1/api-keys", adam.access,
                  "{\"server_id\":\"web-1\",\"name\":\"x\",\"scopes\":[\"checks:write\"]}"),
        422);
    stop(i);
}

static void guessing_gets_slower(void **state)
{
    make_user(&org, "gus", "viewer");
    struct instance *i = start();
    static const char wrong[] = "{\"username\":\"gus\",\"password\":\"wrong\"}";
    for (int k = 0; k < 5; k++)
        assert_int_equal(status_of(i, "POST", "/api/v1/auth/login", NULL, wrong), 401);
    struct kit_reply r = call(i, "POST", "/api/v1/auth/login", NULL, wrong);
    assert_int_equal(r.status, 429);
    assert_string_equal(kit_reply_text(&r, "code"), "LOGIN_DELAYED");
    assert_string_equal(kit_reply_header(&r, "Retry-After"), "1");
    kit_reply_done(&r);
    assert_true(kit_wait(status_of(i, "POST", "/api/v1/auth/login", NULL,
                                   "{\"username\":\"gus\",\"password\":\"" PASSWORD "\"}") == 200,
                         3000));
    stop(i);
}

static void anonymous_callers_are_limited(void **state)
{
    make_user(&org, "lars", "viewer");
    struct instance *i = start_with(database, redis_url, "jwt", 3);
    const struct tokens t = sign_in(i, "lars");
    assert_int_equal(me(i, NULL), 401);
    assert_int_equal(me(i, "tocsin_aaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), 401);
    struct kit_reply r = call(i, "GET", "/api/v1/users/me", NULL, NULL);
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
    assert_int_equal(status_of(i, "GET", "/health", NULL, NULL), 200);
    stop(i);
}

static void without_authentication_the_owner_is_everybody(void **state)
{
    struct instance *i = start_with(database, redis_url, "none", 100000);
    kit_sql(db, "DELETE FROM users WHERE role = 'owner'");
    struct kit_reply r = call(i, "GET", "/api/v1/api-keys", NULL, NULL);
    assert_int_equal(r.status, 503);
    assert_string_equal(kit_reply_text(&r, "code"), "NOT_SET_UP");
    kit_reply_done(&r);
    make_user(&org, "boss", "owner");
    struct kit_reply who = call(i, "GET", "/api/v1/users/me", NULL, NULL);
    assert_int_equal(who.status, 200);
    assert_string_equal(kit_reply_text(&who, "username"), "boss");
    kit_reply_done(&who);
    assert_int_equal(status_of(i, "POST", "/api/v1/api-keys", NULL, "{\"name\":\"a\"}"), 201);

    /* as if it were bound to an outside address: reading only, and nothing about people */
    i->api->is_loopback = false;
    assert_true(kit_wait(me(i, NULL) == 401, 8000));
    assert_int_equal(status_of(i, "GET", "/api/v1/incidents", NULL, NULL), 200);
    assert_int_equal(status_of(i, "GET", "/api/v1/api-keys", NULL, NULL), 401);
    assert_int_equal(status_of(i, "POST", "/api/v1/api-keys", NULL, "{\"name\":\"a\"}"), 401);
    assert_int_equal(me(i, sign_in(i, "boss").access), 200);
    stop(i);
}

static bool health_is(const struct instance *i, const char *status)
{
    struct kit_reply r = call(i, "GET", "/api/v1/health", NULL, NULL);
    const bool is = r.status == 200 && str_eq(kit_reply_text(&r, "status"), status);
    kit_reply_done(&r);
    return is;
}

static void stores_that_are_down_are_told_apart(void **state)
{
    make_user(&org, "dora", "viewer");
    struct instance *i = start();
    assert_true(kit_wait(health_is(i, "healthy"), 5000));
    stop(i);

    i = start_with(database, "unix:///nowhere/redis.sock", "jwt", 100000);
    assert_true(kit_wait(health_is(i, "degraded"), 5000));
    assert_int_equal(me(i, sign_in(i, "dora").access), 200);
    assert_int_equal(status_of(i, "GET", "/readyz", NULL, NULL), 200);
    stop(i);

    i = start_with("postgresql:///nowhere?host=/nowhere", redis_url, "jwt", 100000);
    assert_true(kit_wait(health_is(i, "unhealthy"), 5000));
    assert_int_equal(status_of(i, "GET", "/health", NULL, NULL), 200);
    assert_int_equal(status_of(i, "GET", "/readyz", NULL, NULL), 503);
    struct kit_reply r = call(i, "POST", "/api/v1/auth/login", NULL,
                              "{\"username\":\"dora\",\"password\":\"" PASSWORD "\"}");
    assert_int_equal(r.status, 503);
    assert_true(kit_reply_header(&r, "Retry-After")[0] != '\0');
    kit_reply_done(&r);
    stop(i);
}

static void without_keys_it_does_not_start(void **state)
{
    static const struct {
        const char *jwt, *seal, *auth, *why;
    } rows[] = {
        {"", "", "jwt", "TOCSIN_JWT_SECRET"},
        {"short", "", "jwt", "TOCSIN_JWT_SECRET"},
        {SECRET, "", "jwt", "TOCSIN_SECRET_KEY"},
        {SECRET, "abc", "jwt", "TOCSIN_SECRET_KEY"},
        {SECRET, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "maybe",
         "TOCSIN_AUTH"},
    };
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        struct daemon d = {.name = "api"};
        struct errbuf err = {""};
        void *none = NULL;
        assert_ok(conf_load(NULL, &d.conf, NULL));
        set_text(&d.conf.jwt_secret, rows[k].jwt);
        set_text(&d.conf.secret_key, rows[k].seal);
        set_text(&d.conf.auth, rows[k].auth);
        assert_status(ST_INVALID, api_start(&d, &none, &err));
        assert_non_null(strstr(err.text, rows[k].why));
        assert_null(none);
        conf_done(&d.conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_sign_in),
        cmocka_unit_test(bad_credentials_are_refused),
        cmocka_unit_test(a_token_cannot_move_between_organisations),
        cmocka_unit_test(a_refresh_token_works_once),
        cmocka_unit_test(signing_out_ends_one_session_or_all),
        cmocka_unit_test(changing_the_password_ends_all_sessions),
        cmocka_unit_test(revocation_is_everywhere_in_five_seconds),
        cmocka_unit_test(roles_and_keys_are_cut_to_scopes),
        cmocka_unit_test(an_agents_key_is_bound_to_its_server),
        cmocka_unit_test(guessing_gets_slower),
        cmocka_unit_test(anonymous_callers_are_limited),
        cmocka_unit_test(without_authentication_the_owner_is_everybody),
        cmocka_unit_test(stores_that_are_down_are_told_apart),
        cmocka_unit_test(without_keys_it_does_not_start),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
