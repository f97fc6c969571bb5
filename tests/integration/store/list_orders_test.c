/*
 * Lists of deliveries, incidents and the audit log say what the rows themselves say: any page of
 * any filter and order, and the total with it, is held against one that PostgreSQL makes of all
 * rows.
 */
#include <stdio.h>

#include "base/arena.h"
#include "base/str.h"
#include "store/audit.h"
#include "store/incidents.h"
#include "store/outbox.h"
#include "tests/kit/kit.h"

enum { ROWS = 150, ASKED = 120 };
#define MINUTE_US 60000000LL

static struct db *db;
static struct uuid org, checks[3], channels[3];
static int64_t begin_us;
static uint32_t seed = 20261122;

static uint32_t roll(uint32_t sides)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % sides;
}

/* Instants, ends, tries and names repeat, so that the next member of each order decides, and the
 * last. */
static void make_rows(const struct uuid *whose)
{
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        checks[i] = kit_check(db, whose, "a check");
        channels[i] = uuid_new();
        kit_sql(
            db,
            "INSERT INTO channels (id, org_id, name, type) VALUES ('%s', '%s', 'c%zu', 'email')",
            kit_id(&channels[i]), kit_id(whose), i);
    }
    kit_sql(
        db,
        "INSERT INTO outbox (id, org_id, event, incident_id, check_id, sequence, channel_id, "
        "channel_type, payload, status, attempts, created_at, finished_at) "
        "SELECT gen_random_uuid(), '%s', 'check.down', md5('%s' || n %% 7)::uuid, "
        "('{%s,%s,%s}'::uuid[])[1 + n %% 3], n, ('{%s,%s,%s}'::uuid[])[1 + n / 3 %% 4], "
        "'webhook', '{}', ('{pending,delivered,failed,cancelled,delivered}'::text[])[1 + n %% "
        "5], n %% 4, '%s'::timestamptz + n / 3 * interval '1 minute', CASE WHEN n %% 5 > 0 THEN "
        "'%s'::timestamptz + n %% 9 * interval '1 hour' END FROM generate_series(1, %d) n",
        kit_id(whose), kit_id(whose), kit_id(&checks[0]), kit_id(&checks[1]), kit_id(&checks[2]),
        kit_id(&channels[0]), kit_id(&channels[1]), kit_id(&channels[2]), kit_time(begin_us),
        kit_time(begin_us), ROWS);
    kit_sql(
        db,
        "INSERT INTO incidents (id, org_id, check_id, check_name, title, cause, severity, status,"
        " started_at, updated_at) SELECT gen_random_uuid(), '%s', CASE WHEN n %% 3 = 0 THEN "
        "('{%s,%s,%s}'::uuid[])[1 + n %% 9 / 3] END, ('{b,A,c,B}'::text[])[1 + n %% 4], 't', 'c', "
        "('{info,warning,critical}'::text[])[1 + n / 2 %% 3], CASE WHEN n %% 3 = 0 THEN 'resolved' "
        "ELSE ('{open,acknowledged}'::text[])[n %% 3] END, '%s'::timestamptz + n / 3 * interval "
        "'1 minute', '%s'::timestamptz + n %% 8 * interval '1 hour' FROM generate_series(1, %d) n",
        kit_id(whose), kit_id(&checks[0]), kit_id(&checks[1]), kit_id(&checks[2]),
        kit_time(begin_us), kit_time(begin_us), ROWS);
    kit_sql(db, "DELETE FROM audit_log WHERE org_id = '%s'", kit_id(whose));
    kit_sql(
        db,
        "INSERT INTO audit_log (id, org_id, at, action, object_type, object_id, actor_type, address,"
        " request_id) SELECT gen_random_uuid(), '%s', '%s'::timestamptz + n / 3 * interval "
        "'1 minute', t.type || '.' || ('{create,update,x.y}'::text[])[1 + n / 2 %% 3], t.type, "
        "n %% 10, 'cli', '192.0.2.' || n %% 5, 'r' || n / 4 FROM generate_series(1, %d) n, LATERAL "
        "(SELECT ('{check,check_list,user}'::text[])[1 + n %% 3] AS type) t",
        kit_id(whose), kit_time(begin_us), ROWS);
}

