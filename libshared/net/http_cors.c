/* Cross-origin requests of browsers (Fetch standard, section 3.2): who may, and what they see. */
#include "net/http_internal.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"

#define ALLOWED_HEADERS                                                                  \
    "Authorization, Content-Type, X-API-Key, Idempotency-Key, If-Match, If-None-Match, " \
    "X-Request-Id"
#define EXPOSED_HEADERS                                                                          \
    "ETag, Link, Location, X-Total-Count, X-Request-Id, X-Cache, Retry-After, RateLimit-Limit, " \
    "RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, Idempotency-Replayed, "             \
    "WWW-Authenticate"
#define PREFLIGHT_AGE_S "600"

static bool is_listed(const char *list, const char *origin, size_t len)
{
    while (*list) {
        list += strspn(list, ", \t");
        const size_t size = strcspn(list, ", \t");
        if (size == len && len > 0 && strncasecmp(list, origin, len) == 0)
            return true;
        list += size;
    }
    return false;
}

/* What Access-Control-Allow-Origin says to this request, or NULL. *is_named: the origin itself is
 * on the list, not just anybody. */
static const char *allowed_origin(const struct exchange *ex, bool *is_named)
{
    const char *list = ex->server->config.cors_origins;
    size_t len = 0;
    *is_named = false;
    if (str_is_empty(list))
        return NULL;
    const char *origin = http_field_find(ex->fields, ex->field_count, "Origin", &len);
    if (!origin)
        return NULL;
    *is_named = !str_eq(origin, "*") && is_listed(list, origin, len);
    if (*is_named)
        return origin;
    return is_listed(list, "*", 1) ? "*" : NULL;
}

void http_cors_preflight(struct exchange *ex, const char *methods)
{
    struct req *r = &ex->req;
    bool is_named = false;
    if (!req_header(r, "Access-Control-Request-Method"))
        return;
    r->vary |= VARY_PREFLIGHT;
    if (!allowed_origin(ex, &is_named))
        return;
    reply_header(r, "Access-Control-Allow-Methods", methods);
    reply_header(r, "Access-Control-Allow-Headers", ALLOWED_HEADERS);
    reply_header(r, "Access-Control-Max-Age", PREFLIGHT_AGE_S);
}

void http_cors_headers(struct exchange *ex)
{
    struct req *r = &ex->req;
    bool is_named = false;
    if (str_is_empty(ex->server->config.cors_origins))
        return;
    r->vary |= VARY_ORIGIN;
    const char *origin = allowed_origin(ex, &is_named);
    if (!origin)
        return;
    reply_header(r, "Access-Control-Allow-Origin", origin);
    if (is_named)
        reply_header(r, "Access-Control-Allow-Credentials", "true");
    reply_header(r, "Access-Control-Expose-Headers", EXPOSED_HEADERS);
}
