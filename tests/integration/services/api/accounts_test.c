/* Users, organisations, invitations and registration, as seen from outside. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "tests/kit/api.h"

static const char *database, *redis_url;
static struct db *db;
static struct uuid org, other_org;

static int setup(void **state)
{
    json_setup();
    database = kit_database();
    redis_url = kit_redis();
    db = kit_db_open(database);
    org = kit_organisation(db);
    other_org = kit_organisation(db);
    kit_api_user(db, &org, "owner", "owner");
    kit_api_user(db, &org, "admin", "admin");
    kit_api_user(db, &org, "viewer", "viewer");
    kit_api_user(db, &other_org, "stranger", "owner");
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

static struct kit_api *start(const char *registration)
{
    return kit_api_start(database, redis_url,
                         &(struct kit_api_options){.registration = registration});
}

/* The path of an object that a call made. */
static const char *made(const struct kit_api *i, const char *path, const char *bearer,
                        const char *body)
{
    static char text[4][160];
    static int next;
    struct kit_reply r = kit_call(i, "POST", path, bearer, body);
    if (r.status != 201)
        fail_msg("%s %s: %d %s", path, body, r.status, kit_reply_text(&r, "detail"));
    next = (next + 1) % 4;
    (void)snprintf(text[next], sizeof(text[next]), "%s/%s", path, kit_reply_text(&r, "id"));
    kit_reply_done(&r);
    return text[next];
}

struct row {
    const char *method, *path, *body;
    int status;
    const char *code;
};

static void must(const struct kit_api *i, const char *bearer, const struct row *row)
{
    struct kit_reply r = kit_call(i, row->method, row->path, bearer, row->body);
    if (r.status != row->status || (row->code && !str_eq(kit_reply_text(&r, "code"), row->code)))
        fail_msg("%s %s %s: %d %s, not %d", row->method, row->path, row->body ? row->body : "",
                 r.status, kit_reply_text(&r, "code"), row->status);
    kit_reply_done(&r);
}

