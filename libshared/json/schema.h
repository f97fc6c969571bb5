/*
 * Schema tables: one table of fields validates what comes in, binds it into a C struct, writes what
 * goes out, and documents both.
 *
 * Incoming structs hold in_* members, which know whether the field was given:
 *     struct check_in { struct in_str name; struct in_bool enabled; struct in_json config; };
 * Outgoing structs hold plain members (FT_STRING: const char *, FT_INT: int64_t, FT_NUMBER: double,
 * FT_BOOL: bool, FT_UUID: struct uuid, FT_TIME: int64_t µs, FT_JSON and FT_MAP: const char * of
 * JSON text, FT_OBJECT: pointer to a struct of the sub schema, FT_LIST: struct out_list). NULL,
 * NaN, the nil uuid and time 0 are written as null.
 */
#ifndef TOCSIN_JSON_SCHEMA_H
#define TOCSIN_JSON_SCHEMA_H

#include <jansson.h>

#include "base/arena.h"
#include "base/uuid.h"
#include "json/write.h"

enum field_type {
    FT_STRING,
    FT_INT,
    FT_NUMBER,
    FT_BOOL,
    FT_UUID,
    FT_TIME,   /* RFC 3339 */
    FT_JSON,   /* any value */
    FT_MAP,    /* any object; with `sub` its values are such (not checked) */
    FT_OBJECT, /* an object of the schema `sub` */
    FT_LIST    /* an array: of `sub` objects, or of scalars of type `element` */
};

enum field_flags {
    F_REQUIRED = 1,
    F_NULLABLE = 2,  /* incoming: null is accepted (set and null); outgoing: it may be null, which
                        a member without this must never be: the description promises it */
    F_SECRET = 4,    /* never written out, masked in documentation examples */
    F_OMIT_NULL = 8, /* outgoing: leave the key out instead of writing null */
};

struct in_str {
    bool set, null;
    const char *v;
};
struct in_i64 {
    bool set, null;
    int64_t v;
};
struct in_f64 {
    bool set, null;
    double v;
};
struct in_bool {
    bool set, null;
    bool v;
};
struct in_uuid {
    bool set, null;
    struct uuid v;
};
struct in_time {
    bool set, null;
    int64_t v; /* µs */
};
struct in_json {
    bool set, null;
    json_t *v; /* borrowed from the body */
};
struct in_obj {
    bool set, null;
    void *v; /* struct of the sub schema, in the arena */
};
struct in_list {
    bool set, null;
    size_t count;
    void *v; /* array in the arena: of the sub's struct,
or of const char *, int64_t, double, bool, struct uuid */
};
struct out_list {
    size_t count;
    const void *v;
};

struct schema;
struct field {
    const char *name;
    enum field_type type;
    unsigned flags;
    size_t offset;
    double min, max; /* characters of a string, elements of a list, value of a number; 0,0: none */
    double element_max;         /* characters of an element of a list of texts; 0: no bound */
    const char *const *choices; /* strings only; ends with NULL */
    const struct schema *sub;
    enum field_type element;
    const char *help;
    const char *example; /* JSON text */
    const char *alias;   /* another accepted name */
    const char *format;  /* of a string, for the description: "uri", "email" … */
    /* Extra test of a string, or of a list's elements: NULL when good, else a message for the
     * caller's eyes. */
    const char *(*check)(const char *text);
    /* For the description: what `check` lets pass, as a regular expression of ECMA-262
     * (json/patterns.h has those that many need). */
    const char *pattern;
    /* For the description: more keywords of JSON Schema, as members without braces. Whoever takes
     * the value tests what they say. */
    const char *rules;
};

/* One of several schemas of a member, chosen by the value of another member. */
struct schema_variant {
    const char *name;           /* the other member's value */
    const char *const *aliases; /* more such values, ends with NULL; or NULL */
    const struct schema *schema;
};
/* For the description: what the member `of` is made of depends on the member `by`. */
struct schema_variants {
    const char *by, *of;
    bool (*at)(size_t index, struct schema_variant *out); /* false at the end */
};

struct schema {
    const char *name; /* "Check": its component name in the API description */
    const struct field *fields;
    size_t count;
    size_t size;       /* of the C struct */
    bool is_open;      /* incoming: unknown fields are let through instead of refused */
    const char *rules; /* of an object, as a field's: which members go with which */
    const struct schema_variants *variants;
};

#define SCHEMA(name_, type_, fields_)                                                            \
    {                                                                                            \
        .name = (name_), .fields = (fields_), .count = ARRAY_LEN(fields_), .size = sizeof(type_) \
    }

/* What was wrong, in FastAPI's shape: a JSON array of {loc, msg, type}. */
struct field_errors {
    json_t *list; /* NULL while empty */
};
void field_errors_done(struct field_errors *errors);
#define AUTO_FIELD_ERRORS CLEANUP(field_errors_done) struct field_errors
/* Adds one. `root` is "body" or "query"; `name` may be NULL, and "config.url" is a member of a
 * member. Beyond LIMIT_VALIDATION_ERRORS they are dropped. */
void field_errors_add(struct field_errors *errors, const char *root, const char *name,
                      const char *type, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Moves the errors of one element, [root, …], under its list: [root, list, index, …]. */
NODISCARD enum status field_errors_nest(struct field_errors *into, const char *list, size_t index,
                                        struct field_errors *from);
/* The same of a member that is an object: [root, member, …]. */
NODISCARD enum status field_errors_nest_in(struct field_errors *into, const char *member,
                                           struct field_errors *from);

/* Validates `body` and fills *out (zeroed first, schema->size bytes). Everything bound lives in the
 * arena or is borrowed from body. ST_INVALID with errors, ST_NO_MEMORY. */
NODISCARD enum status schema_bind(const struct schema *schema, json_t *body, struct arena *arena,
                                  void *out, struct field_errors *errors);

/* The same for a part of the body: `under` (may be NULL) is the member it came from, for loc. */
NODISCARD enum status schema_bind_at(const struct schema *schema, const char *under, json_t *value,
                                     struct arena *arena, void *out, struct field_errors *errors);

struct query_param {
    const char *name;
    const char *value;
};
/* The same from query or form parameters, whose values are texts; `root` is "query" or "body". A
 * name given twice is an error, except for FT_LIST, which also splits at commas. Unknown names are
 * ignored, as is usual for queries. */
NODISCARD enum status schema_bind_params(const struct schema *schema, const char *root,
                                         const struct query_param *params, size_t count,
                                         struct arena *arena, void *out,
                                         struct field_errors *errors);

/* Writes one outgoing object; in the second form only its members, inside an open object. */
void schema_write(struct jw *w, const struct schema *schema, const void *object);
void schema_write_members(struct jw *w, const struct schema *schema, const void *object);

#endif
