/* Pages of lists of checks are those that sorting, or looking at, every row would give. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "store/checks.h"
#include "tests/kit/kit.h"

static struct db *db;
static struct arena *arena;
static struct uuid org, foreign;
static char org_text[UUID_TEXT_BYTES];

static int setup(void **state)
{
    db = kit_db_open(kit_database());
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

static int before(void **state)
{
    arena = arena_new(8u << 20);
    kit_sql(db, "DELETE FROM checks");
    org = kit_organisation(db);
    foreign = kit_organisation(db);
    uuid_format(&org, org_text);
    return 0;
}

static int after(void **state)
{
    arena_free(arena);
    return 0;
}

static void make_checks(const struct uuid *owner, int count)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(owner, text);
    kit_sql(db,
            "WITH made AS (INSERT INTO checks (id, org_id, name, kind, plugin_type, config, "
            "schedule, shard, tags, created_at) SELECT gen_random_uuid(), '%s', 'check ' || i, "
            "'website', 'website', '{}', 'every 5 minutes', 0, ARRAY['t' || i %% 3], "
            "timestamptz '2026-01-01' + i / 2 * interval '1 second' FROM generate_series(1, %d) i "
            "RETURNING id, org_id) "
            "INSERT INTO check_state (check_id, org_id) SELECT id, org_id FROM made",
            text, count);
}

/* The ids of a page as one text. */
static char *joined(const struct uuid *ids, size_t stride, size_t count)
{
    char *out = arena_alloc(arena, count * UUID_TEXT_BYTES + 1);
    assert_non_null(out);
    char *to = out;
    *to = '\0';
    for (size_t i = 0; i < count; i++) {
        uuid_format((const struct uuid *)(const void *)((const char *)ids + i * stride), to);
        to += strlen(to);
        *to++ = i + 1 < count ? ',' : '\0';
    }
    return out;
}

/* --- by last run --- */

#define BY_LAST_RUN "s.last_run_at DESC NULLS LAST, s.check_id"
#define BY_LAST_RUN_REVERSED "s.last_run_at NULLS FIRST, s.check_id DESC"

static char *sorted(const char *sort, const char *which, int64_t limit, int64_t offset)
{
    return kit_sql_text(db,
                        "SELECT coalesce(string_agg(check_id::text, ',' ORDER BY n), '') FROM "
                        "(SELECT s.check_id, row_number() OVER (ORDER BY %s) AS n "
                        "FROM check_state s WHERE s.org_id = '%s' %s ORDER BY 2 "
                        "LIMIT %lld OFFSET %lld) f",
                        sort[0] == '-' ? BY_LAST_RUN : BY_LAST_RUN_REVERSED, org_text, which,
                        (long long)limit, (long long)offset);
}

static const char *listed_by(const struct check_filter *filter, struct page *page)
{
    struct check *rows = NULL;
    size_t count = 0;
    assert_ok(checks_list(db, arena, &org, filter, page, &rows, &count));
    return count > 0 ? joined(&rows->id, sizeof(*rows), count) : "";
}

/* What last_run_at is set to. Beside these there are rows of another organisation. */
static const struct {
    const char *label, *last_run_at;
} runs[] = {
    {"each its own", "now() - random() * interval '5 minutes'"},
    {"many at once", "date_trunc('minute', now() - random() * interval '5 minutes')"},
    {"a third never", "CASE WHEN random() > 0.33 THEN now() - random() * interval '1 day' END"},
    {"none ever", "NULL"},
    {"all at once", "timestamptz '2026-01-01'"},
};

static void must_list(const char *label, const char *sort, const char *state, int64_t offset)
{
    enum { LIMIT = 20 };
    const struct check_filter filter = {.sort = sort, .state = state};
    struct page page = {.limit = LIMIT, .offset = offset};
    char which[64] = "";
    if (state)
        (void)snprintf(which, sizeof(which), "AND s.state = '%s'", state);
    AUTO_FREE char *want = sorted(sort, which, LIMIT, offset);
    if (!str_eq(listed_by(&filter, &page), want))
        fail_msg("%s: %s of %s from %lld", label, sort, state ? state : "all", (long long)offset);
}

