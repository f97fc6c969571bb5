/* People: who they are, what role they have in their organisation. */
#ifndef TOCSIN_STORE_USERS_H
#define TOCSIN_STORE_USERS_H

#include "auth/scopes.h"
#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"

struct user {
    struct uuid id, org_id;
    const char *username, *email;
    const char *password_hash; /* never leaves the process */
    const char *role_text;     /* role_name(role) */
    enum role role;
    bool is_admin; /* role admin or owner */
    bool is_active;
    int64_t token_epoch;
    int64_t created_at, updated_at, last_login_at; /* µs; 0: never */
};

/* By user name or address, whatever the case. ST_NOT_FOUND. */
NODISCARD enum status user_by_login(struct db *db, const char *login, struct arena *arena,
                                    struct user *out);
NODISCARD enum status user_get(struct db *db, const struct uuid *id, struct arena *arena,
                               struct user *out);
/* All of an organisation, or of all (org NULL), oldest first, at most 10,000. */
NODISCARD enum status user_list(struct db *db, const struct uuid *org, struct arena *arena,
                                struct user **out, size_t *count);
/* The oldest active owner: who everybody is when authentication is off. ST_NOT_FOUND. */
NODISCARD enum status user_first_owner(struct db *db, struct arena *arena, struct user *out);

/* Needs id, org_id, username, email, password_hash, role. ST_CONFLICT: name or address is taken. */
NODISCARD enum status user_insert(struct db *db, const struct user *user, struct arena *arena);
/* NULL keeps what there is. ST_CONFLICT as above, ST_NOT_FOUND. */
NODISCARD enum status user_update_profile(struct db *db, const struct uuid *id,
                                          const char *username, const char *email,
                                          struct arena *arena, struct user *out);
/* Sets the hash and ends all sessions (epoch raised, refresh tokens revoked). ST_NOT_FOUND. */
NODISCARD enum status user_set_password(struct db *db, const struct uuid *id, const char *hash,
                                        struct arena *arena);
/* Ends all sessions. ST_NOT_FOUND. */
NODISCARD enum status user_end_sessions(struct db *db, const struct uuid *id, struct arena *arena);
/* Remembers the time of a sign-in. */
NODISCARD enum status user_signed_in(struct db *db, const struct uuid *id, struct arena *arena);

NODISCARD enum status organisation_insert(struct db *db, const struct uuid *id, const char *name,
                                          struct arena *arena);
/* The oldest one. ST_NOT_FOUND. */
NODISCARD enum status organisation_first(struct db *db, struct uuid *out);

#endif
