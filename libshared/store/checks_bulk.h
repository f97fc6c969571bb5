/* The same change of many checks, and the words that they are sorted by. */
#ifndef TOCSIN_STORE_CHECKS_BULK_H
#define TOCSIN_STORE_CHECKS_BULK_H

#include "store/checks.h"

enum bulk_action {
    BULK_PAUSE,
    BULK_RESUME,
    BULK_DELETE,
    BULK_ADD_TAGS,
    BULK_REMOVE_TAGS,
    BULK_SET_GROUP,
    BULK_SET_SCHEDULE,
    BULK_SET_CHANNELS,
    BULK_PICK /* changes nothing: only which checks are meant */
};

struct bulk {
    enum bulk_action action;
    /* Which: these ids, or (ids NULL) what the filter finds. */
    const struct uuid *ids;
    size_t id_count;
    const struct check_filter *filter;
    /* What: as the action needs. */
    const char *const *tags;
    size_t tag_count;
    const char *group, *schedule; /* group NULL: none */
    const struct uuid *channels;
    size_t channel_count;
};

struct bulk_item {
    struct uuid id;
    const char *name;
    bool is_changed;
    bool is_refused; /* it would have too many tags */
};

/* One transaction; items by id, without those that the organisation has not. ST_TOO_LARGE: more
 * than LIMIT_BULK_CHECKS, and nothing was changed. ST_INVALID: a channel that is none. */
NODISCARD enum status checks_bulk(struct db *db, struct arena *arena, const struct uuid *org_id,
                                  const struct uuid *user_id, const struct bulk *bulk,
                                  struct bulk_item **items, size_t *count);

struct check_word {
    const char *name;
    int64_t count; /* checks that have it */
};
/* Tags, or groups, in the order of the alphabet. */
NODISCARD enum status checks_words(struct db *db, struct arena *arena, const struct uuid *org_id,
                                   bool groups, struct check_word **words, size_t *count);

#endif
