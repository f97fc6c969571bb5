/* The audit log: no change without a record, and who it was. */
#include "store/audit.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "store/housekeeping.h"
#include "tests/kit/kit.h"

static struct db *db;
static struct uuid org;

static int setup(void **state)
{
    db = kit_db_open(kit_database());
    org = kit_organisation(db);
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

/* Tables of an organisation whose changes nobody decides on, or that are a record themselves. */
static const struct {
    const char *table, *why;
} exempt[] = {
    {"audit_log", "is the record"},
    {"results", "measured"},
    {"result_tallies", "counts of results"},
    {"check_counts", "counts of checks"},
    {"check_state", "follows from results; pausing changes the check, which is recorded"},
    {"check_last_runs", "the order of check_state"},
    {"transitions", "follow from results; pausing changes the check, which is recorded"},
    {"incidents", "made by the recorder; what people do to them is in incident_events"},
    {"generations", "which state the other tables are in"},
    {"outbox", "deliveries, each with its own record"},
    {"idempotency_keys", "replies kept for a day; what they tell of is recorded itself"},
};

static void every_table_of_an_organisation_is_audited(void **state)
{
    AUTO_BUF list;
    buf_init(&list, 4096);
    for (size_t i = 0; i < ARRAY_LEN(exempt); i++) {
        assert_true(strlen(exempt[i].why) > 0);
        buf_printf(&list, "%s'%s'", i > 0 ? "," : "", exempt[i].table);
    }
    AUTO_FREE char *bare = kit_sql_text(
        db,
        "SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c"
        " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND c.relnamespace = 'public'::regnamespace"
        " AND (EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid"
        "              AND a.attname = 'org_id' AND NOT a.attisdropped)"
        "      OR c.relname IN ('organisations', 'check_channels'))"
        " AND c.relname NOT IN (%s)"
        " AND NOT EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'audit')",
        buf_cstr(&list));
    if (bare && bare[0])
        fail_msg("without an audit trigger: %s. Give them one in their migration, as "
                 "migrations/*_audit.sql does, or name them here with the reason",
                 bare);
}

/* Columns that hold a hash or a sealed secret are masked wherever they are recorded. */
static void secret_columns_are_masked(void **state)
{
    AUTO_FREE char *bare = kit_sql_text(
        db, "SELECT string_agg(c.relname || '.' || a.attname, ', ')"
            " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped AND a.attnum > 0"
            " WHERE t.tgname = 'audit'"
            " AND (a.atttypid = 'bytea'::regtype OR a.attname ~ '(hash|secret|password|token)')"
            " AND a.attname <> 'token_epoch'"
            " AND position(a.attname IN encode(t.tgargs, 'escape')) = 0");
    if (bare && bare[0])
        fail_msg("recorded in clear: %s", bare);
}

static void add_user(const char *name, struct uuid *id)
{
    *id = uuid_new();
    char org_text[UUID_TEXT_BYTES];
    uuid_format(&org, org_text);
    kit_sql(db,
            "INSERT INTO users (id, org_id, username, email, password_hash, role)"
            " VALUES ('%s', '%s', '%s', '%s@example.test', 'a hash', 'viewer')",
            kit_id(id), org_text, name, name);
}

static void what_changed_is_recorded(void **state)
{
    struct uuid id;
    add_user("wanda", &id);
    kit_sql(db, "UPDATE users SET role = 'operator', password_hash = 'another' WHERE id = '%s'",
            kit_id(&id));
    /* nothing changed, or nothing that anybody decided */
    kit_sql(db, "UPDATE users SET role = 'operator' WHERE id = '%s'", kit_id(&id));
    kit_sql(db,
            "UPDATE users SET last_login_at = now(), token_epoch = token_epoch + 1"
            " WHERE id = '%s'",
            kit_id(&id));
    kit_sql(db, "DELETE FROM users WHERE id = '%s'", kit_id(&id));
    AUTO_FREE char *all = kit_sql_text(
        db,
        "SELECT string_agg(action || ' ' || object_name || ' ' || actor_type, '; ' ORDER BY at)"
        " FROM audit_log WHERE object_id = '%s'",
        kit_id(&id));
    assert_string_equal(all, "user.create wanda system; user.update wanda system; "
                             "user.delete wanda system");
    AUTO_FREE char *before = kit_sql_text(
        db, "SELECT before::text FROM audit_log WHERE object_id = '%s' AND action = 'user.update'",
        kit_id(&id));
    AUTO_FREE char *after = kit_sql_text(
        db, "SELECT after::text FROM audit_log WHERE object_id = '%s' AND action = 'user.update'",
        kit_id(&id));
    assert_string_equal(before, "{\"role\": \"viewer\", \"password_hash\": \"***\"}");
    assert_string_equal(after, "{\"role\": \"operator\", \"password_hash\": \"***\"}");
    assert_int_equal(
        kit_sql_i64(db,
                    "SELECT count(*) FROM audit_log WHERE before::text || after::text ~ 'hash\": "
                    "\"(a|an)'"),
        0);
}

static void what_services_write_all_the_time_is_not(void **state)
{
    struct uuid check = kit_check(db, &org, "quiet");
    const int64_t before = kit_sql_i64(db, "SELECT count(*) FROM audit_log");
    kit_sql(db, "UPDATE check_state SET state = 'up', last_run_at = now() WHERE check_id = '%s'",
            kit_id(&check));
    kit_sql(db, "UPDATE hosts SET last_seen_at = now(), last_metrics_at = now()");
    kit_sql(db, "UPDATE api_keys SET last_used_at = now()");
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM audit_log"), before);
    kit_sql(db, "UPDATE checks SET name = 'loud' WHERE id = '%s'", kit_id(&check));
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM audit_log"), before + 1);
}

static enum status rename_org(struct db *d, const char *name, struct arena *arena)
{
    static const struct query q = {"test_rename",
                                   "UPDATE organisations SET name = $2 WHERE id = $1"};
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, &org);
    db_arg_str(&a, name);
    return db_query(d, &q, &a, NULL);
}