static void users_are_managed(void **state)
{
    struct kit_api *i = start(NULL);
    const struct kit_tokens admin = kit_sign_in(i, "admin"), viewer = kit_sign_in(i, "viewer"),
                            owner = kit_sign_in(i, "owner"), stranger = kit_sign_in(i, "stranger");
    static const char users[] = "/api/v1/users";
    static const char bob[] = "{\"email\":\"bob@example.test\",\"password\":\"" KIT_PASSWORD
                              "\",\"role\":\"operator\",\"name\":\"Bob\"}";
    const char *path = made(i, users, admin.access, bob);
    const struct row by_admin[] = {
        {"POST", users, bob, 409, "USER_EXISTS"},
        {"POST", users, "{\"email\":\"BOB@example.test\",\"password\":\"" KIT_PASSWORD "\"}", 409,
         "USER_EXISTS"},
        {"POST", users, "{\"email\":\"x@example.test\",\"password\":\"short\"}", 422, NULL},
        {"POST", users, "{\"email\":\"x@example.test\",\"password\":\"password123\"}", 422, NULL},
        {"POST", users, "{\"email\":\"x@example.test\",\"password\":\"aaaaaaaaaa\"}", 422, NULL},
        {"POST", users, "{\"email\":\"x@example.test\",\"password\":\"X@example.test\"}", 422,
         NULL},
        {"POST", users, "{\"email\":\"no address\",\"password\":\"" KIT_PASSWORD "\"}", 422, NULL},
        {"POST", users,
         "{\"email\":\"x@example.test\",\"username\":\"x@y\",\"password\":\"" KIT_PASSWORD "\"}",
         422, NULL},
        {"POST", users,
         "{\"email\":\"x@example.test\",\"password\":\"" KIT_PASSWORD "\",\"role\":\"king\"}", 422,
         NULL},
        {"POST", users,
         "{\"email\":\"x@example.test\",\"password\":\"" KIT_PASSWORD "\",\"role\":\"owner\"}", 403,
         "ROLE_TOO_HIGH"},
        {"GET", path, NULL, 200, NULL},
        {"GET", "/api/v1/users/nobody", NULL, 404, "USER_NOT_FOUND"},
        {"PATCH", path, "{\"role\":\"owner\"}", 403, "ROLE_TOO_HIGH"},
        {"PATCH", path, "{\"email\":\"admin@example.test\"}", 409, "USER_EXISTS"},
        {"PATCH", path, "{\"name\":\"Robert\",\"role\":\"viewer\"}", 200, NULL},
    };
    for (size_t k = 0; k < ARRAY_LEN(by_admin); k++)
        must(i, admin.access, &by_admin[k]);
    const struct row by_viewer[] = {{"GET", users, NULL, 403, "INSUFFICIENT_SCOPE"},
                                    {"GET", path, NULL, 403, "INSUFFICIENT_SCOPE"},
                                    {"DELETE", path, NULL, 403, "INSUFFICIENT_SCOPE"}};
    for (size_t k = 0; k < ARRAY_LEN(by_viewer); k++)
        must(i, viewer.access, &by_viewer[k]);
    const struct row by_stranger[] = {{"GET", path, NULL, 404, "USER_NOT_FOUND"},
                                      {"PATCH", path, "{\"name\":\"x\"}", 404, "USER_NOT_FOUND"},
                                      {"DELETE", path, NULL, 404, "USER_NOT_FOUND"}};
    for (size_t k = 0; k < ARRAY_LEN(by_stranger); k++)
        must(i, stranger.access, &by_stranger[k]);

    struct kit_reply r = kit_call(i, "GET", "/api/v1/users?search=BOB&role=viewer", admin.access,
                                  NULL);
    assert_int_equal(json_integer_value(json_object_get(r.json, "total")), 1);
    const json_t *first = json_array_get(json_object_get(r.json, "users"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "Robert");
    assert_string_equal(json_string_value(json_object_get(first, "username")), "bob");
    assert_null(json_object_get(first, "password_hash"));
    kit_reply_done(&r);
    must(i, admin.access, &(struct row){"DELETE", path, NULL, 204, NULL});
    must(i, admin.access, &(struct row){"DELETE", path, NULL, 404, NULL});
    (void)owner;
    kit_api_stop(i);
}

static void an_organisation_keeps_an_owner(void **state)
{
    struct kit_api *i = start(NULL);
    const struct kit_tokens owner = kit_sign_in(i, "owner"), admin = kit_sign_in(i, "admin");
    char own[160];
    struct kit_reply me = kit_call(i, "GET", "/api/v1/users/me", owner.access, NULL);
    (void)snprintf(own, sizeof(own), "/api/v1/users/%s", kit_reply_text(&me, "id"));
    kit_reply_done(&me);
    const struct row rows[] = {
        {"DELETE", own, NULL, 409, "LAST_OWNER"},
        {"PATCH", own, "{\"role\":\"admin\"}", 409, "LAST_OWNER"},
        {"PATCH", own, "{\"is_active\":false}", 409, "LAST_OWNER"},
        {"PATCH", own, "{\"name\":\"Still the owner\",\"role\":\"owner\"}", 200, NULL},
    };
    for (size_t k = 0; k < ARRAY_LEN(rows); k++)
        must(i, owner.access, &rows[k]);
    must(i, admin.access, &(struct row){"DELETE", own, NULL, 403, "ROLE_TOO_HIGH"});
    must(i, admin.access, &(struct row){"PATCH", own, "{\"name\":\"x\"}", 403, "ROLE_TOO_HIGH"});

    const char *second = made(i, "/api/v1/users", owner.access,
                              "{\"email\":\"second@example.test\",\"password\":\"" KIT_PASSWORD
                              "\",\"role\":\"owner\"}");
    must(i, owner.access, &(struct row){"PATCH", second, "{\"is_active\":false}", 200, NULL});
    must(i, owner.access, &(struct row){"DELETE", own, NULL, 409, "LAST_OWNER"});
    must(i, owner.access, &(struct row){"DELETE", second, NULL, 204, NULL});
    kit_api_stop(i);
}

/* Another API process learns of it within the life of its cache. */
static void a_changed_role_counts_everywhere_in_five_seconds(void **state)
{
    kit_api_user(db, &org, "mona", "admin");
    struct kit_api *a = start(NULL), *b = start(NULL);
    const struct kit_tokens owner = kit_sign_in(a, "owner"), mona = kit_sign_in(b, "mona");
    struct kit_reply made_key = kit_call(b, "POST", "/api/v1/api-keys", mona.access,
                                         "{\"name\":\"k\"}");
    char key[128], path[160];
    (void)str_copy(key, sizeof(key), kit_reply_text(&made_key, "key"));
    (void)snprintf(path, sizeof(path), "/api/v1/users/%s", kit_reply_text(&made_key, "user_id"));
    kit_reply_done(&made_key);
    assert_int_equal(kit_status(b, "GET", "/api/v1/users", mona.access, NULL), 200);
    assert_int_equal(kit_status(b, "GET", "/api/v1/users", key, NULL), 200);
    must(a, owner.access, &(struct row){"PATCH", path, "{\"role\":\"viewer\"}", 200, NULL});
    /* Who was let in after that had asked within the five seconds: the answer may take longer. */
    const int64_t changed_ms = kit_real_mono_ms();
    int64_t asked_ms = 0, let_in_ms = 0;
    assert_true(kit_wait((asked_ms = kit_real_mono_ms(),
                          kit_status(b, "GET", "/api/v1/users", mona.access, NULL) == 401 &&
                              kit_status(b, "GET", "/api/v1/users", key, NULL) == 403) ||
                             (let_in_ms = asked_ms, false),
                         KIT_PATIENCE_MS));
    assert_true(let_in_ms - changed_ms <= 5000);
    must(a, owner.access, &(struct row){"DELETE", path, NULL, 204, NULL});
    kit_api_stop(a);
    kit_api_stop(b);
}

/* A key with the scope to make users is no way to more than the key has. */
static void a_key_cannot_climb(void **state)
{
    struct kit_api *i = start(NULL);
    const struct kit_tokens admin = kit_sign_in(i, "admin");
    struct kit_reply made_key = kit_call(i, "POST", "/api/v1/api-keys", admin.access,
                                         "{\"name\":\"k\",\"scopes\":[\"users:write\"]}");
    const char *key = kit_reply_text(&made_key, "key");
    const struct row rows[] = {
        {"POST", "/api/v1/users",
         "{\"email\":\"y@example.test\",\"password\":\"" KIT_PASSWORD "\",\"role\":\"admin\"}", 403,
         "ROLE_TOO_HIGH"},
        {"POST", "/api/v1/users",
         "{\"email\":\"y@example.test\",\"password\":\"" KIT_PASSWORD "\"}", 403, "ROLE_TOO_HIGH"},
        {"POST", "/api/v1/invitations", "{\"role\":\"admin\"}", 403, "ROLE_TOO_HIGH"},
        {"GET", "/api/v1/auth/sessions", NULL, 403, "TOKEN_REQUIRED"},
        {"POST", "/api/v1/auth/logout", NULL, 403, "TOKEN_REQUIRED"},
        {"POST", "/api/v1/users/me/totp", "{\"password\":\"" KIT_PASSWORD "\"}", 403,
         "TOKEN_REQUIRED"},
    };
    for (size_t k = 0; k < ARRAY_LEN(rows); k++)
        must(i, key, &rows[k]);
    kit_reply_done(&made_key);
    kit_api_stop(i);
}

static void organisations_do_not_see_each_other(void **state)
{
    struct kit_api *i = start(NULL);
    const struct kit_tokens admin = kit_sign_in(i, "admin"), viewer = kit_sign_in(i, "viewer");
    char own[96], other[96];
    (void)snprintf(own, sizeof(own), "/api/v1/organisations/%s", kit_id(&org));
    (void)snprintf(other, sizeof(other), "/api/v1/organisations/%s", kit_id(&other_org));
    const struct row rows[] = {
        {"GET", "/api/v1/organisations/me", NULL, 200, NULL},
        {"GET", own, NULL, 200, NULL},
        {"GET", other, NULL, 404, "ORGANISATION_NOT_FOUND"},
        {"PATCH", other, "{\"name\":\"Mine\"}", 404, "ORGANISATION_NOT_FOUND"},
        {"GET", "/api/v1/organisations/x", NULL, 404, "ORGANISATION_NOT_FOUND"},
        {"PATCH", own, "{\"name\":\"\"}", 422, NULL},
        {"PATCH", own, "{\"name\":\"Renamed\"}", 200, NULL},
    };
    for (size_t k = 0; k < ARRAY_LEN(rows); k++)
        must(i, admin.access, &rows[k]);
    must(i, viewer.access, &(struct row){"PATCH", own, "{\"name\":\"x\"}", 403, NULL});
    struct kit_reply r = kit_call(i, "GET", own, viewer.access, NULL);
    assert_string_equal(kit_reply_text(&r, "name"), "Renamed");
    kit_reply_done(&r);
    kit_api_stop(i);
}

static void register_must(const struct kit_api *i, const char *body, int status, const char *code)
{
    must(i, NULL, &(struct row){"POST", "/api/v1/auth/register", body, status, code});
}

static void an_invitation_makes_one_account(void **state)
{
    struct kit_api *i = start("invite");
    const struct kit_tokens admin = kit_sign_in(i, "admin"), stranger = kit_sign_in(i, "stranger");
    register_must(i, "{\"email\":\"new@example.test\",\"password\":\"" KIT_PASSWORD "\"}", 403,
                  "INVITATION_REQUIRED");
    struct kit_reply inv = kit_call(i, "POST", "/api/v1/invitations", admin.access,
                                    "{\"role\":\"operator\",\"email\":\"New@example.test\"}");
    assert_int_equal(inv.status, 201);
    char path[160], body[512];
    (void)snprintf(path, sizeof(path), "/api/v1/invitations/%s", kit_reply_text(&inv, "id"));
    const char *const forms[] = {
        "{\"email\":\"else@example.test\",\"password\":\"" KIT_PASSWORD "\",\"invitation\":\"%s\"}",
        "{\"email\":\"new@example.test\",\"username\":\"admin\",\"password\":\"" KIT_PASSWORD
        "\",\"invitation\":\"%s\"}",
        "{\"email\":\"new@example.test\",\"password\":\"new@example.test\",\"invitation\":\"%s\"}",
        "{\"email\":\"new@example.test\",\"password\":\"" KIT_PASSWORD "\",\"invitation\":\"%s\"}",
        "{\"email\":\"new@example.test\",\"password\":\"" KIT_PASSWORD "\",\"invitation\":\"%s\"}",
    };
    static const struct {
        int status;
        const char *code;
    } want[] = {{403, "INVITATION_INVALID"},
                {409, "USER_EXISTS"}, /* and the token is still good */
                {422, NULL},
                {201, NULL},
                {403, "INVITATION_INVALID"}};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
        (void)snprintf(body, sizeof(body), forms[k], kit_reply_text(&inv, "token"));
        register_must(i, body, want[k].status, want[k].code);
    }
#pragma GCC diagnostic pop
    const struct kit_tokens new_one = kit_sign_in(i, "new");
    struct kit_reply me = kit_call(i, "GET", "/api/v1/users/me", new_one.access, NULL);
    assert_string_equal(kit_reply_text(&me, "role"), "operator");
    assert_string_equal(kit_reply_text(&me, "organisation_id"), kit_id(&org));
    kit_reply_done(&me);
    struct kit_reply seen = kit_call(i, "GET", path, admin.access, NULL);
    assert_string_equal(kit_reply_text(&seen, "status"), "accepted");
    assert_null(json_object_get(seen.json, "token"));
    kit_reply_done(&seen);
    kit_reply_done(&inv);

    const char *pending = made(i, "/api/v1/invitations", admin.access, NULL);
    const struct row rows[] = {
        {"DELETE", path, NULL, 409, "INVITATION_ENDED"},
        {"DELETE", pending, NULL, 204, NULL},
        {"DELETE", pending, NULL, 409, "INVITATION_ENDED"},
        {"GET", "/api/v1/invitations/x", NULL, 404, "INVITATION_NOT_FOUND"},
        {"GET", "/api/v1/invitations?status=revoked", NULL, 200, NULL},
        {"GET", "/api/v1/invitations?status=odd", NULL, 422, NULL},
        {"POST", "/api/v1/invitations", "{\"role\":\"owner\"}", 403, "ROLE_TOO_HIGH"},
        {"POST", "/api/v1/invitations", "{\"expires_at\":\"2020-01-01T00:00:00Z\"}", 422, NULL},
        {"POST", "/api/v1/invitations", "{\"expires_at\":\"2099-01-01T00:00:00Z\"}", 422, NULL},
    };
    for (size_t k = 0; k < ARRAY_LEN(rows); k++)
        must(i, admin.access, &rows[k]);
    must(i, stranger.access, &(struct row){"GET", path, NULL, 404, NULL});
    must(i, stranger.access, &(struct row){"DELETE", path, NULL, 404, NULL});

    struct kit_reply late = kit_call(i, "POST", "/api/v1/invitations", admin.access, "{}");
    kit_sql(db, "UPDATE invitations SET expires_at = now() WHERE id = '%s'",
            kit_reply_text(&late, "id"));
    (void)snprintf(body, sizeof(body),
                   "{\"email\":\"late@example.test\",\"password\":\"" KIT_PASSWORD
                   "\",\"invitation\":\"%s\"}",
                   kit_reply_text(&late, "token"));
    register_must(i, body, 403, "INVITATION_INVALID");
    kit_reply_done(&late);
    kit_api_stop(i);
}

