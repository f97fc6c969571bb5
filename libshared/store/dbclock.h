/* The database's clock, on which schedulers and workers live: one time for the whole installation,
 * whatever a machine's own clock says. */
#ifndef TOCSIN_STORE_DBCLOCK_H
#define TOCSIN_STORE_DBCLOCK_H

#include "db/db.h"

/* Asks the database for its time and has the process's clock follow it (clock_follow). */
NODISCARD enum status dbclock_follow(struct db *db);

#endif
