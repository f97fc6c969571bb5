/*
 * Pages of the list of checks by their last run, of which there is no index: for checks_list.c.
 */
#ifndef TOCSIN_STORE_CHECKS_LAST_RUN_H
#define TOCSIN_STORE_CHECKS_LAST_RUN_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"

struct last_run_page {
    const struct uuid *org_id;
    const char *state; /* NULL: any */
    const char *sort;  /* "last_run" or "-last_run" */
    int64_t limit, offset;
    int64_t total; /* rows of the organisation in that state, or nearly */
};

/* Looks for the page in what a sample of the rows says is near it. *is_found: whether it was there,
 * and the ids are then exactly the page's; else all rows have to be sorted. */
NODISCARD enum status last_run_pick(struct db *db, struct arena *arena,
                                    const struct last_run_page *page, struct uuid **ids,
                                    size_t *count, bool *is_found);

#endif