static void open_registration_tells_nobody_who_is_there(void **state)
{
    struct kit_api *i = start("open");
    static const char body[] = "{\"email\":\"founder@example.test\",\"password\":\"" KIT_PASSWORD
                               "\",\"organisation\":\"Founded\"}";
    static const char again[] = "{\"email\":\"founder@example.test\",\"password\":\"another one of "
                                "mine\",\"organisation\":\"Founded\"}";
    struct kit_reply first = kit_call(i, "POST", "/api/v1/auth/register", NULL, body),
                     second = kit_call(i, "POST", "/api/v1/auth/register", NULL, again);
    assert_int_equal(first.status, 202);
    assert_int_equal(second.status, 202);
    assert_true(json_equal(first.json, second.json));
    kit_reply_done(&first);
    kit_reply_done(&second);
    const struct kit_tokens founder = kit_sign_in(i, "founder");
    struct kit_reply me = kit_call(i, "GET", "/api/v1/users/me", founder.access, NULL);
    assert_string_equal(kit_reply_text(&me, "role"), "owner");
    assert_string_not_equal(kit_reply_text(&me, "organisation_id"), kit_id(&org));
    kit_reply_done(&me);
    struct kit_reply o = kit_call(i, "GET", "/api/v1/organisations/me", founder.access, NULL);
    assert_string_equal(kit_reply_text(&o, "name"), "Founded");
    kit_reply_done(&o);
    /* a user name that is taken is varied, since saying so would tell as much */
    register_must(
        i,
        "{\"email\":\"founder2@example.test\",\"username\":\"founder\",\"password\":\"" KIT_PASSWORD
        "\"}",
        202, NULL);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM users WHERE username ~ "
                                     "'^founder-[0-9a-f]{4}$' AND email = 'founder2@example.test'"),
                     1);
    struct kit_reply log = kit_call(i, "GET", "/api/v1/audit?action=user.", founder.access, NULL);
    assert_int_equal(log.status, 200);
    assert_int_equal(json_integer_value(json_object_get(log.json, "total")), 3);
    kit_reply_done(&log);
    kit_api_stop(i);
}

