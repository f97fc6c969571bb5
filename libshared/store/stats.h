/*
 * Statistics of one check over any time: totals and histograms of whole days and hours where they
 * have been summed up (store/rollups.h), of single results at the edges and since then.
 */
#ifndef TOCSIN_STORE_STATS_H
#define TOCSIN_STORE_STATS_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"
#include "model/latency.h"

struct check_totals {
    int64_t success, warning, error, missed;
    int64_t measured, sum_us;
    int64_t min_us, max_us; /* 0 when nothing was measured */
    struct latency latency;
};

enum stats_grain { STATS_HOURS, STATS_DAYS };

/* Results of an hour or a day; of a part of it, at the edges of a window. */
struct stats_point {
    int64_t at_us; /* beginning of the hour or day */
    struct check_totals totals;
};
struct stats_window {
    int64_t from_us, to_us; /* slots from … to before … */
    enum stats_grain grain;
};

/* Widens a window to what can be answered exactly for as long as totals are kept: to whole hours
 * where it begins or ends more than a day ago, to whole days more than 60 days ago. */
struct stats_window stats_window_fit(const struct stats_window *w, int64_t now_us);

/* The totals of a window that fits; a point for every hour or day with results. Either may be NULL:
 * `sum`, or `points` with `count`. */
NODISCARD enum status stats_read(struct db *db, struct arena *arena, const struct uuid *check_id,
                                 const struct stats_window *w, struct check_totals *sum,
                                 struct stats_point **points, size_t *count);

/* Results that were taken, and those of them with an error. */
struct stats_share {
    int64_t count, failures;
};
/* Of several windows that fit and end at one instant; only one of them may begin within an hour.
 * out[i] is that of windows[i]. */
NODISCARD enum status stats_shares_read(struct db *db, struct arena *arena,
                                        const struct uuid *check_id,
                                        const struct stats_window *windows, size_t count,
                                        struct stats_share *out);

struct stats_incidents {
    int64_t count;   /* that touch the window */
    int64_t began;   /* in it */
    int64_t ended;   /* in it */
    double down_s;   /* time of the window that they took */
    double repair_s; /* whole length of those that ended */
};
NODISCARD enum status stats_incidents_read(struct db *db, struct arena *arena,
                                           const struct uuid *check_id,
                                           const struct stats_window *w,
                                           struct stats_incidents *out);

#endif