struct renaming {
    const char *name;
    struct arena *arena;
    enum status end;
};

static enum status rename_in_transaction(struct db *d, void *arg)
{
    const struct renaming *r = arg;
    TRY(rename_org(d, r->name, r->arena));
    return r->end;
}

static char *who_named(const char *name)
{
    return kit_sql_text(db,
                        "SELECT coalesce(request_id, '-') || ' ' || actor_type || ' ' ||"
                        " coalesce(address, '-') FROM audit_log WHERE after->>'name' = '%s'",
                        name);
}

static void must_be(const char *name, const char *who)
{
    AUTO_FREE char *got = who_named(name);
    if (!str_eq(got, who))
        fail_msg("%s: %s, not %s", name, got, who);
}

/* One connection serves one caller after another; each change is its own caller's. */
static void each_change_has_its_actor(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    static const char one[] =
        "{\"type\":\"user\",\"request_id\":\"one\",\"address\":\"192.0.2.1\"}",
                      two[] = "{\"type\":\"api_key\",\"request_id\":\"it's two\"}";
    struct db *d = db;
    assert_ok(rename_org(d, "n0", arena));
    must_be("n0", "- system -");
    assert_ok(db_set_actor(d, one));
    assert_ok(rename_org(d, "n1", arena));
    assert_ok(rename_org(d, "n2", arena));
    must_be("n1", "one user 192.0.2.1");
    must_be("n2", "one user 192.0.2.1");

    assert_ok(db_set_actor(d, two));
    struct renaming undone = {"n3", arena, ST_INVALID}, done = {"n4", arena, ST_OK};
    assert_status(ST_INVALID, db_transact(d, rename_in_transaction, &undone));
    assert_ok(db_transact(d, rename_in_transaction, &done));
    must_be("n4", "it's two api_key -");
    /* after a transaction the session is told, too */
    assert_ok(rename_org(d, "n5", arena));
    must_be("n5", "it's two api_key -");

    /* a lost connection forgets nothing */
    kit_sql(d, "SELECT 1");
    assert_status(ST_UNAVAILABLE, db_exec(d, "SELECT pg_terminate_backend(pg_backend_pid())"));
    assert_true(kit_wait(db_ping(d) == ST_OK, KIT_PATIENCE_MS));
    assert_ok(rename_org(d, "n6", arena));
    must_be("n6", "it's two api_key -");

    assert_ok(db_set_actor(d, NULL));
    assert_ok(rename_org(d, "n7", arena));
    must_be("n7", "- system -");
    assert_ok(db_set_actor(d, one));
    assert_ok(db_set_actor(d, NULL));
    assert_ok(db_transact(d, rename_in_transaction, &(struct renaming){"n8", arena, ST_OK}));
    must_be("n8", "- system -");
    AUTO_FREE char *none = who_named("n3");
    assert_true(!none || !none[0]);

    char long_text[LIMIT_DB_ACTOR_BYTES + 2];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_status(ST_TOO_LARGE, db_set_actor(d, long_text));
    assert_ok(rename_org(d, "n9", arena));
    must_be("n9", "- system -");
}