static void lists_by_last_run(void **state)
{
    enum { TOTAL = 300 };
    static const int64_t offsets[] = {0, 40, TOTAL / 2, TOTAL - 25, TOTAL - 5, TOTAL};
    make_checks(&org, TOTAL);
    make_checks(&foreign, 40);
    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        kit_sql(db,
                "UPDATE check_state s SET last_run_at = %s, state = CASE WHEN c.legacy_id %% 4 = 0 "
                "THEN 'down' ELSE 'up' END FROM checks c WHERE c.id = s.check_id",
                runs[i].last_run_at);
        kit_sql(db, "SELECT check_last_runs_rebuild()");
        for (size_t n = 0; n < 2 * ARRAY_LEN(offsets); n++) {
            const char *sort = n % 2 ? "last_run" : "-last_run";
            must_list(runs[i].label, sort, NULL, offsets[n / 2]);
            must_list(runs[i].label, sort, "up", offsets[n / 2]);
            must_list(runs[i].label, sort, "down", offsets[n / 2]);
        }
        arena_reset(arena);
    }
}

/* --- parts of names --- */

static const char *const letters[] = {"a", "b", "B", " ", "%", "_", "\\", "-", "ä", "Ä", "€", "😀"};

/* Looks for q in the list (another page each time) and, one by one, in all names. */
static void must_find(const char *q, const char *tag)
{
    static size_t calls;
    static const struct {
        int64_t limit, offset;
    } pages[] = {{20, 0}, {7, 3}, {3, 40}};
    AUTO_FREE char *all = kit_sql_text(
        db,
        "SELECT coalesce(string_agg(id::text, ',' ORDER BY created_at DESC, id), '') FROM checks "
        "WHERE org_id = '%s' AND strpos(lower(name), lower($q$%s$q$)) > 0 AND tags @> '{%s}'",
        org_text, q, tag ? tag : "");
    const int64_t total = ((int64_t)strlen(all) + 1) / UUID_TEXT_BYTES;
    const size_t n = calls++ % ARRAY_LEN(pages);
    struct page page = {.limit = pages[n].limit, .offset = pages[n].offset};
    const char *got = listed_by(&(struct check_filter){.q = q, .tag = tag}, &page);
    const int64_t from = MIN_OF(page.offset, total);
    const int64_t count = MIN_OF(page.limit, total - from);
    const size_t len = count > 0 ? (size_t)count * UUID_TEXT_BYTES - 1 : 0;
    if (page.total != total || page.is_total_capped || strlen(got) != len ||
        strncmp(got, all + MIN_OF((size_t)from * UUID_TEXT_BYTES, strlen(all)), len) != 0)
        fail_msg("\"%s\" of %s: %lld, wanted %lld", q, tag ? tag : "all", (long long)page.total,
                 (long long)total);
}

static void short_parts_are_found_as_in_every_name(void **state)
{
    static const char *const others[] = {"%_%", "a_ b", "\\\\",         "-- -",
                                         "ä-b", "€😀",   "b%b%b%b%b%b%b"};
    char list[512] = "";
    char q[32];
    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        const size_t len = strlen(list);
        (void)snprintf(list + len, sizeof(list) - len, "%s$q$%s$q$", i > 0 ? "," : "", letters[i]);
    }
    make_checks(&org, 400);
    make_checks(&foreign, 400);
    kit_sql(
        db,
        "UPDATE checks c SET name = (SELECT string_agg((ARRAY[%s])[1 + floor(random() * %zu)::int], "
        "'') FROM generate_series(1, 1 + c.legacy_id %% 9))",
        list, ARRAY_LEN(letters));
    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        must_find(letters[i], NULL);
        must_find(letters[i], "t1");
        for (size_t j = 0; j < ARRAY_LEN(letters); j++) {
            (void)snprintf(q, sizeof(q), "%s%s", letters[i], letters[j]);
            must_find(q, (i + j) % 5 ? NULL : "t2");
        }
        arena_reset(arena);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        must_find(others[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists_by_last_run, before, after),
        cmocka_unit_test_setup_teardown(short_parts_are_found_as_in_every_name, before, after),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
