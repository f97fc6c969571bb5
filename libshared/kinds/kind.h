/*
 * What a kind of check is, for everyone: its names, its configuration fields (which validate,
 * document and draw the form), and how the configuration reads as a C struct. How it is executed is
 * the worker's file of the same name (services/worker/kinds/<kind>.c). A new kind is one line in
 * kinds.def and these two files.
 */
#ifndef TOCSIN_KINDS_KIND_H
#define TOCSIN_KINDS_KIND_H

#include "base/arena.h"
#include "json/schema.h"

struct check_kind {
    const char *name;            /* canonical: "website" */
    const char *const *aliases;  /* ends with NULL: "website_status" … */
    const char *summary;         /* "Check website availability and status" */
    const struct schema *config; /* in_* struct; F_REQUIRED fields are required_config */
    /* Tests across fields, after the schema; adds to errors under "config". May be NULL. */
    void (*check)(const void *config, struct field_errors *errors);
};

/* By canonical name or alias; NULL when unknown. */
const struct check_kind *check_kind_find(const char *name);
/* All kinds, in the order of kinds.def. */
const struct check_kind *check_kind_at(size_t index); /* NULL at the end */
/* Validates a configuration and binds it into *out (struct of kind->config, in the arena; may be
 * NULL). Errors have loc ["body", "config", …]. */
NODISCARD enum status check_kind_bind(const struct check_kind *kind, json_t *config,
                                      struct arena *arena, void **out, struct field_errors *errors);

/* For descriptions: the configuration `config` by the kind `plugin_type`. */
extern const struct schema_variants check_kind_variants;

#endif
