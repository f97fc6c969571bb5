/* Days and dates of the proleptic Gregorian calendar, without a clock or a zone. The algorithms are
 * Howard Hinnant's "chrono-compatible low-level date algorithms". */
#ifndef TOCSIN_MODEL_CIVIL_H
#define TOCSIN_MODEL_CIVIL_H

#include "base/defs.h"

#define CIVIL_DAY_S 86400LL

struct civil {
    int64_t year;
    int month, day; /* from 1 */
};

static inline int64_t civil_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970-01-01. */
static inline int64_t civil_to_days(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = civil_floor_div(y, 400);
    int64_t of_era = y - era * 400;
    int64_t of_year = (153LL * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static inline struct civil civil_from_days(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = civil_floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    return (struct civil){.year = yoe + era * 400 + (month <= 2),
                          .month = month,
                          .day = (int)(doy - (153 * mp + 2) / 5 + 1)};
}

/* 0 is Sunday. */
static inline int civil_weekday(int64_t days)
{
    return (int)(days + 4 - civil_floor_div(days + 4, 7) * 7);
}

static inline bool civil_is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static inline int civil_month_days(int64_t year, int month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && civil_is_leap(year) ? 29 : days[month - 1];
}

#endif
