/* Windows of lists in each style, and the links to the neighbours. */
#include "tests/kit/kit.h"

#include "base/str.h"
#include "net/page.h"

static struct in_i64 given(int64_t v)
{
    return (struct in_i64){.set = v >= 0, .v = v};
}

static void test_window(void **state)
{
    static const struct {
        int64_t page, per_page, limit, offset; /* -1: not given */
        int64_t want_page, want_per_page, want_limit, want_offset;
    } cases[] = {
        {-1, -1, -1, -1, 1, 20, 20, 0},  {2, -1, -1, -1, 2, 20, 20, 20},
        {3, 10, -1, -1, 3, 10, 10, 20},  {-1, 50, -1, -1, 1, 50, 50, 0},
        {-1, -1, 5, -1, 1, 5, 5, 0},     {-1, -1, 5, 10, 3, 5, 5, 10},
        {-1, -1, -1, 30, 2, 20, 20, 30}, {4, 10, 5, -1, 4, 5, 5, 15},
        {2, -1, 5, -1, 2, 5, 5, 5},      {-1, 5, -1, 10, 3, 5, 5, 10},
        {2, 5, -1, 30, 7, 5, 5, 30},     {1000000, 100, -1, -1, 1000000, 100, 100, 99999900},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct page_in in = {.page = given(cases[i].page),
                                   .per_page = given(cases[i].per_page),
                                   .limit = given(cases[i].limit),
                                   .offset = given(cases[i].offset)};
        struct page p;
        page_init(&p, &in, 20);
        assert_int_equal(p.page, cases[i].want_page);
        assert_int_equal(p.per_page, cases[i].want_per_page);
        assert_int_equal(p.limit, cases[i].want_limit);
        assert_int_equal(p.offset, cases[i].want_offset);
    }
}

struct link_case {
    const char *target;
    struct page page;
    size_t count;
    int64_t pages;
    const char *next; /* NULL: null */
    const char *link;
};

static void check_links(const struct link_case *c)
{
    AUTO_ARENA arena = arena_new(65536);
    struct req r = {.arena = arena, .target = c->target};
    size_t len = strcspn(c->target, "?");
    r.path = arena_strndup(arena, c->target, len);
    /* Only which names are there matters. */
    struct query_param query[2] = {{0}};
    r.query = query;
    if (strstr(c->target, "limit="))
        query[r.query_count++].name = "limit";
    if (strstr(c->target, "?page="))
        query[r.query_count++].name = "page";
    AUTO_BUF out;
    buf_init(&out, 65536);
    struct jw w;
    jw_init(&w, &out);
    jw_object(&w);
    page_write_members(&r, &w, c->count, &c->page);
    jw_end(&w);

    AUTO_JSON json = NULL;
    assert_ok(json_parse(out.data, out.len, &json, NULL));
    assert_int_equal(json_integer_value(json_object_get(json, "pages")), c->pages);
    assert_int_equal(json_integer_value(json_object_get(json, "count")), c->count);
    assert_int_equal(json_integer_value(json_object_get(json, "total")), c->page.total);
    assert_int_equal(json_is_true(json_object_get(json, "total_is_exact")),
                     !c->page.is_total_capped);
    const json_t *next = json_object_get(json, "next");
    assert_true(c->next ? str_eq(json_string_value(next), c->next) : json_is_null(next));
    assert_int_equal(r.reply_header_count, 1);
    assert_string_equal(r.reply_headers[0].name, "Link");
    assert_string_equal(r.reply_headers[0].value, c->link);
}

#define ID          \
    {               \
        {           \
            1, 2, 3 \
        }           \
    }
#define ID_TEXT "01020300-0000-0000-0000-000000000000"
#define PAGE(page_, limit_, offset_, total_)                                           \
    {                                                                                  \
        .page = (page_), .per_page = (limit_), .limit = (limit_), .offset = (offset_), \
        .total = (total_)                                                              \
    }
#define CAPPED(page_, limit_, offset_, total_)                                         \
    {                                                                                  \
        .page = (page_), .per_page = (limit_), .limit = (limit_), .offset = (offset_), \
        .total = (total_), .is_total_capped = true                                     \
    }

