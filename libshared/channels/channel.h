/*
 * What a kind of notification channel is, for everyone: its type, its configuration fields and
 * which of them are secret (F_SECRET: sealed at rest, never read back; json/secrets.h parts them).
 * How it is sent is the notifier's file of the same name (services/notifier/channels/<type>.c). A
 * new type is one line in channels.def and these two files.
 */
#ifndef TOCSIN_CHANNELS_CHANNEL_H
#define TOCSIN_CHANNELS_CHANNEL_H

#include "base/arena.h"
#include "json/schema.h"

struct channel_type {
    const char *name; /* "email" */
    const char *summary;
    const struct schema *config;
    void (*check)(const void *config, struct field_errors *errors); /* may be NULL */
    /* Adds what a new channel needs and was not given (a secret). May be NULL. */
    enum status (*complete)(json_t *config);
};

const struct channel_type *channel_type_find(const char *name);
FOR_TESTS const struct channel_type *channel_type_at(size_t index); /* NULL at the end */
/* Validates and binds as check_kind_bind does. */
NODISCARD enum status channel_type_bind(const struct channel_type *type, json_t *config,
                                        struct arena *arena, void **out,
                                        struct field_errors *errors);
/* Adds generated members to a configuration that was bound without errors: for new channels. */
NODISCARD enum status channel_type_complete(const struct channel_type *type, json_t *config);

/* For descriptions: the configuration `config` by the `type`. */
extern const struct schema_variants channel_type_variants;

#endif
