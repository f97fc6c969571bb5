/*
 * Results of checks as they are read; the recorder (store/recorder.h) is the one that writes them.
 * Every function sees one organisation's rows only. Strings live in the caller's arena.
 */
#ifndef TOCSIN_STORE_RESULTS_H
#define TOCSIN_STORE_RESULTS_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"
#include "model/check_state.h"
#include "net/page.h"

struct result {
    struct uuid id, check_id;
    int64_t slot_us;
    const char *location;
    const char *trigger; /* "schedule", "manual", "retry" */
    const char *status;  /* "success", "warning", "error", "missed" */
    const char *message;
    double response_s;    /* NaN: nothing was measured */
    double lag_s;         /* between slot and start; NaN: unknown */
    const char *raw_data; /* JSON object */
    int64_t executed_us;
};

struct result_filter {
    const struct uuid *check_id; /* NULL: all */
    const char *status;          /* NULL: all but the missed ones */
    bool include_missed;
    int64_t from_us, to_us; /* of execution; 0: open */
};
/* One page, newest slot first. page->total is set; within a time LIMIT_SEARCH_COUNT are counted at
 * most. */
NODISCARD enum status results_list(struct db *db, struct arena *arena, const struct uuid *org_id,
                                   const struct result_filter *filter, struct page *page,
                                   struct result **rows, size_t *count);
NODISCARD enum status results_get(struct db *db, struct arena *arena, const struct uuid *org_id,
                                  const struct uuid *id, struct result *out);
/* The stored result of a manual run. ST_NOT_FOUND: not there yet. */
NODISCARD enum status results_get_manual(struct db *db, struct arena *arena,
                                         const struct uuid *org_id, const struct uuid *check_id,
                                         int64_t slot_us, struct result *out);

/* The same for several runs: (*out)[i] is that of check_ids[i] and slots_us[i], NULL: not there
 * yet.
 */
NODISCARD enum status results_get_manuals(struct db *db, struct arena *arena,
                                          const struct uuid *org_id, const struct uuid *check_ids,
                                          const int64_t *slots_us, size_t count,
                                          const struct result ***out);

/* How many results of each status the slots from `from_us` to before `to_us` had. Whole minutes
 * count, of what is older than two days whole hours: those that begin within the time. */
struct result_summary {
    int64_t count[RESULT_MISSED + 1];
};
NODISCARD enum status results_summary(struct db *db, struct arena *arena, const struct uuid *org_id,
                                      int64_t from_us, int64_t to_us, struct result_summary *out);

#endif