static void test_links(void **state)
{
    static const struct link_case cases[] = {
        {"/c", PAGE(1, 20, 0, 0), 0, 0, NULL,
         "</c?page=1>; rel=\"first\", </c?page=1>; rel=\"last\""},
        {"/c", PAGE(1, 20, 0, 20), 20, 1, NULL,
         "</c?page=1>; rel=\"first\", </c?page=1>; rel=\"last\""},
        {"/c?q=a%20b", PAGE(1, 20, 0, 21), 20, 2, "/c?q=a%20b&page=2",
         "</c?q=a%20b&page=1>; rel=\"first\", </c?q=a%20b&page=2>; rel=\"next\", "
         "</c?q=a%20b&page=2>; rel=\"last\""},
        {"/c?page=2&per_page=5&&pages=x", PAGE(2, 5, 5, 12), 5, 3, "/c?per_page=5&pages=x&page=3",
         "</c?per_page=5&pages=x&page=1>; rel=\"first\", </c?per_page=5&pages=x&page=1>; rel=\"prev\", "
         "</c?per_page=5&pages=x&page=3>; rel=\"next\", </c?per_page=5&pages=x&page=3>; rel=\"last\""},
        {"/c?limit=5&offset=5", PAGE(2, 5, 5, 12), 5, 3, "/c?limit=5&offset=10",
         "</c?limit=5&offset=0>; rel=\"first\", </c?limit=5&offset=0>; rel=\"prev\", "
         "</c?limit=5&offset=10>; rel=\"next\", </c?limit=5&offset=10>; rel=\"last\""},
        {"/c?page=2&limit=5", PAGE(2, 5, 5, 12), 5, 3, "/c?limit=5&page=3",
         "</c?limit=5&page=1>; rel=\"first\", </c?limit=5&page=1>; rel=\"prev\", "
         "</c?limit=5&page=3>; rel=\"next\", </c?limit=5&page=3>; rel=\"last\""},
        {"/c?page=9", PAGE(9, 20, 160, 5), 0, 1, NULL,
         "</c?page=1>; rel=\"first\", </c?page=8>; rel=\"prev\", </c?page=1>; rel=\"last\""},
        /* counting stopped at ten: nobody knows which page is the last */
        {"/c?page=2&per_page=5", CAPPED(2, 5, 5, 10), 5, 2, "/c?per_page=5&page=3",
         "</c?per_page=5&page=1>; rel=\"first\", </c?per_page=5&page=1>; rel=\"prev\", "
         "</c?per_page=5&page=3>; rel=\"next\""},
        {"/c?page=3&per_page=5", CAPPED(3, 5, 10, 10), 2, 2, NULL,
         "</c?per_page=5&page=1>; rel=\"first\", </c?per_page=5&page=2>; rel=\"prev\""},
        /* who follows a cursor is led on by it */
        {"/c?q=x&cursor=7-" ID_TEXT "&per_page=2",
         {.page = 1,
          .per_page = 2,
          .limit = 2,
          .total = 9,
          .after_us = 7,
          .after_id = ID,
          .next_us = 8,
          .next_id = ID},
         2,
         5,
         "/c?q=x&per_page=2&cursor=8-" ID_TEXT,
         "</c?q=x&per_page=2>; rel=\"first\", </c?q=x&per_page=2&cursor=8-" ID_TEXT
         ">; rel=\"next\""},
        {"/c?after=7-" ID_TEXT,
         {.page = 1, .per_page = 2, .limit = 2, .total = 9, .after_us = 7, .after_id = ID},
         1,
         5,
         NULL,
         "</c>; rel=\"first\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_links(&cases[i]);
}

static struct in_str text_in(const char *v)
{
    return (struct in_str){.set = v != NULL, .v = v};
}

static void test_begin(void **state)
{
    static const char *const sorts[] = {"-at", "at", "name", NULL};
    static const struct {
        const char *sort, *cursor;
        int64_t page, offset; /* -1: not given */
        bool is_good;
    } rows[] = {
        {NULL, NULL, -1, -1, true},
        {"-at", NULL, -1, -1, true},
        {"name", NULL, 2, -1, true},
        {"other", NULL, -1, -1, false},
        {"", NULL, -1, -1, false},
        {NULL, "7-" ID_TEXT, -1, -1, true},
        {"-at", "7-" ID_TEXT, -1, -1, true},
        {"at", "7-" ID_TEXT, -1, -1, false},
        {NULL, "7-" ID_TEXT, 2, -1, false},
        {NULL, "7-" ID_TEXT, -1, 5, false},
        {NULL, "", -1, -1, false},
        {NULL, "7", -1, -1, false},
        {NULL, "7-", -1, -1, false},
        {NULL, "-" ID_TEXT, -1, -1, false},
        {NULL, "0-" ID_TEXT, -1, -1, false},
        {NULL, "x-" ID_TEXT, -1, -1, false},
        {NULL, "99999999999999999999999-" ID_TEXT, -1, -1, false},
        {NULL, "7-" ID_TEXT "0", -1, -1, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ARENA arena = arena_new(65536);
        struct req r = {.arena = arena, .request_id = "r"};
        buf_init(&r.out, 65536);
        const struct page_in in = {.page = given(rows[i].page),
                                   .offset = given(rows[i].offset),
                                   .sort = text_in(rows[i].sort),
                                   .cursor = text_in(rows[i].cursor)};
        struct page p;
        const enum status st = page_begin(&r, &in, sorts, 20, &p);
        if (st != (rows[i].is_good ? ST_OK : ST_INVALID))
            fail_msg("%s %s: %s", rows[i].sort, rows[i].cursor, status_name(st));
        if (rows[i].is_good && rows[i].cursor)
            assert_int_equal(p.after_us, 7);
        buf_done(&r.out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_window), cmocka_unit_test(test_links),
                                       cmocka_unit_test(test_begin)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
