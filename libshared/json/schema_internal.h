/* What the files that bind what comes in share: schema.c, schema_params.c, field_errors.c. */
#ifndef TOCSIN_JSON_SCHEMA_INTERNAL_H
#define TOCSIN_JSON_SCHEMA_INTERNAL_H

#include "json/schema.h"

enum { LOC_MAX = 8 };

/* The path to the value at hand, for the `loc` of an error. */
struct loc {
    const char *root;
    int depth;
    struct {
        const char *name; /* NULL: an index */
        size_t index;
    } at[LOC_MAX];
};

struct binder {
    struct arena *arena;
    struct field_errors *errors;
    struct loc loc;
    bool failed;
    bool no_memory;
};

/* --- schema.c --- */
/* The value at hand is wrong. */
void binder_fail(struct binder *b, const char *type, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Goes to a member of the value at hand, and back. */
void binder_push_name(struct binder *b, const char *name);
void binder_pop(struct binder *b);
/* One value into the in_* struct of its field. */
void binder_bind_field(struct binder *b, const struct field *f, json_t *v, void *member);
NODISCARD enum status binder_outcome(const struct binder *b);
/* By its name or alias; NULL: none. */
const struct field *schema_find_field(const struct schema *schema, const char *name);

/* --- field_errors.c --- */
/* Takes `loc` over. */
void field_errors_put(struct field_errors *errors, json_t *loc, const char *type, const char *msg);

#endif
