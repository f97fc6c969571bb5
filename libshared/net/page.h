/*
 * Pages of lists, in the styles of all five documents: page/per_page, limit/offset, and a cursor
 * (`after`). The reply carries total, page, per_page, pages, limit, offset, count, next beside the
 * named array, and a Link header.
 */
#ifndef TOCSIN_NET_PAGE_H
#define TOCSIN_NET_PAGE_H

#include "json/patterns.h"
#include "net/http.h"

/* The query members that every list has; put PAGE_FIELDS(struct …, page, sorts) into its schema,
 * with the orders that it knows (ends with NULL; the first is its own), and PAGE_CURSOR(struct …,
 * page) where there is a cursor. */
struct page_in {
    struct in_i64 page, per_page, limit, offset;
    struct in_str sort, cursor;
};

#define PAGE_CURSOR(in_type, member)                                                       \
    {                                                                                      \
        .name = "cursor", .type = FT_STRING, .offset = offsetof(in_type, member.cursor),   \
        .max = 64, .alias = "after", .pattern = PATTERN_CURSOR,                            \
        .help = "The next_cursor of the page before: goes on there, whatever came since; " \
                "only in the list's own order"                                             \
    }

/* The window of a page in both styles; `noun`: "Jobs", what the list is of. */
#define PAGE_WINDOW(in_type, member, noun, page_max, limit_max, offset_max)                     \
    {.name = "page",                                                                            \
     .type = FT_INT,                                                                            \
     .offset = offsetof(in_type, member.page),                                                  \
     .min = 1,                                                                                  \
     .max = (page_max),                                                                         \
     .help = "Page number, from 1"},                                                            \
        {.name = "per_page",                                                                    \
         .type = FT_INT,                                                                        \
         .offset = offsetof(in_type, member.per_page),                                          \
         .min = 1,                                                                              \
         .max = 100,                                                                            \
         .help = noun " on a page (default 20)"},                                               \
        {.name = "limit",                                                                       \
         .type = FT_INT,                                                                        \
         .offset = offsetof(in_type, member.limit),                                             \
         .min = 1,                                                                              \
         .max = (limit_max),                                                                    \
         .help = noun " to return, instead of per_page"},                                       \
    {                                                                                           \
        .name = "offset", .type = FT_INT, .offset = offsetof(in_type, member.offset), .min = 0, \
        .max = (offset_max), .help = noun " to skip, instead of page"                           \
    }

#define PAGE_FIELDS(in_type, member, sorts_)                                         \
    PAGE_WINDOW(in_type, member, "Items", 1000000, 10000, 10000000),                 \
    {                                                                                \
        .name = "sort", .type = FT_STRING, .offset = offsetof(in_type, member.sort), \
        .choices = (sorts_), .help = "Field to sort by, - before it for descending"  \
    }

struct page {
    int64_t page, per_page, limit, offset;
    int64_t total;        /* set by the store call */
    bool is_total_capped; /* … too: there are at least so many, the rest was not counted */
    const char *sort;     /* one of those that the list knows, or NULL: its own order */
    const char *own_sort; /* the name of that */
    /* After which row it begins, and with which it ended: set by page_begin and the store call.
     * after_us 0: at the beginning; next_us 0: there is no more, or no cursor in this order. */
    int64_t after_us, next_us;
    struct uuid after_id, next_id;
};

/* Works out the window; default_limit when neither style is used. Never fails: bounds were checked.
 */
void page_init(struct page *p, const struct page_in *in, int64_t default_limit);
/* page_init, the order and the cursor: a `sort` that is not among `sorts` (ends with NULL) is
 * answered with 422 naming them. The first of `sorts` is the list's own order, as far as it has a
 * cursor. */
NODISCARD enum status page_begin(struct req *r, const struct page_in *in, const char *const *sorts,
                                 int64_t default_limit, struct page *out);
/* {"<list>": […], "page": … }: rows are `count` structs of the schema. */
void reply_page(struct req *r, const char *list, const struct schema *schema, const void *rows,
                size_t count, const struct page *p);
/* The same with the members of one `extra` object after them (route.extra). */
void reply_page_with(struct req *r, const char *list, const struct schema *schema, const void *rows,
                     size_t count, const struct page *p, const struct schema *extra,
                     const void *more);
/* REPLY_ITEMS: all of them at once, {"<list>": […], "total": n, "count": n}. */
void reply_items(struct req *r, const char *list, const struct schema *schema, const void *rows,
                 size_t count);
/* REPLY_ARRAY; page_reply_headers goes with it where it is one of several pages. */
void reply_array(struct req *r, const struct schema *schema, const void *rows, size_t count);
/* X-Total-Count and Link: for a list that is a bare array. */
void page_reply_headers(struct req *r, size_t count, const struct page *p);
/* Only the page members into an open object, and the Link header: for replies with more in them. */
FOR_TESTS void page_write_members(struct req *r, struct jw *w, size_t count, const struct page *p);

#endif
