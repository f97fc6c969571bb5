/* Who is calling: what authentication found out. */
#ifndef TOCSIN_AUTH_PRINCIPAL_H
#define TOCSIN_AUTH_PRINCIPAL_H

#include "auth/scopes.h"
#include "base/uuid.h"

struct principal {
    struct uuid org_id;
    struct uuid user_id;    /* nil for a key without a user */
    struct uuid api_key_id; /* nil when a token was used */
    struct uuid host_id;    /* the server that an agent's key belongs to, or nil */
    struct uuid session;    /* of the token, or nil */
    enum role role;
    int64_t rate_limit; /* the key's own, requests a minute; 0: none */
    uint64_t scopes;    /* role's scopes, cut down to the key's */
};

static inline bool principal_may(const struct principal *p, enum scope s)
{
    return s == SCOPE_PUBLIC || (p && (p->scopes & SCOPE_BIT(s)) != 0);
}

#endif
