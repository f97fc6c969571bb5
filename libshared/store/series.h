/*
 * The identity of what a host measures. A series is (type, name, tags); a layout is an ordered list
 * of series whose values form one row (design: PostgreSQL is bound by rows, not by values).
 */
#ifndef TOCSIN_STORE_SERIES_H
#define TOCSIN_STORE_SERIES_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"

struct series_key {
    const char *type;
    const char *name;
    const char *tags; /* JSON object, compact, keys sorted: "{}" at least */
};

/* Ids of `count` series (one given twice has the same id), made where absent; beyond
 * LIMIT_SERIES_PER_HOST new ones are not made and get id 0. ST_NOT_FOUND: no such host. */
NODISCARD enum status series_ensure(struct db *db, struct arena *arena, const struct uuid *host,
                                    const struct series_key *keys, size_t count, int64_t *ids);

/* Names a list of series ids; the same list has the same digest. */
struct uuid layout_digest(const int64_t *series_ids, size_t count);
/* The id of the layout, made where absent. ST_OVERLOADED: the host has LIMIT_LAYOUTS_PER_HOST and
 * this one would be new, unless it has one series only (so many there may be). ST_NOT_FOUND: no
 * such host. */
NODISCARD enum status layout_ensure(struct db *db, struct arena *arena, const struct uuid *host,
                                    const int64_t *series_ids, size_t count, int64_t *out);

#endif
