/* What the writers of the parts share. */
#ifndef TOCSIN_OPENAPI_INTERNAL_H
#define TOCSIN_OPENAPI_INTERNAL_H

#include "auth/scopes.h"
#include "openapi/openapi.h"

/* What comes in and what goes out are described differently: secrets, nulls, what is required. */
enum direction { DIR_IN, DIR_OUT };

struct component {
    const struct schema *schema;
    enum direction direction;
};

enum { ROUTES_MAX = 1024, COMPONENTS_MAX = 1024 };

struct doc {
    const struct openapi_about *about;
    struct jw w;
    const struct route *route[ROUTES_MAX];
    size_t route_count;
    struct component component[COMPONENTS_MAX];
    size_t component_count;
    struct errbuf *err;
};

/* components.c */

/* Every schema that the routes use, and those within them. */
NODISCARD enum status components_collect(struct doc *d);
/* {"schemas": …, "responses": …, "headers": …, "securitySchemes": …} */
void components_write(struct doc *d);
/* {"$ref": "#/components/<kind>/<name>"} */
void write_ref(struct jw *w, const char *kind, const char *name);
/* What pages are made of. */
extern const struct schema page_schema, items_schema;

/* fields.c */

/* A JSON Schema of the field's value. */
void write_field_schema(struct jw *w, const struct field *f, enum direction direction);
/* A JSON Schema of the whole object, with an example. */
void write_object_schema(struct jw *w, const struct schema *s, enum direction direction);
/* A value that such an object could have, from the examples of its fields; an incoming one has what
 * is required and what has an example. */
void write_example(struct jw *w, const struct schema *s, enum direction direction);

/* rules.c */

/* The members of a table's `rules`; NULL: none. */
void write_rules(struct jw *w, const char *rules);
/* Which schema a member has for which value of another. */
void write_variants(struct jw *w, const struct schema *s);

/* operation.c */
void put_operation_id(struct buf *out, const struct route *r);
NODISCARD enum status operation_write(struct doc *d, const struct route *r);

/* links.c */

/* Where the values of a reply lead: operations whose path takes one of them. */
void write_links(struct doc *d, const struct route *r, int status);

/* replies.c */
NODISCARD enum status replies_write(struct doc *d, const struct route *r);
/* The replies that routes share, as components. */
void shared_replies_write(struct doc *d);

/* headers.c */

/* "headers" of replies and "parameters" that are headers of requests. */
void shared_headers_write(struct doc *d);
void shared_params_write(struct doc *d);
/* A member of `headers`: the shared one of that name. */
void write_header(struct jw *w, const char *name);
void write_rate_headers(struct jw *w);

/* successes.c */
struct success {
    int status;
    const char *help, *produces;
    const struct schema *reply;
    bool is_more; /* not the usual one, whose list and links the route describes */
};
void success_write(struct doc *d, const struct route *r, const struct success *s);
/* Whether a schema, which may be NULL, has a field of that name. */
bool has_member(const struct schema *s, const char *name);
/* One content type of a list "text/csv, text/html" at a time; false at its end. */
bool next_type(const char **types, char *out, size_t size);

/* HTTP status of a success. */
static inline int route_ok(const struct route *r)
{
    return r->ok ? r->ok : 200;
}
/* Whether a POST takes an Idempotency-Key, and whether a change takes If-Match. */
static inline bool route_is_keyed(const struct doc *d, const struct route *r)
{
    return d->about->takes_conditions && r->method == M_POST && r->scope != SCOPE_PUBLIC;
}
static inline bool route_is_change(const struct doc *d, const struct route *r)
{
    return d->about->takes_conditions &&
           (r->method == M_PUT || r->method == M_PATCH || r->method == M_DELETE) &&
           r->scope != SCOPE_PUBLIC;
}
static inline bool route_has_body(const struct route *r)
{
    return r->body || r->consumes || (r->flags & ROUTE_RAW_BODY);
}

#endif