static void events_are_listed(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct uuid user;
    add_user("xenia", &user);
    const struct uuid other = kit_organisation(db);
    const struct audit_event login = {.org_id = org,
                                      .action = "user.login",
                                      .object_type = "user",
                                      .object_id = user,
                                      .object_name = "xenia",
                                      .user_id = user,
                                      .after = "{\"method\":\"password\"}"};
    assert_ok(db_set_actor(db, "{\"type\":\"anonymous\",\"address\":\"192.0.2.7\"}"));
    assert_ok(audit_write(db, &login, arena));
    assert_ok(db_set_actor(db, NULL));

    const struct {
        struct audit_filter filter;
        struct uuid org;
        size_t count;
    } rows[] = {
        {{.user_id = user}, org, 1},
        {{.user_id = user}, other, 0},
        {{.object_id = kit_id(&user)}, org, 2},
        {{.object_id = kit_id(&user), .action = "user.login"}, org, 1},
        {{.object_id = kit_id(&user), .action = "user."}, org, 2},
        {{.object_id = kit_id(&user), .action = "user"}, org, 0},
        {{.object_id = kit_id(&user), .object_type = "check"}, org, 0},
        {{.address = "192.0.2.7"}, org, 1},
        {{.request_id = "none"}, org, 0},
        {{.user_id = user, .since = clock_wall_us() + 1000000}, org, 0},
        {{.user_id = user, .until = clock_wall_us() + 1000000}, org, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct page page = {.limit = 10};
        struct audit_entry *entries = NULL;
        size_t count = 0;
        assert_ok(audit_list(db, &rows[i].org, &rows[i].filter, arena, &page, &entries, &count));
        if (count != rows[i].count || page.total != (int64_t)count)
            fail_msg("row %zu: %zu", i, count);
        if (i == 0) {
            assert_string_equal(entries[0].username, "xenia");
            assert_string_equal(entries[0].actor_type, "user");
            assert_string_equal(entries[0].address, "192.0.2.7");
            struct audit_entry one;
            assert_ok(audit_get(db, &org, &entries[0].id, arena, &one));
            assert_string_equal(one.action, "user.login");
            assert_status(ST_NOT_FOUND, audit_get(db, &other, &entries[0].id, arena, &one));
        }
    }
}

static void the_record_is_final_until_its_time_is_over(void **state)
{
    assert_true(db_exec(db, "UPDATE audit_log SET action = 'nothing'") != ST_OK);
    char org_text[UUID_TEXT_BYTES];
    uuid_format(&org, org_text);
    kit_sql(db,
            "INSERT INTO audit_log (org_id, action, object_type, at)"
            " VALUES ('%s', 'x.old', 'x', now() - interval '2 days'),"
            "        ('%s', 'x.young', 'x', now() - interval '12 hours')",
            org_text, org_text);
    const struct housekeeping h = {
        .results_ms = 86400000, .metrics_ms = 86400000, .audit_ms = 86400000};
    int ran = 0;
    assert_ok(housekeeping_run(db, &h, &ran));
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM audit_log WHERE action = 'x.old'"), 0);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM audit_log WHERE action = 'x.young'"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_of_an_organisation_is_audited),
        cmocka_unit_test(secret_columns_are_masked),
        cmocka_unit_test(what_changed_is_recorded),
        cmocka_unit_test(what_services_write_all_the_time_is_not),
        cmocka_unit_test(each_change_has_its_actor),
        cmocka_unit_test(events_are_listed),
        cmocka_unit_test(the_record_is_final_until_its_time_is_over),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
