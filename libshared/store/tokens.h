/*
 * Sessions. A sign-in starts a family of refresh tokens; each is used once and followed by the next
 * of the family. One that comes a second time has been stolen (or its thief has been answered):
 * the whole family ends (RFC 9700, 4.14.2).
 */
#ifndef TOCSIN_STORE_TOKENS_H
#define TOCSIN_STORE_TOKENS_H

#include "auth/api_key.h"
#include "auth/scopes.h"
#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"

/* What an access token's claims are compared with. */
struct session {
    struct uuid org_id;
    enum role role;
    bool is_active; /* the user may sign in */
    bool is_live;   /* the family was not revoked */
    int64_t epoch;
};
/* ST_NOT_FOUND: no such user. */
NODISCARD enum status session_find(struct db *db, const struct uuid *user,
                                   const struct uuid *family, struct arena *arena,
                                   struct session *out);

struct refresh_token {
    struct uuid user_id, family;
    unsigned char hash[API_KEY_HASH_BYTES];
    int64_t expires_at;               /* µs */
    const char *address, *user_agent; /* for the owner to recognise it by; may be NULL */
};
NODISCARD enum status refresh_token_insert(struct db *db, const struct refresh_token *token,
                                           struct arena *arena);
/* Uses up the token with this hash and stores `next` (hash and expires_at given; user and family
 * are filled in) as one transaction. ST_UNAUTHENTICATED: unknown, expired or revoked; ST_CONFLICT:
 * used before, and the family is ended now (user_id and family are filled in). */
NODISCARD enum status refresh_token_rotate(struct db *db,
                                           const unsigned char hash[API_KEY_HASH_BYTES],
                                           struct arena *arena, struct refresh_token *next);
/* The family of a token of this user, whatever its state. ST_NOT_FOUND. */
NODISCARD enum status refresh_token_family(struct db *db,
                                           const unsigned char hash[API_KEY_HASH_BYTES],
                                           const struct uuid *user, struct arena *arena,
                                           struct uuid *family);
/* ST_NOT_FOUND: no live session of this user. */
NODISCARD enum status refresh_family_revoke(struct db *db, const struct uuid *user,
                                            const struct uuid *family, struct arena *arena);

/* A session that lives, as its owner sees it. */
struct session_row {
    struct uuid id; /* the family */
    const char *address, *user_agent;
    int64_t started_at, refreshed_at, expires_at; /* µs */
    bool is_current;
};
/* Newest first, at most 1000. */
NODISCARD enum status session_list(struct db *db, const struct uuid *user,
                                   const struct uuid *current, struct arena *arena,
                                   struct session_row **out, size_t *count);

#endif
