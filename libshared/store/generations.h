/*
 * Generations of what an organisation's lists show. Triggers give each transaction that changes
 * something of a kind a new one (migrations/0017), whoever makes it: so who keeps a reply notes the
 * generations before he reads for it, and while they are the same, so is what he would read.
 */
#ifndef TOCSIN_STORE_GENERATIONS_H
#define TOCSIN_STORE_GENERATIONS_H

#include "base/uuid.h"
#include "db/db.h"

/* generations.kind */
enum generation {
    GENERATION_EDITS,      /* checks and channels */
    GENERATION_RESULTS,    /* results, and what follows from them: states, incidents */
    GENERATION_DELIVERIES, /* notifications and attempts to deliver them */
    GENERATION_COUNT_
};

struct generations {
    int64_t of[GENERATION_COUNT_]; /* 0: nothing of the kind ever changed */
};

/* Those of each organisation, with one query; repetitions are fine. out[i] is of orgs[i]. */
NODISCARD enum status generations_read(struct db *db, struct arena *arena, const struct uuid *orgs,
                                       size_t count, struct generations *out);

#endif
