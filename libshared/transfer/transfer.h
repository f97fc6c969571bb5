/* What importing and exporting share: a check in the words of a file. */
#ifndef TOCSIN_TRANSFER_TRANSFER_H
#define TOCSIN_TRANSFER_TRANSFER_H

#include "transfer/import.h"

/* Channels by name and id. */
struct channel_names {
    struct channel_name {
        struct uuid id;
        const char *name;
    } * at;
    size_t count;
};
NODISCARD enum status channel_names_load(struct db *db, struct arena *arena,
                                         const struct uuid *org_id, struct channel_names *out);
/* By name, or by id as text. */
const struct uuid *channel_id_of(const struct channel_names *names, const char *text);

/* {"name", "plugin_type", "config", …}: a new reference. Where a secret is, TRANSFER_SECRET is. */
NODISCARD enum status check_to_json(const struct check *c, const struct channel_names *names,
                                    struct seal_keys *seal, struct arena *arena, json_t **out);
/* The secrets themselves, a new reference; an empty object where there are none. */
NODISCARD enum status check_secrets(const struct check *c, struct seal_keys *seal,
                                    struct arena *arena, json_t **out);

#endif