static int setup(void **state)
{
    db = kit_db_open(kit_database());
    begin_us = clock_wall_us() / MINUTE_US * MINUTE_US - 1000 * MINUTE_US;
    const struct uuid foreign = kit_organisation(db);
    org = kit_organisation(db);
    make_rows(&foreign);
    make_rows(&org);
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

/* --- what is asked --- */

/* Orders, the list's own one first, and what each means. */
struct order {
    const char *sort, *by;
};
static const struct order delivery_orders[] = {
    {"-created_at", "created_at DESC, id DESC"},
    {"created_at", "created_at, id"},
    {"-finished_at", "finished_at IS NULL, finished_at DESC, created_at DESC, id DESC"},
    {"finished_at", "finished_at IS NOT NULL, finished_at, created_at, id"},
    {"status", "status, created_at DESC, id DESC"},
    {"-status", "status DESC, created_at, id"},
    {"-attempts", "attempts DESC, created_at DESC, id DESC"},
    {"attempts", "attempts, created_at, id"},
};
#define RANK "CASE severity WHEN 'info' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END"
static const struct order incident_orders[] = {
    {"-started_at", "started_at DESC, id DESC"},
    {"started_at", "started_at, id"},
    {"-updated_at", "updated_at DESC, started_at DESC, id DESC"},
    {"updated_at", "updated_at, started_at, id"},
    {"check_name", "lower(check_name), started_at DESC, id DESC"},
    {"-check_name", "lower(check_name) DESC, started_at, id"},
    {"-severity", RANK " DESC, started_at DESC, id DESC"},
    {"severity", RANK ", started_at, id"},
    {"status", "status, started_at DESC, id DESC"},
    {"-status", "status DESC, started_at, id"},
};
static const struct order audit_orders[] = {{"-at", "at DESC, id DESC"}, {"at", "at, id"}};

static const char *some_of(const char *const *names, uint32_t count)
{
    return roll(3) ? NULL : names[roll(count)];
}

static int64_t some_time(void)
{
    return roll(3) ? 0 : begin_us + (int64_t)roll(ROWS / 3) * MINUTE_US;
}

static struct page some_page(const struct order *orders, uint32_t count)
{
    struct page page = {.limit = 1 + roll(roll(4) ? 20 : 200), .own_sort = orders[0].sort};
    page.offset = roll(3) ? roll(roll(3) ? 40 : 200) : 0;
    page.sort = roll(4) ? orders[roll(count)].sort : NULL;
    return page;
}

/* "AND <column> <op> '<value>'" behind what is there; NULL: nothing. */
static void add(char *where, size_t size, const char *member, const char *value)
{
    const size_t len = strlen(where);
    if (value)
        (void)snprintf(where + len, size - len, " AND %s '%s'", member, value);
}

/* The page of all rows that PostgreSQL makes, and their number. */
static void must_be(const char *table, const struct order *orders, const struct page *page,
                    const char *where, const char *got)
{
    const struct order *o = orders;
    while (page->sort && !str_eq(o->sort, page->sort))
        o++;
    const int64_t total = kit_sql_i64(db, "SELECT count(*) FROM %s WHERE org_id = '%s'%s", table,
                                      kit_id(&org), where);
    if (page->total != total || page->is_total_capped)
        fail_msg("%s%s: %lld, not %lld", table, where, (long long)page->total, (long long)total);
    AUTO_FREE char *want = kit_sql_text(
        db,
        "SELECT coalesce(string_agg(id::text, ',' ORDER BY n) || ',', '') FROM (SELECT id, "
        "row_number() OVER (ORDER BY %s) AS n FROM %s WHERE org_id = '%s'%s ORDER BY n LIMIT %lld "
        "OFFSET %lld) p",
        o->by, table, kit_id(&org), where, (long long)page->limit, (long long)page->offset);
    if (!str_eq(got, want))
        fail_msg("%s by %s%s: %s, not %s", table, o->sort, where, got, want);
}

#define MUST_BE(table, orders, page, where, rows, count)                            \
    do {                                                                            \
        char got_[ROWS * UUID_TEXT_BYTES + 1] = "";                                 \
        for (size_t i_ = 0; i_ < (count); i_++)                                     \
            (void)snprintf(got_ + i_ * UUID_TEXT_BYTES, UUID_TEXT_BYTES + 1, "%s,", \
                           kit_id(&(rows)[i_].id));                                 \
        must_be(table, orders, page, where, got_);                                  \
    } while (0)

static void deliveries_are_true(struct arena *arena)
{
    static const char *const statuses[] = {"pending", "delivered", "failed", "cancelled"};
    struct outbox_filter f = {.status = some_of(statuses, 4)};
    char where[512] = "";
    add(where, sizeof(where), "status =", f.status);
    if (roll(4) == 0) {
        f.channel_id = channels[roll(3)];
        add(where, sizeof(where), "channel_id =", kit_id(&f.channel_id));
    }
    if (roll(4) == 0) {
        f.check_id = checks[roll(3)];
        add(where, sizeof(where), "check_id =", kit_id(&f.check_id));
    }
    struct page page = some_page(delivery_orders, ARRAY_LEN(delivery_orders));
    struct delivery_row *rows = NULL;
    size_t count = 0;
    assert_ok(outbox_list(db, arena, &org, &f, &page, &rows, &count));
    MUST_BE("outbox", delivery_orders, &page, where, rows, count);
}

static void incidents_are_true(struct arena *arena)
{
    static const char *const statuses[] = {"open", "acknowledged", "resolved"};
    static const char *const severities[] = {"info", "warning", "critical"};
    const char *status = some_of(statuses, 3);
    struct incident_filter f = {.statuses = status ? &status : NULL,
                                .status_count = status ? 1 : 0,
                                .severity = some_of(severities, 3),
                                .since_us = some_time(),
                                .until_us = some_time()};
    char where[512] = "";
    add(where, sizeof(where), "status =", status);
    add(where, sizeof(where), "severity =", f.severity);
    add(where, sizeof(where), "started_at >=", f.since_us ? kit_time(f.since_us) : NULL);
    add(where, sizeof(where), "started_at <", f.until_us ? kit_time(f.until_us) : NULL);
    if (roll(4) == 0) {
        f.check_id = checks[roll(3)];
        add(where, sizeof(where), "check_id =", kit_id(&f.check_id));
    }
    struct page page = some_page(incident_orders, ARRAY_LEN(incident_orders));
    struct incident *rows = NULL;
    size_t count = 0;
    assert_ok(incidents_list(db, arena, &org, &f, &page, &rows, &count));
    MUST_BE("incidents", incident_orders, &page, where, rows, count);
}

static void audit_is_true(struct arena *arena)
{
    /* What begins with a type is all of that type, and of none whose name only begins so. */
    static const struct {
        const char *action, *means;
    } actions[] = {
        {NULL, ""},
        {"check.", " AND starts_with(action, 'check.')"},
        {"check_list.", " AND starts_with(action, 'check_list.')"},
        {"check.update", " AND action = 'check.update'"},
        {"check", " AND false"},
        {"check.x.", " AND false"},
        {".", " AND false"},
    };
    static const char *const types[] = {"check", "check_list", "user", "none"};
    static const char *const objects[] = {"1", "2", "3"};
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.4", "192.0.2.9"};
    const size_t n = roll(2) ? 0 : roll(ARRAY_LEN(actions));
    const struct audit_filter f = {.action = actions[n].action,
                                   .object_type = some_of(types, 4),
                                   .object_id = roll(2) ? NULL : some_of(objects, 3),
                                   .address = roll(2) ? NULL : some_of(addresses, 3),
                                   .since = some_time(),
                                   .until = some_time()};
    char where[512] = "";
    (void)str_copy(where, sizeof(where), actions[n].means);
    add(where, sizeof(where), "object_type =", f.object_type);
    add(where, sizeof(where), "object_id =", f.object_id);
    add(where, sizeof(where), "address =", f.address);
    add(where, sizeof(where), "at >=", f.since ? kit_time(f.since) : NULL);
    add(where, sizeof(where), "at <", f.until ? kit_time(f.until) : NULL);
    struct page page = some_page(audit_orders, ARRAY_LEN(audit_orders));
    struct audit_entry *rows = NULL;
    size_t count = 0;
    assert_ok(audit_list(db, &org, &f, arena, &page, &rows, &count));
    MUST_BE("audit_log", audit_orders, &page, where, rows, count);
}

static void pages_are_those_of_all_rows(void **state)
{
    for (int i = 0; i < ASKED; i++) {
        AUTO_ARENA arena = arena_new(4 << 20);
        deliveries_are_true(arena);
        incidents_are_true(arena);
        audit_is_true(arena);
    }
}

/* What is behind a page is not counted for ever; the page is there all the same. */
static void counting_ends_somewhere(void **state)
{
    const struct {
        int64_t offset, limit, total;
        size_t count;
        bool is_capped;
    } pages[] = {
        {0, 20, LIMIT_LIST_COUNT, 20, true},
        {LIMIT_LIST_COUNT - 20, 20, LIMIT_LIST_COUNT, 20, true},
        {LIMIT_LIST_COUNT, 20, LIMIT_LIST_COUNT + 20, 20, true}, /* at least those seen */
        {LIMIT_LIST_COUNT + 40, 20, LIMIT_LIST_COUNT + 50, 10, false},
        {LIMIT_LIST_COUNT + 60, 20, LIMIT_LIST_COUNT, 0, true},
    };
    const struct uuid many = kit_organisation(db);
    kit_sql(db, "DELETE FROM audit_log WHERE org_id = '%s'", kit_id(&many));
    kit_sql(
        db,
        "SET session_replication_role = replica; INSERT INTO audit_log (org_id, at, action, "
        "object_type, actor_type) SELECT '%s', now() - n * interval '1 second', 'x.y', 'x', 'cli' "
        "FROM generate_series(1, %d) n; SET session_replication_role = DEFAULT",
        kit_id(&many), LIMIT_LIST_COUNT + 50);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        AUTO_ARENA arena = arena_new(1 << 20);
        struct page page = {.limit = pages[i].limit, .offset = pages[i].offset};
        struct audit_entry *rows = NULL;
        size_t count = 0;
        assert_ok(audit_list(db, &many, &(struct audit_filter){0}, arena, &page, &rows, &count));
        if (page.total != pages[i].total || page.is_total_capped != pages[i].is_capped ||
            count != pages[i].count)
            fail_msg("page %zu: %zu of %lld", i, count, (long long)page.total);
    }
}

/* Else lists by what begins with a type would not find it. */
static void an_action_begins_with_its_type(void **state)
{
    assert_true(db_exec(db, "INSERT INTO audit_log (org_id, action, object_type) VALUES (uuid7(), "
                            "'user.login', 'check')") != ST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_those_of_all_rows),
        cmocka_unit_test(counting_ends_somewhere),
        cmocka_unit_test(an_action_begins_with_its_type),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
