/*
 * The audit log. Changes of rows are recorded by triggers of the database (migrations), in the
 * change's own transaction; what is no change of a row (sign-ins …) is recorded here. Who it was
 * comes from db_set_actor.
 */
#ifndef TOCSIN_STORE_AUDIT_H
#define TOCSIN_STORE_AUDIT_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"
#include "net/page.h"

struct audit_event {
    struct uuid org_id;
    const char *action;      /* "user.login" */
    const char *object_type; /* "user" */
    struct uuid object_id;
    const char *object_name;
    struct uuid user_id; /* who did it, where the actor does not say so yet; nil: the actor */
    const char *after;   /* JSON object of what is worth knowing, or NULL */
};
NODISCARD enum status audit_write(struct db *db, const struct audit_event *event,
                                  struct arena *arena);

struct audit_entry {
    struct uuid id, user_id, api_key_id;
    int64_t at; /* µs */
    const char *action, *object_type, *object_id, *object_name;
    const char *actor_type, *username, *address, *request_id;
    const char *before, *after; /* JSON objects, or NULL */
};

/* NULL, nil and 0: any. */
struct audit_filter {
    const char *action; /* whole, or all that begin with it when it ends in '.' */
    const char *object_type, *object_id;
    struct uuid user_id;
    const char *address, *request_id;
    int64_t since, until; /* µs */
};
/* Newest first. */
NODISCARD enum status audit_list(struct db *db, const struct uuid *org,
                                 const struct audit_filter *filter, struct arena *arena,
                                 struct page *page, struct audit_entry **out, size_t *count);
/* ST_NOT_FOUND: none of this organisation. */
NODISCARD enum status audit_get(struct db *db, const struct uuid *org, const struct uuid *id,
                                struct arena *arena, struct audit_entry *out);

#endif
