/*
 * What ingest knows of hosts, series and layouts: PostgreSQL's answers, cached. A host is looked up
 * anew after LIMIT_METRIC_CACHE_MS, so that one that was deleted is noticed; ids of series and
 * layouts never change, they leave with their host.
 */
#ifndef TOCSIN_INGEST_CATALOG_H
#define TOCSIN_INGEST_CATALOG_H

#include "auth/principal.h"
#include "base/arena.h"
#include "db/db.h"
#include "store/series.h"

struct catalog;

/* NULL without memory. Safe between threads; each call uses the caller's connection. */
struct catalog *catalog_new(void);
/* NULL is fine. */
void catalog_free(struct catalog *c);

/* The host that the caller means by agent_id (NULL: the key's own), registered on first sight
 * unless the key is bound to a host. ST_FORBIDDEN: another host than the key's. ST_INVALID: no
 * agent_id and no host of the key. */
NODISCARD enum status catalog_host(struct catalog *c, struct db *db, struct arena *arena,
                                   const struct principal *who, const char *agent_id,
                                   struct uuid *out);
/* After PostgreSQL said that the host is gone. */
void catalog_forget_host(struct catalog *c, const struct principal *who, const char *agent_id);

/* Ids of the series, repeats allowed; 0 for a new one beyond the host's limit. ST_NOT_FOUND: the
 * host is gone. */
NODISCARD enum status catalog_series(struct catalog *c, struct db *db, struct arena *arena,
                                     const struct uuid *host, const struct series_key *const *keys,
                                     size_t count, int64_t *ids);
/* As layout_ensure. */
NODISCARD enum status catalog_layout(struct catalog *c, struct db *db, struct arena *arena,
                                     const struct uuid *host, const int64_t *series_ids,
                                     size_t count, int64_t *out);

#endif
