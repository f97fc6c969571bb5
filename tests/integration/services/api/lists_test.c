/* Every list in every order it offers, by page, by offset, by cursor and by its links. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/vec.h"
#include "json/parse.h"
#include "store/list.h"
#include "tests/kit/api.h"

enum { ROWS = 23 };

static struct db *db;
static struct kit_api *api;
static struct kit_tokens anna;
static struct uuid org;

/* Instants repeat, so that order and cursor have to fall back on the id. */
static void make_rows(void)
{
    const char *id = kit_id(&org);
    const struct uuid check = kit_check(db, &org, "lists");
    kit_sql(db,
            "INSERT INTO checks (id, org_id, name, kind, plugin_type, schedule, shard, created_at, "
            "updated_at) SELECT uuid7(), '%s', 'c' || n %% 5, 'website', 'website', "
            "'every 5 minutes', 0, now() - n / 3 * interval '1 minute', "
            "now() - n %% 7 * interval '1 hour' FROM generate_series(1, %d) n",
            id, ROWS);
    kit_sql(db,
            "INSERT INTO check_state (check_id, state, last_run_at) "
            "SELECT id, (ARRAY['up', 'down'])[1 + legacy_id %% 2], "
            "CASE WHEN legacy_id %% 3 > 0 THEN now() - legacy_id %% 4 * interval '1 minute' END "
            "FROM checks WHERE name <> 'lists'");
    kit_sql(
        db,
        "INSERT INTO incidents (id, org_id, check_name, title, cause, started_at, severity, "
        "status, updated_at) SELECT uuid7(), '%s', 'c' || n %% 5, 't', 'c', "
        "now() - n / 3 * interval '1 minute', (ARRAY['info', 'warning', 'critical'])[1 + n %% 3], "
        "(ARRAY['resolved', 'open'])[1 + n %% 2], now() - n %% 7 * interval '1 hour' FROM generate_series(1, %d) n",
        id, ROWS);
    kit_sql(
        db,
        "INSERT INTO outbox (id, org_id, event, sequence, channel_type, payload, status, "
        "attempts, created_at, finished_at) SELECT uuid7(), '%s', 'check.down', n, 'webhook', "
        "'{\"check_name\":\"c\"}', "
        "(ARRAY['delivered', 'failed', 'pending'])[1 + n %% 3], n %% 4, now() - n / 3 * interval '1 minute', "
        "CASE WHEN n %% 2 = 0 THEN now() END FROM generate_series(1, %d) n",
        id, ROWS);
    kit_sql(db,
            "INSERT INTO channels (id, org_id, name, type, created_at) SELECT uuid7(), '%s', "
            "'channel ' || n, 'email', now() - n / 3 * interval '1 minute' "
            "FROM generate_series(1, %d) n",
            id, ROWS);
    kit_sql(db,
            "INSERT INTO results (check_id, slot_at, location, trigger, id, org_id, status, "
            "message, executed_at) SELECT '%s', now() - n / 3 * interval '1 minute', 'l' || n, "
            "'schedule', uuid7(), '%s', 'success', 'm', now() FROM generate_series(1, %d) n",
            kit_id(&check), id, ROWS);
    kit_sql(db,
            "INSERT INTO api_keys (id, org_id, name, prefix, key_hash, scopes, created_at) "
            "SELECT uuid7(), '%s', 'k' || n, 'p' || n, '\\x00', '{}', "
            "now() - n / 3 * interval '1 minute' FROM generate_series(1, %d) n",
            id, ROWS);
    kit_sql(db,
            "INSERT INTO schedules (id, org_id, name, task, schedule, shard, created_at, "
            "updated_at) SELECT uuid7(), '%s', 's' || n, 'queue.echo', 'every hour', 0, "
            "now() - n / 3 * interval '1 minute', now() - n %% 7 * interval '1 hour' "
            "FROM generate_series(1, %d) n",
            id, ROWS);
    kit_sql(db,
            "INSERT INTO users (id, org_id, username, email, password_hash, role, created_at) "
            "SELECT uuid7(), '%s', 'u' || n, 'u' || n || '@example.com', 'x', 'viewer', "
            "now() - n / 3 * interval '1 minute' FROM generate_series(1, %d) n",
            id, ROWS);
    kit_sql(db,
            "INSERT INTO invitations (id, org_id, role, token_hash, created_at, expires_at) "
            "SELECT uuid7(), '%s', 'viewer', sha256(n::text::bytea), "
            "now() - n / 3 * interval '1 minute', now() + interval '1 day' "
            "FROM generate_series(1, %d) n",
            id, ROWS);
}

