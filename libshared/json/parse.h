/* JSON from outside: one strict door in front of jansson. */
#ifndef TOCSIN_JSON_PARSE_H
#define TOCSIN_JSON_PARSE_H

#include <jansson.h>

#include "base/defs.h"
#include "base/status.h"

static inline void json_freep(json_t **j)
{
    json_decref(*j);
}
#define AUTO_JSON CLEANUP(json_freep) json_t *

/* Seeds jansson's hash tables; call once before threads start. */
void json_setup(void);

/* What punctuation says about a text before anything is parsed: one pass, without recursion and
 * memory, so that a bomb costs no more than its bytes. The text may be no JSON at all. */
struct json_shape {
    int depth;         /* deepest nesting */
    size_t containers; /* '{' and '[' */
    size_t separators; /* ',' and ':' */
};
struct json_shape json_measure(const char *text, size_t len);

/*
 * Parses one JSON value. ST_MALFORMED, with line and column in err, for anything but strict RFC
 * 8259 text: NUL bytes (raw, or \u0000 in strings: no C string or text column can hold one),
 * duplicate keys, invalid UTF-8, trailing bytes, more than LIMIT_JSON_DEPTH levels. *out is owned
 * by the caller.
 */
NODISCARD enum status json_parse(const char *text, size_t len, json_t **out, struct errbuf *err);

/* What was kept in a jsonb column, as jansson reads it; NULL when it is no JSON (or no memory).
 * PostgreSQL writes 1e300 with all its digits, which is no integer to jansson: such a value's
 * integers become reals. */
json_t *json_load_kept(const char *text);

#endif
