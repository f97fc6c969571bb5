/* How well a check did in each of the usual times until now, for the routes that show it. */
#ifndef TOCSIN_API_ROUTES_CHECK_PERIODS_H
#define TOCSIN_API_ROUTES_CHECK_PERIODS_H

#include "net/http.h"

enum { CHECK_PERIODS = 5 }; /* 24h, 7d, 30d, 90d, 1y */

struct check_share {
    int64_t count, failures;
    double uptime_percent; /* NaN without results */
};
struct check_periods {
    const struct check_share *period[CHECK_PERIODS];
};
extern const struct schema check_periods_schema;

/* From totals of hours and days where they are summed up; in the request's arena. */
NODISCARD enum status check_periods_read(struct req *r, const struct uuid *id, int64_t now_us,
                                         struct check_periods *out);

#endif
