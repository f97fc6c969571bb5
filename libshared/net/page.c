/* Pages of lists: the window asked for, and the members and links that go with a reply. */
#include "net/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

void page_init(struct page *p, const struct page_in *in, int64_t default_limit)
{
    *p = (struct page){0};
    /* Mixed styles as well: how many and from where are two questions. */
    p->limit = in->limit.set ? in->limit.v : in->per_page.set ? in->per_page.v : default_limit;
    p->offset = in->offset.set ? in->offset.v : in->page.set ? (in->page.v - 1) * p->limit : 0;
    p->per_page = p->limit;
    p->page = p->offset / p->limit + 1;
}

static enum status bad_cursor(struct req *r, const char *text)
{
    AUTO_FIELD_ERRORS errors = {0};
    field_errors_add(&errors, "query", "cursor", "value_error", "%s", text);
    return req_invalid(r, &errors);
}

/* "<µs>-<id>" of the last row that was seen. */
static enum status read_cursor(struct req *r, const struct page_in *in, struct page *out)
{
    char at[24];
    const char *text = in->cursor.v;
    const size_t len = strcspn(text, "-");
    if (in->page.set || in->offset.set)
        return bad_cursor(r, "goes without page and offset");
    if (out->sort && out->sort != out->own_sort)
        return bad_cursor(r, "goes with the list's own order only");
    if (len == 0 || len >= sizeof(at) || text[len] != '-')
        return bad_cursor(r, "must be the next_cursor of a page of this list");
    memcpy(at, text, len);
    at[len] = '\0';
    if (str_to_i64(at, &out->after_us) != ST_OK || out->after_us <= 0 ||
        uuid_parse(text + len + 1, &out->after_id) != ST_OK)
        return bad_cursor(r, "must be the next_cursor of a page of this list");
    return ST_OK;
}

static enum status read_sort(struct req *r, const struct page_in *in, const char *const *sorts,
                             struct page *out)
{
    if (!in->sort.set)
        return ST_OK;
    char known[320] = "";
    for (const char *const *sort = sorts; *sort; sort++) {
        if (str_eq(*sort, in->sort.v)) {
            out->sort = *sort;
            return ST_OK;
        }
        size_t used = strlen(known);
        (void)snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "", *sort);
    }
    AUTO_FIELD_ERRORS errors = {0};
    field_errors_add(&errors, "query", "sort", "value_error.enum", "must be one of: %s", known);
    return req_invalid(r, &errors);
}

enum status page_begin(struct req *r, const struct page_in *in, const char *const *sorts,
                       int64_t default_limit, struct page *out)
{
    page_init(out, in, default_limit);
    out->own_sort = sorts[0];
    TRY(read_sort(r, in, sorts, out));
    return in->cursor.set ? read_cursor(r, in, out) : ST_OK;
}

/* Whether a query parameter (name=value) is one of those that say which page. */
static bool is_place(const char *param, size_t len)
{
    static const char *const places[] = {"page", "offset", "after", "cursor"};
    size_t name = 0;
    while (name < len && param[name] != '=')
        name++;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (name == strlen(places[i]) && strncmp(param, places[i], name) == 0)
            return true;
    }
    return false;
}

/* "page=3" … */
struct place {
    const char *name;
    const char *value; /* NULL: the beginning */
};

/* The request's own target with another place in it. */
static void put_target(const struct req *r, struct buf *out, const struct place *place)
{
    buf_str(out, r->path);
    char between = '?';
    const char *at = strchr(r->target, '?');
    at = at ? at + 1 : "";
    while (*at) {
        size_t len = strcspn(at, "&");
        if (len > 0 && !is_place(at, len)) {
            buf_char(out, between);
            buf_append(out, at, len);
            between = '&';
        }
        at += len + (at[len] == '&');
    }
    if (place->value)
        buf_printf(out, "%c%s=%s", between, place->name, place->value);
}

static bool asks_for(const struct req *r, const char *name)
{
    for (size_t i = 0; i < r->query_count; i++) {
        if (str_eq(r->query[i].name, name))
            return true;
    }
    return false;
}

/* Links go on in the style of the request. */
static bool asked_by_offset(const struct req *r)
{
    return asks_for(r, "offset") || asks_for(r, "after") ||
           (asks_for(r, "limit") && !asks_for(r, "page"));
}

static void put_link(const struct req *r, struct buf *links, const struct place *place,
                     const char *rel)
{
    buf_str(links, links->len > 0 ? ", <" : "<");
    put_target(r, links, place);
    buf_printf(links, ">; rel=\"%s\"", rel);
}

static void put_number(const struct req *r, struct buf *links, int64_t number, const char *rel)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    put_link(r, links, &(struct place){asked_by_offset(r) ? "offset" : "page", text}, rel);
}

enum { CURSOR_BYTES = 24 + UUID_TEXT_BYTES };

/* "" when there is none. */
static const char *next_cursor(const struct page *p, char out[CURSOR_BYTES])
{
    char id[UUID_TEXT_BYTES];
    out[0] = '\0';
    if (p->next_us == 0)
        return out;
    uuid_format(&p->next_id, id);
    (void)snprintf(out, CURSOR_BYTES, "%" PRId64 "-%s", p->next_us, id);
    return out;
}

