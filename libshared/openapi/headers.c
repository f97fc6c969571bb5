/* The headers that requests and replies may have. */
#include "openapi/internal.h"

/* Of replies. */
static const struct {
    const char *name, *type, *help;
} headers[] = {
    {"RateLimit-Limit", "integer", "Requests a minute"},
    {"RateLimit-Remaining", "integer", "Requests that are left of them"},
    {"RateLimit-Reset", "integer", "Seconds until all of them are there again"},
    {"RateLimit-Policy", "string", "The limit and its seconds, as in 100;w=60"},
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

/* Of requests. */
static const struct {
    const char *name, *pattern, *format, *help; /* pattern, format: NULL */
} params[] = {
    {"If-None-Match", NULL, "entity-tags",
     "An ETag that was given before: 304 when the reply would be the same"},
    {"If-Match", NULL, "entity-tags",
     "ETags that were given before: 412 unless what is there is of such a version"},
    {"Idempotency-Key", "^[!#-\\[\\]-~]{1,255}$", NULL,
     "1 to 255 visible characters that name this request: for a day, a repeat does nothing and "
     "gets the first one's reply"},
};

/* What a header of a reply and a parameter that is one both have. */
static void write_members(struct jw *w, const char *help, const char *type, const char *pattern,
                          const char *format)
{
    jw_kv_str(w, "description", help);
    jw_key(w, "schema");
    jw_object(w);
    jw_kv_str(w, "type", type);
    if (pattern)
        jw_kv_str(w, "pattern", pattern);
    if (format)
        jw_kv_str(w, "format", format);
    jw_end(w);
}

void shared_headers_write(struct doc *d)
{
    struct jw *w = &d->w;
    jw_key(w, "headers");
    jw_object(w);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        jw_key(w, headers[i].name);
        jw_object(w);
        write_members(w, headers[i].help, headers[i].type, NULL, NULL);
        jw_end(w);
    }
    jw_end(w);
}

void shared_params_write(struct doc *d)
{
    struct jw *w = &d->w;
    jw_key(w, "parameters");
    jw_object(w);
    for (size_t i = 0; i < ARRAY_LEN(params); i++) {
        jw_key(w, params[i].name);
        jw_object(w);
        jw_kv_str(w, "name", params[i].name);
        jw_kv_str(w, "in", "header");
        write_members(w, params[i].help, "string", params[i].pattern, params[i].format);
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
    write_header(w, "RateLimit-Policy");
}
