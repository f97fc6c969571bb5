/* Generations in PostgreSQL. */
#include "store/generations.h"

#include <string.h>

#include "gen/queries.h"

/* Nearly all that ask at the same moment ask about one organisation. */
static size_t distinct(const struct uuid *ids, size_t count, struct uuid *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t j = 0;
        while (j < kept && !uuid_eq(&out[j], &ids[i]))
            j++;
        if (j == kept)
            out[kept++] = ids[i];
    }
    return kept;
}

enum status generations_read(struct db *db, struct arena *arena, const struct uuid *orgs,
                             size_t count, struct generations *out)
{
    struct uuid *asked = arena_array(arena, count, sizeof(*asked));
    if (!asked)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuids(&args, asked, distinct(orgs, count, asked));
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_GENERATIONS_READ, &args, &r));
    memset(out, 0, count * sizeof(*out));
    for (int row = 0; row < PQntuples(r); row++) {
        const struct uuid org = row_uuid(r, row, "org_id");
        const int64_t kind = row_i64(r, row, "kind"), value = row_i64(r, row, "value");
        if (kind < 0 || kind >= GENERATION_COUNT_)
            continue; /* a newer version's */
        for (size_t i = 0; i < count; i++) {
            if (uuid_eq(&orgs[i], &org))
                out[i].of[kind] = value;
        }
    }
    return ST_OK;
}