/* Who follows a cursor is led on by it, and to no numbered page. */
static void cursor_links(const struct req *r, const struct page *p, struct buf *links,
                         struct buf *next)
{
    char text[CURSOR_BYTES];
    const struct place first = {"cursor", NULL};
    const struct place place = {"cursor", next_cursor(p, text)};
    put_link(r, links, &first, "first");
    if (text[0] == '\0')
        return;
    put_link(r, links, &place, "next");
    put_target(r, next, &place);
}

static bool has_next(const struct page *p, int64_t count)
{
    return count > 0 && (p->offset + count < p->total || (p->is_total_capped && count == p->limit));
}

static void number_links(const struct req *r, size_t count, const struct page *p, struct buf *links,
                         struct buf *next)
{
    const bool by_page = !asked_by_offset(r);
    const int64_t pages = MAX_OF((p->total + p->limit - 1) / p->limit, (int64_t)1);
    put_number(r, links, by_page ? 1 : 0, "first");
    if (p->offset > 0)
        put_number(r, links,
                   by_page ? MAX_OF(p->page - 1, (int64_t)1)
                           : MAX_OF(p->offset - p->limit, (int64_t)0),
                   "prev");
    if (has_next(p, (int64_t)count)) {
        char text[24];
        const int64_t place = by_page ? p->page + 1 : p->offset + p->limit;
        (void)snprintf(text, sizeof(text), "%" PRId64, place);
        put_number(r, links, place, "next");
        put_target(r, next, &(struct place){by_page ? "page" : "offset", text});
    }
    if (!p->is_total_capped)
        put_number(r, links, by_page ? pages : (pages - 1) * p->limit, "last");
}

/* Sets the Link header; leaves the target of the next page in *next, if there is one. */
static void reply_links(struct req *r, size_t count, const struct page *p, struct buf *next)
{
    AUTO_BUF links;
    buf_init(&links, 4 * (LIMIT_HTTP_TARGET_BYTES + 64));
    if (p->after_us != 0)
        cursor_links(r, p, &links, next);
    else
        number_links(r, count, p, &links, next);
    /* A target near its limit four times over would not fit the connection's memory. */
    if (buf_status(&links) == ST_OK && links.len <= LIMIT_HTTP_TARGET_BYTES)
        reply_header(r, "Link", buf_cstr(&links));
}

void page_reply_headers(struct req *r, size_t count, const struct page *p)
{
    AUTO_BUF next;
    buf_init(&next, LIMIT_HTTP_TARGET_BYTES + 64);
    reply_links(r, count, p, &next);
    reply_header(r, "X-Total-Count", arena_printf(r->arena, "%" PRId64, p->total));
}

void page_write_members(struct req *r, struct jw *w, size_t count, const struct page *p)
{
    AUTO_BUF next;
    buf_init(&next, LIMIT_HTTP_TARGET_BYTES + 64);
    reply_links(r, count, p, &next);
    int64_t pages = (p->total + p->limit - 1) / p->limit;

    jw_kv_i64(w, "total", p->total);
    jw_kv_bool(w, "total_is_exact", !p->is_total_capped);
    jw_kv_i64(w, "page", p->page);
    jw_kv_i64(w, "per_page", p->per_page);
    jw_kv_i64(w, "pages", pages);
    jw_kv_i64(w, "limit", p->limit);
    jw_kv_i64(w, "offset", p->offset);
    jw_kv_i64(w, "count", (int64_t)count);
    jw_kv_str(w, "next", next.len > 0 ? buf_cstr(&next) : NULL);
    char cursor[CURSOR_BYTES];
    if (next_cursor(p, cursor)[0] != '\0')
        jw_kv_str(w, "next_cursor", cursor);
}

static void write_rows(struct jw *w, const struct schema *schema, const void *rows, size_t count)
{
    const char *row = rows;
    jw_array(w);
    for (size_t i = 0; i < count; i++)
        schema_write(w, schema, row + i * schema->size);
    jw_end(w);
}

static struct jw *open_list(struct req *r, const char *list, const struct schema *schema,
                            const void *rows, size_t count)
{
    struct jw *w = reply_json(r, 200);
    jw_object(w);
    jw_key(w, list);
    write_rows(w, schema, rows, count);
    return w;
}

/* More than five parameters: all of a list's reply, which no caller keeps as a thing. */
void reply_page_with(struct req *r, const char *list, const struct schema *schema, const void *rows,
                     size_t count, const struct page *p, const struct schema *extra,
                     const void *more)
{
    struct jw *w = open_list(r, list, schema, rows, count);
    page_write_members(r, w, count, p);
    if (extra)
        schema_write_members(w, extra, more);
    jw_end(w);
}

void reply_page(struct req *r, const char *list, const struct schema *schema, const void *rows,
                size_t count, const struct page *p)
{
    reply_page_with(r, list, schema, rows, count, p, NULL, NULL);
}

void reply_items(struct req *r, const char *list, const struct schema *schema, const void *rows,
                 size_t count)
{
    struct jw *w = open_list(r, list, schema, rows, count);
    jw_kv_i64(w, "total", (int64_t)count);
    jw_kv_i64(w, "count", (int64_t)count);
    jw_end(w);
}

void reply_array(struct req *r, const struct schema *schema, const void *rows, size_t count)
{
    write_rows(reply_json(r, 200), schema, rows, count);
}
