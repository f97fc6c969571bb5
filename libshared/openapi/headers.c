/* The headers that replies may have. */
#include "openapi/internal.h"

static const struct {
    const char *name, *type, *help;
} headers[] = {
    {"RateLimit-Limit", "integer", "Requests a minute"},
    {"RateLimit-Remaining", "integer", "Requests that are left of them"},
    {"RateLimit-Reset", "integer", "Seconds until all of them are there again"},
    {"Retry-After", "integer", "Seconds to wait before trying again"},
    {"WWW-Authenticate", "string", "How to sign in"},
    {"Location", "string", "The path of what was made"},
    {"Link", "string", "The first, previous, next and last page (RFC 8288)"},
    {"X-Total-Count", "integer", "How many there are on all pages"},
    {"ETag", "string", "The version of what was read, for If-None-Match and If-Match"},
    {"X-Request-Id", "string", "The request's id: the client's own, or ours"},
    {"X-Cache", "string", "hit: kept from before, and nothing has changed since; miss: just read"},
    {"Idempotency-Replayed", "string",
     "true: the reply that the first request with this Idempotency-Key got"},
};

void shared_headers_write(struct doc *d)
{
    struct jw *w = &d->w;
    jw_key(w, "headers");
    jw_object(w);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        jw_key(w, headers[i].name);
        jw_object(w);
        jw_kv_str(w, "description", headers[i].help);
        jw_key(w, "schema");
        jw_object(w);
        jw_kv_str(w, "type", headers[i].type);
        jw_end(w);
        jw_end(w);
    }
    jw_end(w);
}

void write_header(struct jw *w, const char *name)
{
    jw_key(w, name);
    write_ref(w, "headers", name);
}

void write_rate_headers(struct jw *w)
{
    write_header(w, "RateLimit-Limit");
    write_header(w, "RateLimit-Remaining");
    write_header(w, "RateLimit-Reset");
}
