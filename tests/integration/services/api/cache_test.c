/* Kept replies: that they are, and that nobody ever sees an older state than he knows of. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "base/str.h"
#include "json/parse.h"
#include "tests/kit/api.h"
#include "tests/kit/redis_server.h"

static const char *database;
static struct db *db;
static struct uuid org, other_org;
static struct redis_server server; /* of this program's own: it is killed */

static int setup(void **state)
{
    json_setup();
    database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    other_org = kit_organisation(db);
    kit_api_user(db, &org, "anna", "admin");
    kit_api_user(db, &other_org, "bert", "admin");
    redis_server_init(&server, "cache");
    redis_server_start(&server);
    return 0;
}

static int teardown(void **state)
{
    redis_server_kill(&server);
    db_free(db);
    return 0;
}

static const char list[] = "/api/v1/checks?per_page=100";

/* The X-Cache of a list: "hit", "miss" or "". */
static const char *cached(const struct kit_api *api, const char *bearer, const char *path,
                          const char *header)
{
    static char text[32];
    const struct kit_request q = {
        .port = api->port, .path = path, .bearer = bearer, .header = header};
    struct kit_reply r = kit_http(&q);
    assert_true(r.status == 200 || r.status == 304);
    (void)str_copy(text, sizeof(text), kit_reply_header(&r, "X-Cache"));
    kit_reply_done(&r);
    return text;
}

static void a_list_is_kept_until_something_changes(void **state)
{
    struct kit_api *a = kit_api_start(database, server.url, NULL);
    struct kit_api *b = kit_api_start(database, server.url, NULL);
    const struct kit_tokens anna = kit_sign_in(a, "anna"), bert = kit_sign_in(a, "bert");
    const struct uuid id = kit_check(db, &org, "first");
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/checks/%s", kit_id(&id));

    /* What was read the first time is not read the second, by any process; 1 to 4 learn Redis. */
    assert_true(kit_wait(str_eq(cached(a, anna.access, list, NULL), "hit"), KIT_PATIENCE_MS));
    struct kit_reply first = kit_call(a, "GET", list, anna.access, NULL);
    struct kit_reply second = kit_call(b, "GET", list, anna.access, NULL);
    assert_string_equal(kit_reply_header(&first, "X-Cache"), "hit");
    assert_string_equal(kit_reply_header(&second, "X-Cache"), "hit");
    assert_true(json_equal(first.json, second.json));
    static const char *const same[] = {"ETag", "Link", "Content-Type", "Cache-Control"};
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        char text[256];
        (void)str_copy(text, sizeof(text), kit_reply_header(&first, same[i]));
        assert_true(text[0] != '\0');
        assert_string_equal(text, kit_reply_header(&second, same[i]));
    }
    assert_true(kit_reply_header(&first, "RateLimit-Limit")[0] != '\0');
    char line[128];
    (void)snprintf(line, sizeof(line), "If-None-Match: %s", kit_reply_header(&first, "ETag"));
    const struct kit_request known = {
        .port = b->port, .path = list, .bearer = anna.access, .header = line};
    struct kit_reply unchanged = kit_http(&known);
    assert_int_equal(unchanged.status, 304);
    kit_reply_done(&unchanged);
    kit_reply_done(&first);
    kit_reply_done(&second);

    /* Another query, coding or organisation is another list. */
    assert_string_equal(cached(a, anna.access, "/api/v1/checks?per_page=99", NULL), "miss");
    assert_string_equal(cached(a, anna.access, list, "Accept-Encoding: gzip"), "miss");
    assert_string_equal(cached(a, anna.access, list, "Accept-Encoding: gzip"), "hit");
    assert_string_equal(cached(a, bert.access, list, NULL), "miss");
    assert_string_equal(cached(a, bert.access, list, NULL), "hit");

    /* One check is kept where it was asked for twice, and by nobody else. */
    assert_string_equal(cached(a, anna.access, path, NULL), "miss");
    assert_string_equal(cached(a, anna.access, path, NULL), "miss");
    assert_string_equal(cached(a, anna.access, path, NULL), "hit");
    assert_string_equal(cached(b, anna.access, path, NULL), "miss");
    assert_int_equal(kit_status(a, "GET", path, bert.access, NULL), 404);

    /* An edit through one process is an edit for all, of this organisation alone. */
    assert_int_equal(kit_status(b, "PATCH", path, anna.access, "{\"name\":\"second\"}"), 200);
    assert_string_equal(cached(a, anna.access, list, NULL), "miss");
    assert_string_equal(cached(a, anna.access, path, NULL), "miss");
    assert_string_equal(cached(b, anna.access, list, NULL), "hit");
    assert_string_equal(cached(a, bert.access, list, NULL), "hit");
    assert_int_equal(kit_status(b, "PATCH", path, anna.access, "{\"name\":\"\"}"), 422);
    assert_string_equal(cached(a, anna.access, list, NULL), "hit");

    /* Results change lists of checks and of results, not those of channels. */
    assert_string_equal(cached(a, anna.access, "/api/v1/channels", NULL), "miss");
    assert_string_equal(cached(a, anna.access, "/api/v1/results", NULL), "miss");
    kit_sql(db, "SELECT raise_generation(id, 1::smallint) FROM organisations");
    assert_string_equal(cached(a, anna.access, "/api/v1/channels", NULL), "hit");
    assert_string_equal(cached(a, anna.access, "/api/v1/results", NULL), "miss");
    assert_string_equal(cached(a, bert.access, list, NULL), "miss");
    kit_api_stop(a);
    kit_api_stop(b);
}

