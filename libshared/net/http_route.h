/* The table of routes compiled into a tree of path segments, and finding a request's route in it.
 */
#ifndef TOCSIN_NET_HTTP_ROUTE_H
#define TOCSIN_NET_HTTP_ROUTE_H

#include "net/http.h"

struct route_table;

/* ST_INVALID, naming the route, for an unset scope, no handler, a bad pattern, too many parameters,
 * two routes of one method and shape, or what an inline route cannot have. The routes are borrowed.
 */
NODISCARD enum status route_table_new(const struct route_set *sets, size_t count,
                                      struct route_table **out, struct errbuf *err);
void route_table_free(struct route_table *t);
/* Whether every route is ROUTE_INLINE. */
bool route_table_is_inline(const struct route_table *t);

/* A raw (still escaped) parameter inside the path that was asked for. */
struct route_param {
    const char *at;
    size_t len;
};
struct route_match {
    const struct route *const *by_method; /* M_COUNT_ entries, NULL where there is none */
    struct route_param param[LIMIT_HTTP_PATH_PARAMS];
    int param_count;
};
/* Finds the path (a literal segment beats a parameter, one trailing slash is ignored); false when
 * there is none. */
bool route_table_find(const struct route_table *t, const char *path, size_t len,
                      struct route_match *out);
/* The route of a match for a method (GET's for HEAD), or NULL. */
const struct route *route_match_method(const struct route_match *m, enum http_method method);
/* "GET, HEAD, OPTIONS" of a match. */
#define ROUTE_ALLOW_BYTES 64
void route_match_allow(const struct route_match *m, char out[ROUTE_ALLOW_BYTES]);

#endif