static void closed_registration_is_closed(void **state)
{
    struct kit_api *i = start("closed");
    const struct kit_tokens admin = kit_sign_in(i, "admin");
    register_must(i, "{\"email\":\"new@example.test\",\"password\":\"" KIT_PASSWORD "\"}", 403,
                  "REGISTRATION_CLOSED");
    must(i, admin.access,
         &(struct row){"POST", "/api/v1/invitations", "{}", 409, "REGISTRATION_DISABLED"});
    kit_api_stop(i);
}

static void the_log_names_who_did_it(void **state)
{
    struct kit_api *i = start(NULL);
    const struct kit_tokens admin = kit_sign_in(i, "admin"), viewer = kit_sign_in(i, "viewer"),
                            stranger = kit_sign_in(i, "stranger");
    const struct kit_request q = {
        .port = i->port,
        .method = "POST",
        .path = "/api/v1/users",
        .bearer = admin.access,
        .header = "X-Request-Id: the-request",
        .body = "{\"email\":\"logged@example.test\",\"password\":\"" KIT_PASSWORD "\"}"};
    struct kit_reply r = kit_http(&q);
    assert_int_equal(r.status, 201);
    kit_reply_done(&r);
    struct kit_reply log = kit_call(i, "GET", "/api/v1/audit?request_id=the-request", admin.access,
                                    NULL);
    assert_int_equal(json_integer_value(json_object_get(log.json, "total")), 1);
    const json_t *e = json_array_get(json_object_get(log.json, "entries"), 0);
    static const struct {
        const char *name, *value;
    } want[] = {{"action", "user.create"}, {"object_name", "logged"}, {"actor_type", "user"},
                {"username", "admin"},     {"address", "127.0.0.1"},  {"request_id", "the-request"},
                {"object_type", "user"}};
    for (size_t k = 0; k < ARRAY_LEN(want); k++)
        assert_string_equal(json_string_value(json_object_get(e, want[k].name)), want[k].value);
    assert_true(json_is_null(json_object_get(e, "before")));
    const json_t *after = json_object_get(e, "after");
    assert_string_equal(json_string_value(json_object_get(after, "password_hash")), "***");

    char entry[96];
    (void)snprintf(entry, sizeof(entry), "/api/v1/audit/%s",
                   json_string_value(json_object_get(e, "id")));
    must(i, admin.access, &(struct row){"GET", entry, NULL, 200, NULL});
    must(i, stranger.access, &(struct row){"GET", entry, NULL, 404, "AUDIT_ENTRY_NOT_FOUND"});
    struct kit_reply theirs = kit_call(i, "GET", "/api/v1/audit?request_id=the-request",
                                       stranger.access, NULL);
    assert_int_equal(json_integer_value(json_object_get(theirs.json, "total")), 0);
    kit_reply_done(&theirs);
    kit_reply_done(&log);
    must(i, viewer.access, &(struct row){"GET", "/api/v1/audit", NULL, 403, NULL});
    must(i, admin.access, &(struct row){"GET", "/api/v1/audit/x", NULL, 404, NULL});
    must(i, admin.access, &(struct row){"GET", "/api/v1/audit?since=yesterday", NULL, 422, NULL});
    kit_api_stop(i);
}

