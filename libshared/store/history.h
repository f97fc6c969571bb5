/* Transitions of a check: its states as a time series. */
#ifndef TOCSIN_STORE_HISTORY_H
#define TOCSIN_STORE_HISTORY_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"
#include "net/page.h"

struct transition {
    struct uuid check_id;
    int64_t sequence;
    int64_t at_us;
    const char *from, *to; /* states */
    const char *reason;
    struct uuid result_id, incident_id; /* nil: none */
    double lasted_s;                    /* until the next one; NaN: it is the last */
};
struct transition_filter {
    int64_t from_us, to_us; /* 0: open */
    const char *state;      /* that was entered; NULL: any */
};
/* "at" and "-at" (the usual order); ends with NULL. */
extern const char *const history_sorts[];

/* One page. The caller knows that the check is the organisation's. */
NODISCARD enum status history_list(struct db *db, struct arena *arena, const struct uuid *check_id,
                                   const struct transition_filter *filter, struct page *page,
                                   struct transition **rows, size_t *count);

#endif
