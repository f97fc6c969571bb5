/* What a probe needs of the checks that are due: one query for all that were fetched together. */
#ifndef TOCSIN_STORE_DUE_H
#define TOCSIN_STORE_DUE_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"

struct due_check {
    struct uuid id;
    const char *kind;            /* canonical name */
    const char *config_json;     /* an object, without its secrets */
    const unsigned char *sealed; /* those, as in struct check; NULL: none */
    size_t sealed_len;
    bool is_enabled;
    const char *schedule;       /* as the user wrote it */
    const char *retry_interval; /* NULL: none given */
    int64_t timeout_ms;
};

/* The checks of `ids` that exist, in any order, in the arena; ids may repeat. */
NODISCARD enum status due_load(struct db *db, struct arena *arena, const struct uuid *ids,
                               size_t id_count, struct due_check **out, size_t *count);

#endif
