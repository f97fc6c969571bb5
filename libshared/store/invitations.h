/*
 * Invitations: a token that makes one account in an organisation, with a role that was decided
 * beforehand, perhaps for one address only.
 */
#ifndef TOCSIN_STORE_INVITATIONS_H
#define TOCSIN_STORE_INVITATIONS_H

#include "auth/api_key.h"
#include "auth/scopes.h"
#include "base/arena.h"
#include "db/db.h"
#include "net/page.h"
#include "store/users.h"

struct invitation {
    struct uuid id, org_id, created_by, accepted_by;
    const char *email; /* NULL: whoever has the token */
    const char *role;
    const char *status;                          /* pending, accepted, revoked, expired */
    int64_t created_at, expires_at, accepted_at; /* µs */
};

/* Needs org_id, created_by, email, role, expires_at. The token is shown this once. */
NODISCARD enum status invitation_create(struct db *db, const struct invitation *in,
                                        struct arena *arena, char token[SECRET_TOKEN_BYTES],
                                        struct invitation *out);
/* Newest first. status NULL: any. */
NODISCARD enum status invitation_page(struct db *db, const struct uuid *org, const char *status,
                                      struct arena *arena, struct page *page,
                                      struct invitation **out, size_t *count);
NODISCARD enum status invitation_get(struct db *db, const struct uuid *org, const struct uuid *id,
                                     struct arena *arena, struct invitation *out);
/* ST_NOT_FOUND; ST_CONFLICT: it is not pending. */
NODISCARD enum status invitation_revoke(struct db *db, const struct uuid *org,
                                        const struct uuid *id, struct arena *arena);

/* Uses the token up and makes the user (needs id, username, email, password_hash; organisation and
 * role are filled in) as one transaction. ST_UNAUTHENTICATED: unknown, used, revoked, expired, or
 * for another address. ST_CONFLICT: name or address is taken; the token is still good. */
NODISCARD enum status invitation_accept(struct db *db, const char *token, struct arena *arena,
                                        struct user *user);
/* Makes an organisation and its owner, as one transaction. A name that is taken is varied.
 * ST_CONFLICT: the address is taken. */
NODISCARD enum status organisation_found(struct db *db, const char *name, struct arena *arena,
                                         struct user *user);

#endif
