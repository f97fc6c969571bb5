/*
 * A streaming JSON writer onto a buf: commas and escapes are its business. Keys are plain literals.
 *     jw_object(&w);  jw_key(&w, "id");  jw_i64(&w, 7);  jw_end(&w);
 */
#ifndef TOCSIN_JSON_WRITE_H
#define TOCSIN_JSON_WRITE_H

#include <jansson.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/uuid.h"

struct jw {
    struct buf *out;
    int depth;
    bool after_key;
    struct {
        char close;
        bool has_items;
    } level[LIMIT_JSON_DEPTH + 8];
};

void jw_init(struct jw *w, struct buf *out);
void jw_object(struct jw *w);
void jw_array(struct jw *w);
/* Closes the innermost object or array. */
void jw_end(struct jw *w);
void jw_key(struct jw *w, const char *key);

void jw_null(struct jw *w);
/* NULL gives null. Invalid UTF-8 is replaced by '?' byte by byte. */
void jw_str(struct jw *w, const char *s);
void jw_strn(struct jw *w, const char *s, size_t len);
void jw_i64(struct jw *w, int64_t v);
void jw_bool(struct jw *w, bool v);
/* Shortest text that reads back the same; always with a fraction or exponent, so that a float
 * field never looks like an integer; NaN and infinities give null. */
void jw_f64(struct jw *w, double v);
/* The nil uuid gives null. */
void jw_uuid(struct jw *w, const struct uuid *id);
/* RFC 3339; 0 gives null. */
void jw_time_us(struct jw *w, int64_t wall_us);
/* Text that is JSON already (a jsonb column); NULL gives null. */
void jw_raw(struct jw *w, const char *json);
void jw_json(struct jw *w, const json_t *value);

/* Key and value at once. */
void jw_kv_str(struct jw *w, const char *key, const char *s);
void jw_kv_i64(struct jw *w, const char *key, int64_t v);
void jw_kv_f64(struct jw *w, const char *key, double v);
void jw_kv_bool(struct jw *w, const char *key, bool v);
void jw_kv_uuid(struct jw *w, const char *key, const struct uuid *id);
void jw_kv_time_us(struct jw *w, const char *key, int64_t wall_us);
void jw_kv_raw(struct jw *w, const char *key, const char *json);

#endif
