/*
 * Access tokens: JWT, HS256 only, over libjwt with the checks it leaves out (library-notes): length
 * and shape first, one fixed algorithm, every claim present and of its type, times checked by us.
 */
#ifndef TOCSIN_AUTH_JWT_H
#define TOCSIN_AUTH_JWT_H

#include "auth/scopes.h"
#include "base/arena.h"
#include "base/uuid.h"

struct jwt_claims {
    struct uuid user_id; /* sub */
    struct uuid org_id;  /* org */
    enum role role;      /* role */
    int64_t epoch;       /* the user's token epoch: older tokens are dead */
    int64_t issued_at_s, expires_at_s;
    struct uuid id;      /* jti */
    struct uuid session; /* sid: the family of refresh tokens it was issued with */
};

struct jwt_key {
    const char *secret;
    size_t len; /* ≥ LIMIT_KEY_MIN_BYTES, else ST_INVALID everywhere */
};

/* The token in the arena. */
NODISCARD enum status jwt_issue(const struct jwt_key *key, const struct jwt_claims *claims,
                                struct arena *arena, const char **out);
/* ST_UNAUTHENTICATED with the reason in err (safe to show) for anything not exactly right. */
NODISCARD enum status jwt_verify(const struct jwt_key *key, const char *token, int64_t now_s,
                                 struct jwt_claims *out, struct errbuf *err);

#endif
