/* Versions of objects (If-Match) and repeated requests (Idempotency-Key), also in a crowd. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "tests/kit/api.h"

enum { CROWD = 8 };

static struct db *db;
static struct kit_api *api;
static struct kit_tokens anna, bert;

static int setup(void **state)
{
    json_setup();
    const char *database = kit_database();
    db = kit_db_open(database);
    const struct uuid org = kit_organisation(db);
    const struct uuid other_org = kit_organisation(db);
    kit_api_user(db, &org, "anna", "admin");
    kit_api_user(db, &other_org, "bert", "admin");
    api = kit_api_start(database, kit_redis(), NULL);
    anna = kit_sign_in(api, "anna");
    bert = kit_sign_in(api, "bert");
    return 0;
}

static int teardown(void **state)
{
    kit_api_stop(api);
    db_free(db);
    return 0;
}

static struct kit_reply ask(const char *method, const char *path, const char *header,
                            const char *body)
{
    const struct kit_request q = {.port = api->port,
                                  .method = method,
                                  .path = path,
                                  .bearer = anna.access,
                                  .header = header,
                                  .body = body};
    return kit_http(&q);
}

static int status_of(const char *method, const char *path, const char *header, const char *body)
{
    struct kit_reply r = ask(method, path, header, body);
    kit_reply_done(&r);
    return r.status;
}

static const char new_check[] =
    "{\"name\":\"c\",\"plugin_type\":\"website\",\"config\":{\"url\":\"https://a.example\"}}";

/* The path of a new object of the collection, and its tag if wanted. */
static void create(const char *collection, const char *body, char path[128], char tag[64])
{
    struct kit_reply r = ask("POST", collection, NULL, body);
    assert_int_equal(r.status, 201);
    (void)snprintf(path, 128, "%s/%s", collection, kit_reply_text(&r, "id"));
    (void)str_copy(tag, 64, kit_reply_header(&r, "ETag"));
    kit_reply_done(&r);
}

static const char *if_match(const char *tag)
{
    static _Thread_local char line[512];
    (void)snprintf(line, sizeof(line), "If-Match: %s", tag);
    return line;
}

static void get_tag(const char *path, char tag[64])
{
    struct kit_reply r = ask("GET", path, NULL, NULL);
    assert_int_equal(r.status, 200);
    (void)str_copy(tag, 64, kit_reply_header(&r, "ETag"));
    assert_true(tag[0] == '"');
    kit_reply_done(&r);
}

/* --- versions --- */

