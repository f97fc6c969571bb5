/*
 * Leases on the scheduler's shards: rows that are taken by compare-and-set, on the database's
 * clock. A new owner raises the epoch, which fences off what the old one may still send. Schedulers
 * that are alive are listed as members, so that each knows its fair share.
 */
#ifndef TOCSIN_STORE_LEASES_H
#define TOCSIN_STORE_LEASES_H

#include "db/db.h"

enum { LEASE_SHARDS = 16 };

struct lease_view {
    int64_t now_us;             /* by the database's clock */
    int64_t alive;              /* schedulers, this one included */
    bool is_mine[LEASE_SHARDS]; /* renewed just now */
    int64_t epoch[LEASE_SHARDS];
    bool is_free[LEASE_SHARDS]; /* nobody's, or run out */
    int64_t next_free_ms;       /* until the first lease of another runs out; -1: none does */
};

/* Renews membership and all leases that `owner` (never reused) still holds, in one statement. */
NODISCARD enum status lease_renew(struct db *db, const char *owner, int64_t lease_ms,
                                  struct lease_view *out);
/* Takes those of the wanted shards that are free. view->is_mine and epoch are set for what was got.
 */
NODISCARD enum status lease_acquire(struct db *db, const char *owner, int64_t lease_ms,
                                    const bool want[LEASE_SHARDS], struct lease_view *view);
/* Frees the given shards at once, so far as they are the owner's. */
NODISCARD enum status lease_release(struct db *db, const char *owner,
                                    const bool give[LEASE_SHARDS]);
/* Frees everything and ends the membership. */
NODISCARD enum status lease_leave(struct db *db, const char *owner);

#endif
