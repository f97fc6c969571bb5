/* Routes as a tree of path segments; matching goes down it without recursion. */
#include "net/http_route.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

struct node {
    const char *literal; /* NULL: a parameter */
    size_t len;
    struct node *next;     /* sibling among literals */
    struct node *literals; /* children */
    struct node *param;
    bool has_routes;
    const struct route *by_method[M_COUNT_];
};

struct route_table {
    struct node *root;
    bool is_inline;
};

static const char *const method_names[M_COUNT_] = {
    [M_GET] = "GET",       [M_POST] = "POST", [M_PUT] = "PUT",         [M_PATCH] = "PATCH",
    [M_DELETE] = "DELETE", [M_HEAD] = "HEAD", [M_OPTIONS] = "OPTIONS",
};

const char *http_method_name(enum http_method m)
{
    return (unsigned)m < M_COUNT_ ? method_names[m] : "?";
}

/* Cuts the next segment off *path; false at its end. */
static bool next_segment(const char **path, const char **segment, size_t *len)
{
    if (**path != '/')
        return false;
    *segment = *path + 1;
    *len = strcspn(*segment, "/");
    *path = *segment + *len;
    return true;
}

static bool is_name(const char *s, size_t len, const char *marks)
{
    for (size_t i = 0; i < len; i++) {
        bool alnum = (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'z') ||
                     (s[i] >= 'A' && s[i] <= 'Z');
        if (!alnum && !strchr(marks, s[i]))
            return false;
    }
    return len > 0;
}

static bool is_param(const char *segment, size_t len)
{
    return len > 2 && segment[0] == '{' && segment[len - 1] == '}' &&
           is_name(segment + 1, len - 2, "_");
}

static bool pattern_is_good(const char *path)
{
    int params = 0;
    int segments = 0;
    const char *rest = path;
    const char *segment = NULL;
    size_t len = 0;
    if (str_eq(path, "/"))
        return true;
    while (next_segment(&rest, &segment, &len)) {
        bool param = is_param(segment, len);
        if (!param && !is_name(segment, len, "-._~"))
            return false;
        params += param;
        segments++;
    }
    return *rest == '\0' && segments > 0 && segments <= LIMIT_HTTP_PATH_SEGMENTS &&
           params <= LIMIT_HTTP_PATH_PARAMS;
}

static struct node *child_literal(const struct node *n, const char *segment, size_t len)
{
    for (struct node *c = n->literals; c; c = c->next) {
        if (c->len == len && memcmp(c->literal, segment, len) == 0)
            return c;
    }
    return NULL;
}

static struct node *child_or_new(struct node *n, const char *segment, size_t len)
{
    bool param = is_param(segment, len);
    struct node *c = param ? n->param : child_literal(n, segment, len);
    if (c)
        return c;
    c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    if (param) {
        n->param = c;
        return c;
    }
    c->literal = segment;
    c->len = len;
    c->next = n->literals;
    n->literals = c;
    return c;
}

static enum status check_route(const struct route *r, struct errbuf *err)
{
    const char *path = r->path ? r->path : "(no path)";
    const char *why = NULL;
    if (!r->path || !pattern_is_good(r->path))
        why = "is no pattern";
    else if ((unsigned)r->method >= M_HEAD)
        why = "has a method that is answered by itself";
    else if (r->scope == 0)
        why = "has no scope";
    else if (!r->handler)
        why = "has no handler";
    else if ((r->flags & ROUTE_INLINE) && (r->body || r->query))
        why = "is inline and has a schema";
    if (why)
        return err_set(err, ST_INVALID, "route %s %s %s", http_method_name(r->method), path, why);
    return ST_OK;
}

static enum status add_route(struct route_table *t, const struct route *r, struct errbuf *err)
{
    TRY(check_route(r, err));
    struct node *n = t->root;
    const char *rest = str_eq(r->path, "/") ? "" : r->path;
    const char *segment = NULL;
    size_t len = 0;
    while (next_segment(&rest, &segment, &len)) {
        n = child_or_new(n, segment, len);
        if (!n)
            return ST_NO_MEMORY;
    }
    if (n->by_method[r->method])
        return err_set(err, ST_INVALID, "routes %s %s and %s are the same",
                       http_method_name(r->method), r->path, n->by_method[r->method]->path);
    n->by_method[r->method] = r;
    n->has_routes = true;
    t->is_inline = t->is_inline && (r->flags & ROUTE_INLINE);
    return ST_OK;
}

