/*
 * Checks in PostgreSQL: what is to be checked, how often, whom it alerts, and how it stands. Every
 * function sees one organisation's rows only. Strings of a struct check live in the caller's arena.
 */
#ifndef TOCSIN_STORE_CHECKS_H
#define TOCSIN_STORE_CHECKS_H

#include "auth/seal.h"
#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"
#include "net/page.h"

struct check {
    struct uuid id;
    int64_t legacy_id; /* small number for the uptime API; by the database */
    const char *name;
    const char *kind;            /* canonical: "website" */
    const char *plugin_type;     /* as the user wrote it */
    const char *config;          /* JSON object, without its secrets */
    const unsigned char *sealed; /* the secrets (auth/seal_json.h); NULL: none */
    size_t sealed_len;
    bool enabled;
    const char *schedule; /* as the user wrote it */
    int64_t timeout_ms;
    int64_t retries, recoveries;
    const char *retry_interval; /* schedule text; NULL: as the schedule */
    const char *webhook_url;    /* NULL */
    const char *group;          /* NULL */
    const char *external_id;    /* what another system calls it; NULL */
    const char *const *tags;
    size_t tag_count;
    const struct uuid *channels; /* none: the organisation's default ones */
    size_t channel_count;
    int64_t revision;
    int64_t created_us, updated_us;
    /* How it stands (check_state); not written by these functions. */
    const char *state;
    int64_t since_us;
    int64_t last_run_us;     /* 0: never */
    const char *last_status; /* NULL: never */
    const char *last_message;
    double last_response_s;  /* NaN: nothing was measured */
    struct uuid incident_id; /* the open one, or nil */
};

struct check_filter {
    bool has_enabled, enabled;
    const char *kind; /* canonical; these: NULL for any */
    const char *tag, *group, *state;
    const char *q;    /* part of the name, any case */
    const char *sort; /* NULL: newest first; one of checks_sorts */
};
/* "name", "-name" …; ends with NULL. */
extern const char *const checks_sorts[];

/* One page of the list; page->total is set. It is exact, and what it costs does not grow with it,
 * for all checks and for what one member of the filter finds; of what several find together,
 * LIMIT_LIST_COUNT are counted at most, and LIMIT_SEARCH_COUNT where q is looked for. */
NODISCARD enum status checks_list(struct db *db, struct arena *arena, const struct uuid *org_id,
                                  const struct check_filter *filter, struct page *page,
                                  struct check **rows, size_t *count);
NODISCARD enum status checks_get(struct db *db, struct arena *arena, const struct uuid *org_id,
                                 const struct uuid *id, struct check *out);
struct check_wanted {
    struct uuid org_id, id;
    struct arena *arena; /* where its texts go */
    struct check check;  /* out */
    bool is_found;       /* out */
};
/* Several checks, of whichever organisations, with one query. */
NODISCARD enum status checks_get_many(struct db *db, struct arena *arena, struct check_wanted *w,
                                      size_t count);
NODISCARD enum status checks_exists(struct db *db, struct arena *arena, const struct uuid *org_id,
                                    const struct uuid *id);
/* The time limits of those of the checks that the organisation has: (*out)[i] of ids[i], 0: none.
 */
NODISCARD enum status checks_timeouts(struct db *db, struct arena *arena, const struct uuid *org_id,
                                      const struct uuid *ids, size_t count, int64_t **out);
/* Stores a new check with its state ('pending', or 'paused' when not enabled) in one transaction
 * and reads it back into *c. user_id may be nil. ST_INVALID: a channel that the organisation has
 * not. ST_CONFLICT: another check has its external_id. */
NODISCARD enum status checks_insert(struct db *db, struct arena *arena, const struct uuid *org_id,
                                    const struct uuid *user_id, struct check *c);

/* Changes a check in one transaction: `change` sees it as it is and writes what it shall be; any
 * status of its own ends the transaction without effect. Switching it off or on moves its state to
 * 'paused' or 'pending', with a transition. *out is read back. May run `change` more than once. */
typedef enum status check_change_fn(struct check *c, void *arg);
NODISCARD enum status checks_update(struct db *db, struct arena *arena, const struct uuid *org_id,
                                    const struct uuid *id, check_change_fn *change, void *arg,
                                    struct check *out);
/* Deletes it, resolving its incident in the name of the user (may be nil). Its results stay. */
NODISCARD enum status checks_delete(struct db *db, struct arena *arena, const struct uuid *org_id,
                                    const struct uuid *user_id, const struct uuid *id);

/* The organisation and the filter as $1 to $7. */
void checks_filter_args(struct db_args *args, struct arena *arena, const struct uuid *org_id,
                        const struct check_filter *filter);

/* --- for imports: inside of a transaction --- */

/* Imports of an organisation follow each other. */
NODISCARD enum status checks_import_lock(struct db *db, struct arena *arena,
                                         const struct uuid *org_id);
struct check_key {
    struct uuid id;
    const char *name, *external_id;
};
/* Checks that have one of the names or external ids (either array may hold NULLs). */
NODISCARD enum status checks_find_keys(struct db *db, struct arena *arena,
                                       const struct uuid *org_id, const char *const *names,
                                       const char *const *external_ids, size_t count,
                                       struct check_key **out, size_t *found);
/* Locks it against other edits. */
NODISCARD enum status checks_get_within(struct db *db, struct arena *arena,
                                        const struct uuid *org_id, const struct uuid *id,
                                        struct check *out);
NODISCARD enum status checks_insert_within(struct db *db, struct arena *arena,
                                           const struct uuid *org_id, const struct uuid *user_id,
                                           struct check *c);
NODISCARD enum status checks_replace_within(struct db *db, struct arena *arena,
                                            const struct uuid *org_id, const struct check *before,
                                            struct check *after);

/* A row of check_get or check_rows as a struct check: for the files of this store. */
NODISCARD enum status check_read_row(const PGresult *r, int row, struct arena *arena, void *out);

/* Where a check's secrets are sealed: {"checks", id, "secret"}. */
struct seal_place check_seal_place(const struct uuid *id);

#endif
