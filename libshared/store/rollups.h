/*
 * Totals of hours and days of each check (tables check_hours, check_days), from which statistics
 * over a year are read in milliseconds. An hour is summed up once, ten minutes after its end, from
 * all its results; whoever stores a result into an hour that is closed already leaves a note
 * (a trigger on results does), and that hour and its day are summed up again. Everything is written
 * as the results say, never added to, so that any step may be repeated.
 */
#ifndef TOCSIN_STORE_ROLLUPS_H
#define TOCSIN_STORE_ROLLUPS_H

#include "db/db.h"

/* Does what is due: at most ROLLUPS_HOURS hours and ROLLUPS_DAYS days, so that a long absence is
 * made up for over several calls. results_ms: how long results are kept. Safe beside others that do
 * the same. ST_UNAVAILABLE: call again later. */
enum { ROLLUPS_HOURS = 24, ROLLUPS_DAYS = 4 };
NODISCARD enum status rollups_run(struct db *db, int64_t now_us, int64_t results_ms);

#endif