enum status route_table_new(const struct route_set *sets, size_t count, struct route_table **out,
                            struct errbuf *err)
{
    struct route_table *t = calloc(1, sizeof(*t));
    if (!t)
        return ST_NO_MEMORY;
    t->is_inline = true;
    t->root = calloc(1, sizeof(*t->root));
    enum status st = t->root ? ST_OK : ST_NO_MEMORY;
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        for (size_t j = 0; j < sets[i].count && st == ST_OK; j++)
            st = add_route(t, &sets[i].routes[j], err);
    }
    if (st != ST_OK) {
        route_table_free(t);
        return st;
    }
    *out = t;
    return ST_OK;
}

/* Takes the leftmost child out until nothing is below: no recursion, no stack. */
static void free_tree(struct node *root)
{
    struct node *todo = root; /* a list through `next` */
    while (todo) {
        struct node *n = todo;
        todo = n->next;
        while (n->literals) {
            struct node *c = n->literals;
            n->literals = c->next;
            c->next = todo;
            todo = c;
        }
        if (n->param) {
            n->param->next = todo;
            todo = n->param;
        }
        free(n);
    }
}

void route_table_free(struct route_table *t)
{
    if (!t)
        return;
    free_tree(t->root);
    free(t);
}

bool route_table_is_inline(const struct route_table *t)
{
    return t->is_inline;
}

/* false when there are too many segments to be any route's. One trailing slash is dropped. */
static bool split(const char *path, size_t len, struct route_param *segment, size_t *count)
{
    size_t n = 0;
    if (len == 0 || path[0] != '/')
        return false;
    if (path[len - 1] == '/')
        len--;
    for (size_t at = 0; at < len;) {
        const char *start = path + at + 1;
        const char *end = memchr(start, '/', len - at - 1);
        size_t size = end ? (size_t)(end - start) : len - at - 1;
        if (size == 0 || n == LIMIT_HTTP_PATH_SEGMENTS)
            return false;
        segment[n++] = (struct route_param){start, size};
        at += size + 1;
    }
    *count = n;
    return true;
}

/* One step of the walk: which children of the node at this depth were tried. */
struct step {
    const struct node *node;
    enum { TRY_LITERAL, TRY_PARAM, TRY_NONE } next;
};

static const struct node *next_child(struct step *s, const struct route_param *segment)
{
    const struct node *child = NULL;
    if (s->next == TRY_LITERAL) {
        s->next = TRY_PARAM;
        child = child_literal(s->node, segment->at, segment->len);
    }
    if (!child && s->next == TRY_PARAM) {
        s->next = TRY_NONE;
        child = s->node->param;
    }
    return child;
}

bool route_table_find(const struct route_table *t, const char *path, size_t len,
                      struct route_match *out)
{
    struct route_param segment[LIMIT_HTTP_PATH_SEGMENTS];
    struct step at[LIMIT_HTTP_PATH_SEGMENTS + 1];
    size_t count = 0;
    if (!split(path, len, segment, &count))
        return false;

    size_t depth = 0;
    at[0] = (struct step){t->root, TRY_LITERAL};
    while (!(depth == count && at[depth].node->has_routes)) {
        const struct node *child = depth < count ? next_child(&at[depth], &segment[depth]) : NULL;
        if (child)
            at[++depth] = (struct step){child, TRY_LITERAL};
        else if (depth-- == 0)
            return false;
    }
    *out = (struct route_match){.by_method = at[depth].node->by_method};
    for (size_t i = 0; i < count && out->param_count < LIMIT_HTTP_PATH_PARAMS; i++) {
        if (!at[i + 1].node->literal)
            out->param[out->param_count++] = segment[i];
    }
    return true;
}

const struct route *route_match_method(const struct route_match *m, enum http_method method)
{
    return m->by_method[method == M_HEAD ? M_GET : method];
}

void route_match_allow(const struct route_match *m, char out[ROUTE_ALLOW_BYTES])
{
    size_t n = 0;
    for (int i = 0; i < M_COUNT_; i++) {
        bool has = i == M_OPTIONS || m->by_method[i] || (i == M_HEAD && m->by_method[M_GET]);
        if (has && n < ROUTE_ALLOW_BYTES)
            n += (size_t)snprintf(out + n, ROUTE_ALLOW_BYTES - n, "%s%s", n ? ", " : "",
                                  method_names[i]);
    }
}