/* Nobody gets in without a credential, and a key with another scope does not either. */
static void every_route_asks_who_it_is(void **state)
{
    static const struct {
        const char *method, *path, *body;
        bool is_own; /* about the caller himself: no scope */
    } rows[] = {
        {"GET", "/api/v1/users", NULL, false},
        {"POST", "/api/v1/users", "{}", false},
        {"GET", "/api/v1/users/x", NULL, false},
        {"PATCH", "/api/v1/users/x", "{}", false},
        {"DELETE", "/api/v1/users/x", NULL, false},
        {"DELETE", "/api/v1/users/x/totp", NULL, false},
        {"GET", "/api/v1/invitations", NULL, false},
        {"POST", "/api/v1/invitations", "{}", false},
        {"GET", "/api/v1/invitations/x", NULL, false},
        {"DELETE", "/api/v1/invitations/x", NULL, false},
        {"GET", "/api/v1/organisations/me", NULL, false},
        {"PATCH", "/api/v1/organisations/me", "{}", false},
        {"GET", "/api/v1/audit", NULL, false},
        {"GET", "/api/v1/audit/x", NULL, false},
        {"GET", "/api/v1/users/me", NULL, true},
        {"PATCH", "/api/v1/users/me", "{}", true},
        {"POST", "/api/v1/users/me/password", "{}", true},
        {"GET", "/api/v1/users/me/totp", NULL, true},
        {"POST", "/api/v1/users/me/totp", "{}", true},
        {"POST", "/api/v1/users/me/totp/confirm", "{}", true},
        {"POST", "/api/v1/users/me/totp/recovery-codes", "{}", true},
        {"POST", "/api/v1/users/me/totp/disable", "{}", true},
        {"GET", "/api/v1/auth/sessions", NULL, true},
        {"DELETE", "/api/v1/auth/sessions/x", NULL, true},
        {"POST", "/api/v1/auth/ws-ticket", NULL, true},
        {"POST", "/api/v1/auth/logout", NULL, true},
    };
    struct kit_api *i = start(NULL);
    const struct kit_tokens admin = kit_sign_in(i, "admin");
    struct kit_reply key = kit_call(i, "POST", "/api/v1/api-keys", admin.access,
                                    "{\"name\":\"narrow\",\"scopes\":[\"metrics:read\"]}");
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        must(i, NULL, &(struct row){rows[k].method, rows[k].path, rows[k].body, 401, NULL});
        if (!rows[k].is_own)
            must(i, kit_reply_text(&key, "key"),
                 &(struct row){rows[k].method, rows[k].path, rows[k].body, 403,
                               "INSUFFICIENT_SCOPE"});
    }
    kit_reply_done(&key);
    kit_api_stop(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_managed),
        cmocka_unit_test(an_organisation_keeps_an_owner),
        cmocka_unit_test(a_changed_role_counts_everywhere_in_five_seconds),
        cmocka_unit_test(a_key_cannot_climb),
        cmocka_unit_test(organisations_do_not_see_each_other),
        cmocka_unit_test(an_invitation_makes_one_account),
        cmocka_unit_test(open_registration_tells_nobody_who_is_there),
        cmocka_unit_test(closed_registration_is_closed),
        cmocka_unit_test(the_log_names_who_did_it),
        cmocka_unit_test(every_route_asks_who_it_is),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
