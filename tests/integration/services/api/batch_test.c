/* Requests that one query answers: each gets its own reply. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "tests/kit/api.h"

enum { CALLERS = 24, ROUNDS = 12 };

static struct kit_api *api;
static struct db *db;
static struct kit_tokens anna, bert;
static char mine[128], his[128];

struct expectation {
    const char *path, *bearer, *header;
    int status;
    const char *text; /* in the body */
};

static struct expectation all[8];

static void expect_all(void)
{
    static const char nobody[] = "/api/v1/checks/01900000-0000-7000-8000-000000000000";
    const struct expectation rows[ARRAY_LEN(all)] = {
        {mine, anna.access, NULL, 200, "\"mine\""},
        {his, bert.access, NULL, 200, "\"his\""},
        {his, anna.access, NULL, 404, "CHECK_NOT_FOUND"},
        {mine, bert.access, NULL, 404, "CHECK_NOT_FOUND"},
        {nobody, anna.access, NULL, 404, "CHECK_NOT_FOUND"},
        {"/api/v1/checks/no-uuid", bert.access, NULL, 404, "no-uuid"},
        {mine, "nonsense", NULL, 401, "INVALID_CREDENTIALS"},
        {mine, anna.access, "X-Request-Id: seven", 200, "\"mine\""},
    };
    memcpy(all, rows, sizeof(all));
}

static int setup(void **state)
{
    json_setup();
    const char *database = kit_database();
    db = kit_db_open(database);
    const struct uuid org = kit_organisation(db), other_org = kit_organisation(db);
    kit_api_user(db, &org, "anna", "admin");
    kit_api_user(db, &other_org, "bert", "viewer");
    /* Without the cache every one of them goes to the database. */
    api = kit_api_start(database, kit_redis(), &(struct kit_api_options){.has_no_cache = true});
    anna = kit_sign_in(api, "anna");
    bert = kit_sign_in(api, "bert");
    const struct uuid a = kit_check(db, &org, "mine"), b = kit_check(db, &other_org, "his");
    (void)snprintf(mine, sizeof(mine), "/api/v1/checks/%s", kit_id(&a));
    (void)snprintf(his, sizeof(his), "/api/v1/checks/%s", kit_id(&b));
    expect_all();
    return 0;
}

static int teardown(void **state)
{
    kit_api_stop(api);
    db_free(db);
    return 0;
}

struct caller {
    pthread_t thread;
    size_t number;
    int wrong;
};

static void *call(void *arg)
{
    struct caller *c = arg;
    for (size_t i = 0; i < ROUNDS; i++) {
        const struct expectation *e = &all[(c->number + i) % ARRAY_LEN(all)];
        const struct kit_request q = {
            .port = api->port, .path = e->path, .bearer = e->bearer, .header = e->header};
        struct kit_reply r = kit_http(&q);
        AUTO_FREE char *text = json_dumps(r.json, 0);
        c->wrong += r.status != e->status || !text || !strstr(text, e->text);
        if (e->header)
            c->wrong += !str_eq(kit_reply_header(&r, "X-Request-Id"), "seven");
        kit_reply_done(&r);
    }
    return NULL;
}

static void each_of_many_gets_its_own(void **state)
{
    struct caller callers[CALLERS];
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.number = i};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        (void)pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].wrong, 0);
    }
}

static void one_alone_is_no_different(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const struct expectation *e = &all[i];
        assert_int_equal(kit_status(api, "GET", e->path, e->bearer, NULL), e->status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_many_gets_its_own),
        cmocka_unit_test(one_alone_is_no_different),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
