/* API keys: of people (cut down to what their role still allows) and of agents (bound to a host).
 */
#ifndef TOCSIN_STORE_API_KEYS_H
#define TOCSIN_STORE_API_KEYS_H

#include "auth/api_key.h"
#include "auth/principal.h"
#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"
#include "json/schema.h"
#include "net/page.h"

/* All that an agent's key may ever do: it outlives the person who made it. */
#define AGENT_SCOPES \
    (SCOPE_BIT(SCOPE_METRICS_WRITE) | SCOPE_BIT(SCOPE_METRICS_READ) | SCOPE_BIT(SCOPE_SERVERS_READ))

/* A key as it is listed: without anything that would let somebody in. */
struct api_key_row {
    struct uuid id, user_id, host_id; /* nil: none */
    const char *name, *prefix;
    struct out_list scopes;                       /* of const char * */
    int64_t expires_at, last_used_at, created_at; /* µs; 0: never */
    int64_t rate_limit;                           /* requests a minute; 0: the installation's */
};

/* Who a presented key is. ST_UNAUTHENTICATED: unknown, revoked, expired, or its user is inactive.
 * *expires_at (µs) is 0 when it does not expire. (Its use: store/key_uses.h.) */
NODISCARD enum status api_key_authenticate(struct db *db, const struct api_key *key,
                                           struct arena *arena, struct principal *out,
                                           int64_t *expires_at);
/* The same of a key that was presented before. */
NODISCARD enum status api_key_principal(struct db *db, const struct uuid *id, struct arena *arena,
                                        struct principal *out);

struct api_key_new_row {
    struct uuid org_id, user_id, host_id;
    const char *name;
    uint64_t scopes; /* SCOPE_BITs */
    int64_t expires_at, rate_limit;
};
/* Makes a key, stores its hash; the text is in *key this once. */
NODISCARD enum status api_key_create(struct db *db, const struct api_key_new_row *row,
                                     struct arena *arena, struct api_key *key,
                                     struct api_key_row *out);
/* When a key ends; 0: never. ST_NOT_FOUND. */
NODISCARD enum status api_key_end(struct db *db, const struct uuid *id, struct arena *arena,
                                  int64_t *out);
/* One page. user NULL: all of the organisation. */
NODISCARD enum status api_key_list(struct db *db, const struct uuid *org, const struct uuid *user,
                                   struct arena *arena, struct page *page, struct api_key_row **out,
                                   size_t *count);
/* user NULL: whoever's it is. ST_NOT_FOUND: none of theirs, or revoked already. */
NODISCARD enum status api_key_revoke(struct db *db, const struct uuid *org, const struct uuid *id,
                                     const struct uuid *user, struct arena *arena);
/* A host of the organisation by id or slug. ST_NOT_FOUND. */
NODISCARD enum status api_key_host(struct db *db, const struct uuid *org, const char *id_or_slug,
                                   struct arena *arena, struct uuid *out);

#endif