static int setup(void **state)
{
    json_setup();
    const char *database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    kit_api_user(db, &org, "anna", "admin");
    make_rows();
    api = kit_api_start(database, kit_redis(), &(struct kit_api_options){.has_no_cache = true});
    anna = kit_sign_in(api, "anna");
    return 0;
}

static int teardown(void **state)
{
    kit_api_stop(api);
    db_free(db);
    return 0;
}

static const struct list {
    const char *path, *name;
    bool has_cursor;
    const char *sorts[16];
} lists[] = {
    {"/api/v1/incidents",
     "incidents",
     true,
     {"-started_at", "started_at", "updated_at", "-updated_at", "severity", "-severity", "status",
      "-status", "check_name", "-check_name"}},
    {"/api/v1/deliveries",
     "deliveries",
     true,
     {"-created_at", "created_at", "finished_at", "-finished_at", "status", "-status", "attempts",
      "-attempts"}},
    {"/api/v1/results", "results", true, {"-executed_at", "executed_at"}},
    {"/api/v1/audit", "entries", true, {"-at", "at"}},
    {"/api/v1/channels",
     "channels",
     false,
     {"-created_at", "created_at", "name", "-name", "type", "-type", "updated_at", "-updated_at"}},
    {"/api/v1/api-keys",
     "api_keys",
     false,
     {"-created_at", "created_at", "name", "-name", "last_used_at", "-last_used_at", "expires_at",
      "-expires_at"}},
    {"/api/v1/schedules",
     "schedules",
     true,
     {"-created_at", "created_at", "name", "-name", "task", "-task", "updated_at", "-updated_at",
      "last_run", "-last_run"}},
    {"/api/v1/users", "users", true, {"created_at"}},
    {"/api/v1/invitations", "invitations", true, {"-created_at"}},
    {"/api/v1/checks",
     "checks",
     true,
     {"-created_at", "created_at", "name", "-name", "state", "-state", "last_run", "-last_run",
      "updated_at", "-updated_at"}},
};

/* The ids of all pages, one after the other. */
struct ids {
    char **at;
    size_t count, cap;
};

static void ids_done(struct ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        free(ids->at[i]);
    vec_done(ids);
}

static bool add_page(struct ids *ids, const struct list *l, const char *path, char *next,
                     size_t size, const char *follow)
{
    struct kit_reply r = kit_call(api, "GET", path, anna.access, NULL);
    if (r.status != 200)
        fail_msg("%s: %d", path, r.status);
    const json_t *rows = json_object_get(r.json, l->name);
    assert_true(json_is_array(rows));
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach (rows, i, row) {
        char *id = strdup(json_string_value(json_object_get(row, "id")));
        assert_ok(vec_push(ids, id));
    }
    assert_true(strstr(kit_reply_header(&r, "Link"), "rel=\"first\"") != NULL);
    const bool has_next = str_copy(next, size, kit_reply_text(&r, follow)) && next[0] != '\0';
    kit_reply_done(&r);
    return has_next;
}

static void assert_same(const struct ids *a, const struct ids *b, const char *what)
{
    if (a->count != b->count)
        fail_msg("%s: %zu rows, not %zu", what, b->count, a->count);
    for (size_t i = 0; i < a->count; i++) {
        if (!str_eq(a->at[i], b->at[i]))
            fail_msg("%s: row %zu differs", what, i);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(b->at[i], b->at[j]);
    }
}

/* By its next links, whatever they say, from a first page of the given size. */
static void follow_links(struct ids *ids, const struct list *l, const char *query)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s?%s", l->path, query);
    while (add_page(ids, l, path, path, sizeof(path), "next"))
        ;
}

static void follow_cursor(struct ids *ids, const struct list *l, int64_t limit)
{
    char path[512], cursor[128];
    (void)snprintf(path, sizeof(path), "%s?per_page=%lld", l->path, (long long)limit);
    while (add_page(ids, l, path, cursor, sizeof(cursor), "next_cursor"))
        (void)snprintf(path, sizeof(path), "%s?per_page=%lld&cursor=%s", l->path, (long long)limit,
                       cursor);
}

static void pages_make_up_the_list(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (size_t s = 0; lists[i].sorts[s]; s++) {
            struct ids all = {0}, by_page = {0}, by_offset = {0};
            char query[128];
            (void)snprintf(query, sizeof(query), "per_page=100&sort=%s", lists[i].sorts[s]);
            follow_links(&all, &lists[i], query);
            (void)snprintf(query, sizeof(query), "per_page=7&sort=%s", lists[i].sorts[s]);
            follow_links(&by_page, &lists[i], query);
            (void)snprintf(query, sizeof(query), "limit=9&sort=%s", lists[i].sorts[s]);
            follow_links(&by_offset, &lists[i], query);
            assert_true(all.count > 0);
            assert_same(&all, &by_page, query);
            assert_same(&all, &by_offset, query);
            ids_done(&all);
            ids_done(&by_page);
            ids_done(&by_offset);
        }
    }
}