/* --- the property: whoever knows of a write sees it, or a later one --- */

enum { WRITERS = 2, READERS = 3, WRITES = 30 };

struct race {
    struct kit_api *apis[2];
    const char *bearer;
    char path[WRITERS][128];
    char id[WRITERS][64];
    _Atomic int64_t acknowledged[WRITERS];
    _Atomic int64_t reads, stale;
    atomic_bool is_over;
};
struct racer {
    pthread_t thread;
    struct race *race;
    size_t number;
};

static void *write_on(void *arg)
{
    struct racer *w = arg;
    struct race *race = w->race;
    for (int64_t n = 1; n <= WRITES; n++) {
        char body[64];
        (void)snprintf(body, sizeof(body), "{\"name\":\"%lld\"}", (long long)n);
        const int status = kit_status(race->apis[rand_below(2)], "PATCH", race->path[w->number],
                                      race->bearer, body);
        if (status == 200)
            atomic_store(&race->acknowledged[w->number], n);
    }
    return NULL;
}

static int64_t number_of(const struct kit_reply *r, const char *id)
{
    size_t i = 0;
    json_t *check = NULL;
    int64_t n = -1;
    json_array_foreach (json_object_get(r->json, "checks"), i, check) {
        if (str_eq(json_string_value(json_object_get(check, "id")), id) &&
            str_to_i64(json_string_value(json_object_get(check, "name")), &n) != ST_OK)
            n = -1;
    }
    return n;
}

static void *read_on(void *arg)
{
    struct racer *me = arg;
    struct race *race = me->race;
    while (!atomic_load(&race->is_over)) {
        int64_t known[WRITERS];
        for (size_t i = 0; i < WRITERS; i++)
            known[i] = atomic_load(&race->acknowledged[i]);
        struct kit_reply r = kit_call(race->apis[rand_below(2)], "GET", list, race->bearer, NULL);
        if (r.status == 200) {
            (void)atomic_fetch_add(&race->reads, 1);
            for (size_t i = 0; i < WRITERS; i++) {
                if (number_of(&r, race->id[i]) < known[i])
                    (void)atomic_fetch_add(&race->stale, 1);
            }
        }
        kit_reply_done(&r);
    }
    return NULL;
}

static void no_read_after_a_write_is_older_than_it(void **state)
{
    static struct race race;
    for (size_t i = 0; i < ARRAY_LEN(race.apis); i++)
        race.apis[i] = kit_api_start(database, server.url, NULL);
    const struct kit_tokens anna = kit_sign_in(race.apis[0], "anna");
    race.bearer = anna.access;
    struct racer writers[WRITERS], readers[READERS];
    for (size_t i = 0; i < WRITERS; i++) {
        const struct uuid id = kit_check(db, &org, "0");
        (void)str_copy(race.id[i], sizeof(race.id[i]), kit_id(&id));
        (void)snprintf(race.path[i], sizeof(race.path[i]), "/api/v1/checks/%s", race.id[i]);
        writers[i] = (struct racer){.race = &race, .number = i};
    }
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct racer){.race = &race};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
    }
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
    for (size_t i = 0; i < WRITERS; i++)
        (void)pthread_join(writers[i].thread, NULL);
    atomic_store(&race.is_over, true);
    for (size_t i = 0; i < READERS; i++)
        (void)pthread_join(readers[i].thread, NULL);
    assert_int_equal(atomic_load(&race.stale), 0);
    assert_true(atomic_load(&race.reads) > 0);
    /* On a busy machine each read may have met a write: whether anything is kept is seen after it.
     */
    assert_true(
        kit_wait(str_eq(cached(race.apis[0], race.bearer, list, NULL), "hit"), KIT_PATIENCE_MS));
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(atomic_load(&race.acknowledged[i]), WRITES);
    for (size_t i = 0; i < ARRAY_LEN(race.apis); i++)
        kit_api_stop(race.apis[i]);
}

/* --- without Redis --- */

