/*
 * A check as people describe it: in the body of a request, or in a file that is imported. One table
 * of fields, and one function that applies what was given to a check.
 */
#ifndef TOCSIN_TRANSFER_CHECK_INPUT_H
#define TOCSIN_TRANSFER_CHECK_INPUT_H

#include "kinds/kind.h"
#include "store/checks.h"

enum {
    CHECK_TIMEOUT_DEFAULT_MS = 10000,
    CHECK_TAG_CHARS = 64,
    CHECK_GROUP_CHARS = 100,
    CHECK_EXTERNAL_ID_CHARS = 200
};

struct check_in {
    struct in_str name, plugin_type;
    struct in_json config;
    struct in_bool enabled;
    struct in_str schedule;
    struct in_f64 timeout;
    struct in_i64 retries;
    struct in_str retry_interval;
    struct in_i64 recoveries;
    struct in_list channels;
    struct in_str webhook_url;
    struct in_list tags;
    struct in_str group;
    struct in_str external_id;
};
/* All that a new check needs; and what may be changed of one: unknown members are let through. */
extern const struct schema check_create_schema, check_update_schema;

/* For schema tables: what a name of a check may not be. */
const char *check_label(const char *text);
/* A check of which nothing was said yet. */
struct check check_input_default(void);
/* The time limit of a check: `timeout` where given, else the configuration's own, else
 * `fallback_ms`. */
int64_t check_timeout_ms(const struct in_f64 *timeout, const json_t *config, int64_t fallback_ms);

/* Applies what was given, configuration and secrets included; strings go to the arena or are
 * borrowed from the input. ST_INVALID with errors; ST_UNAVAILABLE: there are secrets, and `seal` is
 * NULL; ST_CORRUPT: the kept ones do not open. */
NODISCARD enum status check_input_apply(const struct check_in *in, struct seal_keys *seal,
                                        struct arena *arena, struct check *c,
                                        struct field_errors *errors);

/* A new check like another: all that was asked for of that one, its secrets sealed anew for the new
 * id; not its external_id, which another system gave to that one alone. Borrows from `of`.
 * ST_UNAVAILABLE: it has secrets, and `seal` is NULL; ST_CORRUPT: they do not open. */
NODISCARD enum status check_input_copy(const struct check *of, struct seal_keys *seal,
                                       struct arena *arena, struct check *out);

#endif