static void an_edit_meets_the_version_it_was_made_for(void **state)
{
    static const struct {
        const char *collection, *create, *change;
    } rows[] = {
        {"/api/v1/checks", new_check, "{\"name\":\"d\"}"},
        {"/api/v1/servers", "{\"name\":\"s\",\"host\":\"192.0.2.1\"}", "{\"name\":\"t\"}"},
        {"/api/v1/channels",
         "{\"name\":\"n\",\"type\":\"email\",\"config\":{\"to\":[\"a@b.example\"]}}",
         "{\"name\":\"m\"}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[128], created[64], first[64], second[64];
        create(rows[i].collection, rows[i].create, path, created);
        get_tag(path, first);
        assert_int_equal(status_of("PATCH", path, if_match(first), rows[i].change), 200);
        get_tag(path, second);
        assert_string_not_equal(first, second);
        struct kit_reply r = ask("PUT", path, if_match(first), rows[i].change);
        assert_int_equal(r.status, 412);
        assert_string_equal(kit_reply_text(&r, "code"), "PRECONDITION_FAILED");
        kit_reply_done(&r);
        assert_int_equal(status_of("DELETE", path, if_match(first), NULL), 412);
        assert_int_equal(status_of("PUT", path, if_match(created), rows[i].change), 412);
        assert_int_equal(status_of("PUT", path, if_match("\"x\""), rows[i].change), 412);
        assert_int_equal(status_of("PUT", path, if_match("nonsense"), rows[i].change), 400);
        char both[160];
        (void)snprintf(both, sizeof(both), "%s, %s", first, second);
        assert_int_equal(status_of("PUT", path, if_match(both), rows[i].change), 200);
        assert_int_equal(status_of("PUT", path, if_match("*"), rows[i].change), 200);
        assert_int_equal(status_of("PUT", path, NULL, rows[i].change), 200);
        get_tag(path, second);
        assert_int_equal(status_of("DELETE", path, if_match(second), NULL), 204);
        assert_int_equal(status_of("DELETE", path, if_match(second), NULL), 404);
        assert_int_equal(status_of("DELETE", path, if_match("*"), NULL), 404);
    }
}

static void a_slug_and_ones_own_account_have_versions_too(void **state)
{
    char path[128], tag[64], old[64];
    create("/api/v1/servers", "{\"name\":\"Slug Me\",\"host\":\"192.0.2.1\"}", path, tag);
    get_tag("/api/v1/servers/slug-me", old);
    assert_int_equal(status_of("PUT", "/api/v1/servers/slug-me", if_match(old), "{\"port\":23}"),
                     200);
    assert_int_equal(status_of("PUT", "/api/v1/servers/slug-me", if_match(old), "{\"port\":24}"),
                     412);
    get_tag("/api/v1/users/me", old);
    assert_int_equal(
        status_of("PATCH", "/api/v1/users/me", if_match(old), "{\"username\":\"anna\"}"), 200);
    assert_int_equal(
        status_of("PATCH", "/api/v1/users/me", if_match(old), "{\"username\":\"anna\"}"), 412);
}

/* What Tocsin notes itself does not stand against saving a form. */
static void a_result_is_no_edit(void **state)
{
    char path[128], tag[64], before[64], after[64];
    create("/api/v1/checks", new_check, path, tag);
    get_tag(path, before);
    kit_sql(db,
            "UPDATE check_state SET last_run_at = now(), last_status = 'success' "
            "WHERE check_id = '%s'",
            path + strlen("/api/v1/checks/"));
    get_tag(path, after);
    assert_string_not_equal(before, after);
    char line[128];
    (void)snprintf(line, sizeof(line), "If-None-Match: %s", before);
    assert_int_equal(status_of("GET", path, line, NULL), 200);
    (void)snprintf(line, sizeof(line), "If-None-Match: %s", after);
    assert_int_equal(status_of("GET", path, line, NULL), 304);
    assert_int_equal(status_of("PUT", path, if_match(before), "{\"name\":\"e\"}"), 200);
}

struct one {
    pthread_t thread;
    const char *path, *header, *body, *method;
    int status;
    char id[64];
    bool is_replay;
};

static void *run_one(void *arg)
{
    struct one *o = arg;
    struct kit_reply r = ask(o->method, o->path, o->header, o->body);
    o->status = r.status;
    o->is_replay = str_eq(kit_reply_header(&r, "Idempotency-Replayed"), "true");
    (void)str_copy(o->id, sizeof(o->id), kit_reply_text(&r, "id"));
    kit_reply_done(&r);
    return NULL;
}

static void run_crowd(struct one *crowd, const struct one *what)
{
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = *what;
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, run_one, &crowd[i]), 0);
    }
    for (size_t i = 0; i < CROWD; i++)
        (void)pthread_join(crowd[i].thread, NULL);
}

/* Of many edits of one version one happens. */
static void no_edit_is_lost_in_a_crowd(void **state)
{
    char path[128], tag[64], line[128];
    create("/api/v1/checks", new_check, path, tag);
    for (int round = 0; round < 10; round++) {
        struct one crowd[CROWD];
        get_tag(path, tag);
        (void)snprintf(line, sizeof(line), "If-Match: %s", tag);
        run_crowd(crowd,
                  &(struct one){
                      .method = "PUT", .path = path, .header = line, .body = "{\"name\":\"f\"}"});
        int done = 0;
        for (size_t i = 0; i < CROWD; i++) {
            assert_true(crowd[i].status == 200 || crowd[i].status == 412);
            done += crowd[i].status == 200;
        }
        assert_int_equal(done, 1);
    }
}

/* A new table of things that people edit must not be forgotten. */
static void every_table_with_versions_guards_them(void **state)
{
    char *missing = kit_sql_text(
        db, "SELECT coalesce(string_agg(t.table_name, ', '), '') FROM information_schema.tables t "
            "WHERE t.table_schema = 'public' "
            "AND 2 = (SELECT count(*) FROM information_schema.columns c "
            "         WHERE c.table_name = t.table_name AND c.table_schema = 'public' "
            "         AND c.column_name IN ('id', 'updated_at')) "
            "AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.table_name::regclass "
            "                AND g.tgname = 'z_guard_version_update')");
    assert_string_equal(missing, "");
    free(missing);
}

/* --- repeats --- */

static int64_t checks_named(const char *name)
{
    return kit_sql_i64(db, "SELECT count(*) FROM checks WHERE name = '%s'", name);
}

