/*
 * Notification channels. The configuration is kept in two parts: what may be read back, as JSON,
 * and the secret fields, sealed (auth/seal_json.h, place {"channels", id, "secret"}).
 */
#ifndef TOCSIN_STORE_CHANNELS_H
#define TOCSIN_STORE_CHANNELS_H

#include "auth/seal.h"
#include "base/arena.h"
#include "db/db.h"
#include "net/page.h"

struct channel {
    struct uuid id, org_id;
    const char *name;
    const char *type;
    const char *config;          /* the open part: JSON object */
    const unsigned char *sealed; /* NULL: no secrets */
    size_t sealed_len;
    bool enabled, is_default;
    const char *disabled_reason; /* NULL */
    int64_t created_us, updated_us;
};

struct channel_filter {
    const char *type; /* NULL: any */
    bool has_enabled, enabled;
};
/* Newest first; rows live in the arena; page->total is set. */
NODISCARD enum status channels_list(struct db *db, struct arena *arena, const struct uuid *org_id,
                                    const struct channel_filter *filter, struct page *page,
                                    struct channel **rows, size_t *count);
/* ST_NOT_FOUND also for another organisation's. */
NODISCARD enum status channels_get(struct db *db, struct arena *arena, const struct uuid *org_id,
                                   const struct uuid *id, struct channel *out);
/* The same, holding the row until the transaction ends. */
NODISCARD enum status channels_get_for_update(struct db *db, struct arena *arena,
                                              const struct uuid *org_id, const struct uuid *id,
                                              struct channel *out);
/* Fills in created_us and updated_us. ST_CONFLICT: the name is taken. */
NODISCARD enum status channels_insert(struct db *db, struct arena *arena, struct channel *c);
/* Everything but id, organisation and type. ST_CONFLICT, ST_NOT_FOUND. */
NODISCARD enum status channels_update(struct db *db, struct arena *arena, struct channel *c);
NODISCARD enum status channels_delete(struct db *db, struct arena *arena, const struct uuid *org_id,
                                      const struct uuid *id);
/* The notifier gives a channel up. No effect on one that is disabled already. */
NODISCARD enum status channels_disable(struct db *db, struct arena *arena, const struct uuid *id,
                                       const char *reason);

/* Where a channel's secrets are sealed (auth/seal_json.h). */
struct seal_place channel_seal_place(const struct uuid *id);

#endif