static void lists_go_on_without_redis(void **state)
{
    struct kit_api *api = kit_api_start(database, server.url, NULL);
    const struct kit_tokens anna = kit_sign_in(api, "anna");
    const struct uuid id = kit_check(db, &org, "alone");
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/checks/%s", kit_id(&id));
    assert_true(kit_wait(str_eq(cached(api, anna.access, list, NULL), "hit"), KIT_PATIENCE_MS));
    redis_server_kill(&server);
    assert_string_equal(cached(api, anna.access, list, NULL), "hit"); /* this process's own */
    assert_string_equal(cached(api, anna.access, "/api/v1/checks?per_page=98", NULL), "miss");
    assert_string_equal(cached(api, anna.access, "/api/v1/checks?per_page=98", NULL), "hit");
    assert_int_equal(kit_status(api, "PATCH", path, anna.access, "{\"name\":\"unheard\"}"), 200);
    struct kit_reply r = kit_call(api, "GET", list, anna.access, NULL);
    assert_int_equal(r.status, 200);
    AUTO_FREE char *text = json_dumps(r.json, 0);
    assert_non_null(strstr(text, "unheard"));
    kit_reply_done(&r);

    /* Back again, with what it knew before: none of that is served. */
    redis_server_start(&server);
    const int64_t began = kit_real_mono_ms();
    while (kit_real_mono_ms() - began < 600) {
        r = kit_call(api, "GET", list, anna.access, NULL);
        AUTO_FREE char *again = json_dumps(r.json, 0);
        assert_non_null(strstr(again, "unheard"));
        kit_reply_done(&r);
    }
    kit_api_stop(api);
}

/* --- changes that no process of the API makes --- */

/* The names in the list, as text. */
static const char *seen(const struct kit_api *api, const char *bearer, const char *path)
{
    static char text[4096];
    struct kit_reply r = kit_call(api, "GET", path, bearer, NULL);
    assert_int_equal(r.status, 200);
    AUTO_FREE char *all = json_dumps(r.json, 0);
    (void)str_copy(text, sizeof(text), strstr(all, "by hand") ? strstr(all, "by hand") : "");
    text[MIN_OF(strcspn(text, "\""), sizeof(text) - 1)] = '\0';
    kit_reply_done(&r);
    return text;
}

static void whoever_writes_to_the_database_is_seen_at_once(void **state)
{
    struct kit_api *api = kit_api_start(database, server.url, NULL);
    const struct kit_tokens anna = kit_sign_in(api, "anna");
    const struct uuid id = kit_check(db, &org, "by hand 1"), other = kit_check(db, &org, "other");
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/checks/%s", kit_id(&id));
    for (int i = 0; i < 3; i++) {
        assert_string_equal(seen(api, anna.access, list), "by hand 1");
        assert_string_equal(seen(api, anna.access, path), "by hand 1");
    }
    assert_string_equal(cached(api, anna.access, list, NULL), "hit");
    assert_string_equal(cached(api, anna.access, path, NULL), "hit");

    /* Two transactions at once: neither waits for the other, and each is seen from its commit on.
     */
    struct db *second = kit_db_open(database);
    kit_sql(second, "SET lock_timeout = '1s'; BEGIN; UPDATE checks SET name = 'x' WHERE id = '%s'",
            kit_id(&other));
    kit_sql(db, "BEGIN; UPDATE checks SET name = 'by hand 2' WHERE id = '%s'", kit_id(&id));
    assert_string_equal(cached(api, anna.access, list, NULL), "hit");
    kit_sql(db, "COMMIT");
    assert_string_equal(seen(api, anna.access, list), "by hand 2");
    assert_string_equal(seen(api, anna.access, path), "by hand 2");
    assert_string_equal(cached(api, anna.access, list, NULL), "hit");
    assert_string_equal(cached(api, anna.access, path, NULL), "hit");
    kit_sql(second, "COMMIT");
    assert_string_equal(cached(api, anna.access, list, NULL), "miss");

    /* What was rolled back was nothing; savepoints and repetitions within a transaction are fine.
     */
    kit_sql(second, "BEGIN; UPDATE checks SET name = 'y' WHERE id = '%s'; ROLLBACK", kit_id(&id));
    assert_string_equal(cached(api, anna.access, list, NULL), "hit");
    kit_sql(second,
            "BEGIN; SAVEPOINT a; UPDATE checks SET name = 'y' WHERE id = '%s'; ROLLBACK TO a;"
            " UPDATE checks SET name = 'by hand 3' WHERE id = '%s';"
            " UPDATE checks SET retries = 3 WHERE id = '%s'; COMMIT",
            kit_id(&id), kit_id(&id), kit_id(&id));
    assert_string_equal(seen(api, anna.access, list), "by hand 3");
    assert_string_equal(seen(api, anna.access, path), "by hand 3");
    db_free(second);
    kit_api_stop(api);
}

static void the_cache_can_be_switched_off(void **state)
{
    const struct kit_api_options off = {.has_no_cache = true};
    struct kit_api *api = kit_api_start(database, server.url, &off);
    const struct kit_tokens anna = kit_sign_in(api, "anna");
    for (int i = 0; i < 3; i++)
        assert_string_equal(cached(api, anna.access, list, NULL), "");
    struct kit_reply r = kit_call(api, "GET", "/api/v1/health", NULL, NULL);
    assert_true(json_is_false(json_object_get(r.json, "cache_enabled")));
    kit_reply_done(&r);
    kit_api_stop(api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_kept_until_something_changes),
        cmocka_unit_test(no_read_after_a_write_is_older_than_it),
        cmocka_unit_test(lists_go_on_without_redis),
        cmocka_unit_test(whoever_writes_to_the_database_is_seen_at_once),
        cmocka_unit_test(the_cache_can_be_switched_off),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