static const char *named(const char *name)
{
    static char body[256];
    (void)snprintf(body, sizeof(body),
                   "{\"name\":\"%s\",\"plugin_type\":\"website\","
                   "\"config\":{\"url\":\"https://a.example\"}}",
                   name);
    return body;
}

static void a_repeat_gets_the_first_reply(void **state)
{
    static const char *const keys[] = {"Idempotency-Key: one", "Idempotency-Key: \"one\""};
    char id[64] = "", location[128] = "", tag[64] = "";
    for (size_t i = 0; i < 4; i++) {
        struct kit_reply r = ask("POST", "/api/v1/checks", keys[i % 2], named("once"));
        assert_int_equal(r.status, 201);
        assert_string_equal(kit_reply_header(&r, "Idempotency-Replayed"), i > 0 ? "true" : "");
        if (i == 0) {
            (void)str_copy(id, sizeof(id), kit_reply_text(&r, "id"));
            (void)str_copy(location, sizeof(location), kit_reply_header(&r, "Location"));
            (void)str_copy(tag, sizeof(tag), kit_reply_header(&r, "ETag"));
        }
        assert_string_equal(kit_reply_text(&r, "id"), id);
        assert_string_equal(kit_reply_header(&r, "Location"), location);
        assert_string_equal(kit_reply_header(&r, "ETag"), tag);
        assert_string_equal(kit_reply_header(&r, "Content-Type"), "application/json");
        kit_reply_done(&r);
    }
    assert_int_equal(checks_named("once"), 1);

    struct kit_reply r = ask("POST", "/api/v1/checks", keys[0], named("other"));
    assert_int_equal(r.status, 422);
    assert_string_equal(kit_reply_text(&r, "code"), "IDEMPOTENCY_KEY_REUSED");
    kit_reply_done(&r);
    assert_int_equal(status_of("POST", "/api/v1/servers", keys[0], named("once")), 422);
    assert_int_equal(checks_named("other"), 0);

    /* Another person's key is another one. */
    const struct kit_request q = {.port = api->port,
                                  .method = "POST",
                                  .path = "/api/v1/checks",
                                  .bearer = bert.access,
                                  .header = keys[0],
                                  .body = named("once")};
    r = kit_http(&q);
    assert_int_equal(r.status, 201);
    assert_string_equal(kit_reply_header(&r, "Idempotency-Replayed"), "");
    kit_reply_done(&r);
    assert_int_equal(checks_named("once"), 2);

    /* After its day the key is new. */
    kit_sql(db, "UPDATE idempotency_keys SET expires_at = now() - interval '1 second'");
    assert_int_equal(status_of("POST", "/api/v1/checks", keys[0], named("later")), 201);
    assert_int_equal(checks_named("later"), 1);
}

static void keys_have_a_form(void **state)
{
    static char long_key[300];
    memset(long_key, 'k', sizeof(long_key) - 1);
    memcpy(long_key, "Idempotency-Key: ", 17);
    static const struct {
        const char *header;
        int status;
    } rows[] = {
        {"Idempotency-Key: \"\"", 400},
        {"Idempotency-Key: a b", 400},
        {"Idempotency-Key: \"a\"b\"", 400},
        {"Idempotency-Key: caf\xc3\xa9", 400},
        {long_key, 400},
        {"Idempotency-Key: 8e03978e-40d5-43dd-bc93", 201},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const int status = status_of("POST", "/api/v1/checks", rows[i].header, named("form"));
        if (status != rows[i].status)
            fail_msg("%s: %d", rows[i].header, status);
    }
    assert_int_equal(checks_named("form"), 1);
}

/* A failure has no effect, and is not remembered. */
static void what_failed_may_be_tried_again(void **state)
{
    const char *key = "Idempotency-Key: fails";
    assert_int_equal(status_of("POST", "/api/v1/checks", key, "{\"name\":\"x\"}"), 422);
    assert_int_equal(status_of("POST", "/api/v1/checks", key, "{"), 400);
    char path[160];
    (void)snprintf(path, sizeof(path), "/api/v1/checks/%s/pause",
                   "01890000-0000-7000-8000-000000000000");
    assert_int_equal(status_of("POST", path, key, NULL), 404);
    assert_int_equal(status_of("POST", "/api/v1/checks", key, named("fails")), 201);
    assert_int_equal(status_of("POST", "/api/v1/checks", key, named("fails")), 201);
    assert_int_equal(checks_named("fails"), 1);
    /* A clash inside the held transaction is answered as ever. */
    const char *channel =
        "{\"name\":\"clash\",\"type\":\"email\",\"config\":{\"to\":[\"a@b.example\"]}}";
    assert_int_equal(status_of("POST", "/api/v1/channels", NULL, channel), 201);
    assert_int_equal(status_of("POST", "/api/v1/channels", "Idempotency-Key: clash", channel), 409);
}