/* What a list's order says is the reverse of what the same one with - says, ties and all. */
static void orders_have_their_reverse(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (size_t s = 0; lists[i].sorts[s]; s++) {
            struct ids there = {0}, back = {0};
            char query[128], what[256];
            if (lists[i].sorts[s][0] != '-' || !lists[i].sorts[1])
                continue;
            (void)snprintf(query, sizeof(query), "per_page=100&sort=%s", lists[i].sorts[s]);
            (void)snprintf(what, sizeof(what), "%s?%s", lists[i].path, query);
            follow_links(&there, &lists[i], query);
            (void)snprintf(query, sizeof(query), "per_page=7&sort=%s", lists[i].sorts[s] + 1);
            follow_links(&back, &lists[i], query);
            list_turn(back.at, back.count, sizeof(*back.at));
            assert_same(&there, &back, what);
            ids_done(&there);
            ids_done(&back);
        }
    }
}

static void cursors_walk_the_list(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if (!lists[i].has_cursor)
            continue;
        for (int64_t limit = 1; limit <= 8; limit += 7) {
            struct ids all = {0}, by_cursor = {0}, by_links = {0};
            char query[256], next[128];
            follow_links(&all, &lists[i], "per_page=100");
            follow_cursor(&by_cursor, &lists[i], limit);
            assert_same(&all, &by_cursor, lists[i].path);
            /* … and once on a cursor, its links lead to the end as well */
            (void)snprintf(query, sizeof(query), "%s?per_page=%lld", lists[i].path,
                           (long long)limit);
            assert_true(add_page(&by_links, &lists[i], query, next, sizeof(next), "next_cursor"));
            (void)snprintf(query, sizeof(query), "per_page=%lld&cursor=%s", (long long)limit, next);
            follow_links(&by_links, &lists[i], query);
            assert_same(&all, &by_links, lists[i].path);
            ids_done(&all);
            ids_done(&by_cursor);
            ids_done(&by_links);
        }
    }
}

/* What comes meanwhile neither repeats nor hides a row. */
static void a_cursor_holds_its_place(void **state)
{
    const struct list *incidents = &lists[0];
    struct ids before = {0}, walked = {0};
    char path[256], cursor[128];
    follow_links(&before, incidents, "per_page=100");
    (void)snprintf(path, sizeof(path), "%s?per_page=5", incidents->path);
    while (add_page(&walked, incidents, path, cursor, sizeof(cursor), "next_cursor")) {
        kit_sql(db,
                "INSERT INTO incidents (id, org_id, check_name, title, cause, started_at, status) "
                "VALUES (uuid7(), '%s', 'new', 't', 'c', now(), 'resolved')",
                kit_id(&org));
        (void)snprintf(path, sizeof(path), "%s?per_page=5&after=%s", incidents->path, cursor);
    }
    assert_same(&before, &walked, "while rows come");
    ids_done(&before);
    ids_done(&walked);
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const queries[] = {"sort=nonsense",  "sort=",
                                          "sort=name;drop", "page=0",
                                          "page=x",         "per_page=0",
                                          "per_page=101",   "limit=0",
                                          "offset=-1",      "limit=99999999999999999999"};
    char path[256];
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (size_t q = 0; q < ARRAY_LEN(queries); q++) {
            (void)snprintf(path, sizeof(path), "%s?%s", lists[i].path, queries[q]);
            if (kit_status(api, "GET", path, anna.access, NULL) != 422)
                fail_msg("%s", path);
        }
        if (!lists[i].has_cursor)
            continue;
        (void)snprintf(path, sizeof(path), "%s?cursor=nonsense", lists[i].path);
        assert_int_equal(kit_status(api, "GET", path, anna.access, NULL), 422);
        if (!lists[i].sorts[1])
            continue;
        (void)snprintf(path, sizeof(path), "%s?sort=%s&cursor=1-%s", lists[i].path,
                       lists[i].sorts[1], kit_id(&org));
        assert_int_equal(kit_status(api, "GET", path, anna.access, NULL), 422);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_make_up_the_list),
        cmocka_unit_test(orders_have_their_reverse),
        cmocka_unit_test(cursors_walk_the_list),
        cmocka_unit_test(a_cursor_holds_its_place),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
