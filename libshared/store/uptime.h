/*
 * Website checks as the uptime API sees them: by small numbers, in three statuses (UP, DOWN,
 * UNKNOWN). Reading and changing one is store/checks.h's. Every function sees one organisation's
 * rows only. Strings live in the caller's arena.
 */
#ifndef TOCSIN_STORE_UPTIME_H
#define TOCSIN_STORE_UPTIME_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"
#include "net/page.h"

/* "UP", "DOWN" or "UNKNOWN" for a check's state. */
const char *uptime_status(const char *state);

/* The check that has this number. ST_NOT_FOUND: none, or no website. */
NODISCARD enum status uptime_find(struct db *db, struct arena *arena, const struct uuid *org_id,
                                  int64_t legacy_id, struct uuid *out);

/* A website came to a status. */
struct uptime_change {
    int64_t id, url_id;
    struct uuid check_id;
    const char *url, *status, *reason;
    int64_t at_us;
    const char *schedule; /* of the check, as it is now */
};
struct uptime_filter {
    bool has_url_id;
    int64_t url_id;
    const char *status;     /* NULL: any */
    int64_t from_us, to_us; /* 0: open */
};
/* "checked_at", "-checked_at" …; ends with NULL. */
extern const char *const uptime_sorts[];
/* One page, in the order page->sort (NULL: newest first). page->total is set; of one website,
 * or within a time, LIMIT_LIST_COUNT are counted at most. */
NODISCARD enum status uptime_history(struct db *db, struct arena *arena, const struct uuid *org_id,
                                     const struct uptime_filter *filter, struct page *page,
                                     struct uptime_change **rows, size_t *count);

/* Of each status: how often websites came to it from `from_us` to `to_us` (0: open), and how many
 * have it now. */
struct uptime_stats {
    struct uptime_count {
        int64_t up, down, unknown;
    } entered, present;
};
NODISCARD enum status uptime_stats(struct db *db, struct arena *arena, const struct uuid *org_id,
                                   int64_t from_us, int64_t to_us, struct uptime_stats *out);

/* The ids of the enabled websites, `max` of them at most. */
NODISCARD enum status uptime_enabled(struct db *db, struct arena *arena, const struct uuid *org_id,
                                     size_t max, struct uuid **ids, size_t *count);

#endif
