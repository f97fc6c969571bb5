/*
 * YAML as another notation of JSON: one document of mappings with text keys, sequences and scalars
 * of the core schema (YAML 1.2.2, 10.3). What JSON cannot say is refused: other tags, infinities,
 * keys that are no text. Anchors and `<<` merges work and are bounded by what they expand to, so
 * that a small text does not become a large document ("billion laughs").
 */
#ifndef TOCSIN_JSON_YAML_H
#define TOCSIN_JSON_YAML_H

#include <jansson.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/status.h"

/* ST_MALFORMED, with line and column in err: no YAML, no UTF-8, a NUL, a duplicate key, deeper than
 * LIMIT_JSON_DEPTH, more than LIMIT_YAML_NODES with all aliases expanded, more than one document.
 * *out is owned by the caller. */
NODISCARD enum status yaml_parse(const char *text, size_t len, json_t **out, struct errbuf *err);

/* Appends the value in block style; reading it again gives the same. ST_TOO_LARGE: the buffer's
 * limit; ST_INVALID: deeper than LIMIT_JSON_DEPTH. */
NODISCARD enum status yaml_write(const json_t *value, struct buf *out);

#endif
