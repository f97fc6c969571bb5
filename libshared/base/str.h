/* Strings and numbers as text. Parsers take the whole text or refuse it. */
#ifndef TOCSIN_BASE_STR_H
#define TOCSIN_BASE_STR_H

#include <string.h>

#include "base/defs.h"
#include "base/status.h"

/* A heap copy in *out, owned by the caller; NULL gives NULL. ST_NO_MEMORY. */
NODISCARD enum status str_dup(const char *s, char **out);
/* NULL equals only NULL. */
bool str_eq(const char *a, const char *b);
bool str_ieq(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* "" and NULL are empty. */
bool str_is_empty(const char *s);
/* Copies with termination, cutting to `cap` - 1 bytes; true when all fitted. */
bool str_copy(char *dst, size_t cap, const char *src);

/* Whole decimal text, optional minus. ST_INVALID on anything else or overflow. */
NODISCARD enum status str_to_i64(const char *s, int64_t *out);
NODISCARD enum status str_to_u64(const char *s, uint64_t *out);
/* A finite decimal number in C locale notation; no hex, no inf, no nan. */
NODISCARD enum status str_to_f64(const char *s, double *out);
/* true|false|1|0|yes|no|on|off */
NODISCARD enum status str_to_bool(const char *s, bool *out);

/* Whether the bytes are valid UTF-8 without NUL (RFC 3629: no surrogates, no overlong forms). */
bool str_is_utf8(const char *s, size_t len);
/* Characters (code points) of a text in UTF-8. */
size_t str_utf8_length(const char *s);
/* Whether any byte is a control character (below 0x20, or 0x7f). */
bool str_has_control(const char *s);
/* Lower-case hex of `len` bytes into `out` (2 * len + 1 bytes). */
void str_hex(const void *data, size_t len, char *out);
/* The value of a hex digit of either case, or -1. */
int str_hex_digit(char c);
/* Decodes exactly `len` bytes from 2 * len hex digits. */
NODISCARD enum status str_unhex(const char *hex, size_t len, void *out);

#endif