static void a_crowd_with_one_key_makes_one_thing(void **state)
{
    for (int round = 0; round < 10; round++) {
        struct one crowd[CROWD];
        char key[64], name[32];
        (void)snprintf(key, sizeof(key), "Idempotency-Key: crowd-%d", round);
        (void)snprintf(name, sizeof(name), "crowd-%d", round);
        run_crowd(crowd, &(struct one){.method = "POST",
                                       .path = "/api/v1/checks",
                                       .header = key,
                                       .body = named(name)});
        int made = 0;
        const char *id = "";
        for (size_t i = 0; i < CROWD; i++) {
            assert_true(crowd[i].status == 201 || crowd[i].status == 409);
            made += crowd[i].status == 201 && !crowd[i].is_replay;
            if (crowd[i].status != 201)
                continue;
            assert_true(id[0] == '\0' || str_eq(id, crowd[i].id));
            id = crowd[i].id;
        }
        assert_int_equal(made, 1);
        assert_int_equal(checks_named(name), 1);
    }
}

/* Where the effect is outside the database, a request that never ended is never repeated. */
static void what_nobody_can_tell_is_not_repeated(void **state)
{
    const char *key = "Idempotency-Key: lost";
    const char *path = "/api/v1/queues/checks/purge";
    const char *body = "{\"state\":\"dead\"}";
    struct kit_reply r = ask("POST", path, key, body);
    assert_true(r.status < 300);
    kit_reply_done(&r);
    r = ask("POST", path, key, body);
    assert_true(r.status < 300);
    assert_string_equal(kit_reply_header(&r, "Idempotency-Replayed"), "true");
    kit_reply_done(&r);
    kit_sql(db, "UPDATE idempotency_keys SET status = NULL, reply = NULL WHERE key = 'lost'");
    r = ask("POST", path, key, body);
    assert_int_equal(r.status, 409);
    assert_string_equal(kit_reply_text(&r, "code"), "IDEMPOTENCY_KEY_IN_USE");
    assert_string_equal(kit_reply_header(&r, "Retry-After"), "1");
    kit_reply_done(&r);
    kit_sql(db, "UPDATE idempotency_keys SET running_until = now() WHERE key = 'lost'");
    r = ask("POST", path, key, body);
    assert_int_equal(r.status, 409);
    assert_string_equal(kit_reply_text(&r, "code"), "IDEMPOTENCY_INDETERMINATE");
    kit_reply_done(&r);
}

/* A key for the API is shown once, and kept sealed for the day that it may be asked for again. */
static void kept_replies_are_sealed(void **state)
{
    const char *key = "Idempotency-Key: secret";
    char text[128];
    struct kit_reply r = ask("POST", "/api/v1/api-keys", key, "{\"name\":\"k\"}");
    assert_int_equal(r.status, 201);
    (void)str_copy(text, sizeof(text), kit_reply_text(&r, "key"));
    kit_reply_done(&r);
    r = ask("POST", "/api/v1/api-keys", key, "{\"name\":\"k\"}");
    assert_string_equal(kit_reply_text(&r, "key"), text);
    assert_string_equal(kit_reply_header(&r, "Cache-Control"), "no-store");
    kit_reply_done(&r);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM idempotency_keys WHERE key = 'secret' "
                                     "AND position('tocsin_'::bytea in reply) > 0"),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_meets_the_version_it_was_made_for),
        cmocka_unit_test(a_slug_and_ones_own_account_have_versions_too),
        cmocka_unit_test(a_result_is_no_edit),
        cmocka_unit_test(no_edit_is_lost_in_a_crowd),
        cmocka_unit_test(every_table_with_versions_guards_them),
        cmocka_unit_test(a_repeat_gets_the_first_reply),
        cmocka_unit_test(keys_have_a_form),
        cmocka_unit_test(what_failed_may_be_tried_again),
        cmocka_unit_test(a_crowd_with_one_key_makes_one_thing),
        cmocka_unit_test(what_nobody_can_tell_is_not_repeated),
        cmocka_unit_test(kept_replies_are_sealed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
