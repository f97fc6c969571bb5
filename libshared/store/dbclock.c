/* One question, and two moments of ours around it. */
#include "store/dbclock.h"

#include "base/clock.h"
#include "gen/queries.h"

enum status dbclock_follow(struct db *db)
{
    AUTO_RESULT r = NULL;
    int64_t asked_us = clock_mono_us();
    TRY(db_query_one(db, &Q_DBCLOCK, NULL, &r));
    clock_follow(row_time(r, 0, "now"), asked_us, clock_mono_us());
    return ST_OK;
}
