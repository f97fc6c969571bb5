/* People: who they are, what role they have in their organisation. */
#ifndef TOCSIN_STORE_USERS_H
#define TOCSIN_STORE_USERS_H

#include "auth/scopes.h"
#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"
#include "net/page.h"

struct user {
    struct uuid id, org_id;
    const char *username, *email;
    const char *display_name;  /* NULL: none */
    const char *password_hash; /* never leaves the process */
    const char *role_text;     /* role_name(role) */
    enum role role;
    bool is_admin; /* role admin or owner */
    bool is_active;
    bool is_external; /* signed in by a proxy only: has no password */
    bool has_totp;    /* a second factor is needed to sign in */
    int64_t token_epoch;
    int64_t created_at, updated_at, last_login_at; /* µs; 0: never */
};

/* By the user name alone. ST_NOT_FOUND. */
NODISCARD enum status user_by_name(struct db *db, const char *username, struct arena *arena,
                                   struct user *out);
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

/* Needs id, org_id, username, email, password_hash (NULL: a proxy's user, without one), role. May
 * have a display name. ST_CONFLICT: name or address is taken. */
NODISCARD enum status user_insert(struct db *db, const struct user *user, struct arena *arena);

/* One of the organisation. ST_NOT_FOUND. */
NODISCARD enum status user_get_of(struct db *db, const struct uuid *org, const struct uuid *id,
                                  struct arena *arena, struct user *out);
struct user_filter {
    const char *text; /* part of name or address */
    const char *role; /* NULL: any */
    bool has_active, active;
};
/* Oldest first. */
NODISCARD enum status user_page(struct db *db, const struct uuid *org,
                                const struct user_filter *filter, struct arena *arena,
                                struct page *page, struct user **out, size_t *count);

/* What is to be different; NULL keeps what there is. */
struct user_change {
    const char *username, *email, *display_name, *password_hash;
    const char *role; /* role_name */
    const bool *is_active;
};
/* Role, activity and password end all sessions when they change. The last active owner of an
 * organisation stays one: ST_FORBIDDEN. ST_CONFLICT: name or address is taken. ST_NOT_FOUND. */
NODISCARD enum status user_change(struct db *db, const struct uuid *org, const struct uuid *id,
                                  const struct user_change *change, struct arena *arena,
                                  struct user *out);
/* With his sessions and keys; the keys of servers' agents stay. ST_FORBIDDEN and ST_NOT_FOUND as
 * above. */
NODISCARD enum status user_remove(struct db *db, const struct uuid *org, const struct uuid *id,
                                  struct arena *arena);
/* Sets the hash and ends all sessions (epoch raised, refresh tokens revoked). ST_NOT_FOUND. */
NODISCARD enum status user_set_password(struct db *db, const struct uuid *id, const char *hash,
                                        struct arena *arena);
/* Ends all sessions. ST_NOT_FOUND. */
NODISCARD enum status user_end_sessions(struct db *db, const struct uuid *id, struct arena *arena);
/* Remembers the time of a sign-in. */
NODISCARD enum status user_signed_in(struct db *db, const struct uuid *id, struct arena *arena);

struct organisation {
    struct uuid id;
    const char *name;
    int64_t created_at; /* µs */
    int64_t user_count;
};
/* ST_NOT_FOUND. */
NODISCARD enum status organisation_get(struct db *db, const struct uuid *id, struct arena *arena,
                                       struct organisation *out);
NODISCARD enum status organisation_rename(struct db *db, const struct uuid *id, const char *name,
                                          struct arena *arena);
NODISCARD enum status organisation_insert(struct db *db, const struct uuid *id, const char *name,
                                          struct arena *arena);
/* The oldest one. ST_NOT_FOUND. */
NODISCARD enum status organisation_first(struct db *db, struct uuid *out);

#endif
