/* Fields of a text-format result. An unknown column name is a bug and aborts. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "db/db.h"
#include "log/log.h"

/* Not PQfnumber, which copies the name and folds its case at each call. Columns are mostly read in
 * their order: the search goes on behind the one that was found last. */
static int column_of(const PGresult *r, const char *column)
{
    static __thread int after;
    int n = PQnfields(r);
    for (int i = 0; i < n; i++) {
        const int at = (after + i) % n;
        if (strcmp(PQfname(r, at), column) == 0) {
            after = at + 1;
            return at;
        }
    }
    log_error("db_no_such_column", kv_str("column", column));
    abort();
}

/* NULL when null. */
static const char *field_of(const PGresult *r, int row, const char *column)
{
    int at = column_of(r, column);
    return PQgetisnull(r, row, at) ? NULL : PQgetvalue(r, row, at);
}

bool row_is_null(const PGresult *r, int row, const char *column)
{
    return !field_of(r, row, column);
}

char *row_str(const PGresult *r, int row, const char *column, struct arena *arena)
{
    int at = column_of(r, column);
    if (PQgetisnull(r, row, at))
        return NULL;
    return arena_strndup(arena, PQgetvalue(r, row, at), (size_t)PQgetlength(r, row, at));
}

int64_t row_i64(const PGresult *r, int row, const char *column)
{
    const char *s = field_of(r, row, column);
    int64_t v = 0;
    return s && str_to_i64(s, &v) == ST_OK ? v : 0;
}

double row_f64(const PGresult *r, int row, const char *column)
{
    /* strtod knows the server's Infinity and NaN, too. */
    const char *s = field_of(r, row, column);
    return s ? strtod(s, NULL) : NAN;
}

bool row_bool(const PGresult *r, int row, const char *column)
{
    const char *s = field_of(r, row, column);
    return s && s[0] == 't';
}

struct uuid row_uuid(const PGresult *r, int row, const char *column)
{
    const char *s = field_of(r, row, column);
    struct uuid id = {{0}};
    return s && uuid_parse(s, &id) == ST_OK ? id : (struct uuid){{0}};
}

/* "2026-01-30 23:23:29.5+00" as the ISO DateStyle writes it in UTC; ±infinity are the extremes. */
static int64_t parse_time(const char *s)
{
    if (str_eq(s, "infinity"))
        return INT64_MAX;
    if (str_eq(s, "-infinity"))
        return INT64_MIN;
    char text[TIME_TEXT_BYTES + 8];
    size_t len = strlen(s);
    if (len < 3 || len + 4 > sizeof(text) || !str_eq(s + len - 3, "+00"))
        return 0;
    memcpy(text, s, len - 3);
    memcpy(text + len - 3, "Z", 2);
    int64_t at = 0;
    return time_parse_us(text, &at) == ST_OK ? at : 0;
}

int64_t row_time(const PGresult *r, int row, const char *column)
{
    const char *s = field_of(r, row, column);
    return s ? parse_time(s) : 0;
}

/* --- arrays --- */

static size_t count_elements(const char *s)
{
    size_t n = s[0] == '{' && s[1] != '}' ? 1 : 0;
    bool quoted = false;
    for (; *s; s++) {
        if (*s == '\\' && s[1])
            s++;
        else if (*s == '"')
            quoted = !quoted;
        else if (*s == ',' && !quoted)
            n++;
    }
    return n;
}

/* Decodes the element at *p (after '{' or ',') to *out with a terminator and moves both on; an
 * element takes no more room than its literal and separator. */
static const char *read_element(const char **p, char **out)
{
    const char *s = *p;
    char *start = *out;
    char *o = start;
    bool is_quoted = *s == '"';
    bool quoted = false;
    for (; *s && (quoted || (*s != ',' && *s != '}')); s++) {
        if (*s == '\\' && s[1])
            *o++ = *++s;
        else if (*s == '"')
            quoted = !quoted;
        else
            *o++ = *s;
    }
    *o = '\0';
    if (!is_quoted && strcmp(start, "NULL") == 0)
        *start = '\0';
    *p = *s ? s + 1 : s;
    *out = o + 1;
    return start;
}

enum status row_strs(const PGresult *r, int row, const char *column, struct arena *arena,
                     const char ***out, size_t *count)
{
    const char *s = field_of(r, row, column);
    if (s && s[0] != '{')
        return ST_CORRUPT;
    size_t n = s ? count_elements(s) : 0;
    const char **list = arena_array(arena, n, sizeof(*list));
    char *text = arena_alloc(arena, s ? strlen(s) + 1 : 1);
    if (!list || !text)
        return ST_NO_MEMORY;
    const char *p = n > 0 ? s + 1 : "";
    for (size_t i = 0; i < n; i++) {
        if (*p == '\0')
            return ST_CORRUPT; /* else terminators alone would outgrow the room for the texts */
        list[i] = read_element(&p, &text);
    }
    *out = list;
    *count = n;
    return ST_OK;
}

enum status row_uuids(const PGresult *r, int row, const char *column, struct arena *arena,
                      struct uuid **out, size_t *count)
{
    const char **texts = NULL;
    size_t n = 0;
    TRY(row_strs(r, row, column, arena, &texts, &n));
    struct uuid *ids = arena_array(arena, n, sizeof(*ids));
    if (!ids)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        if (uuid_parse(texts[i], &ids[i]) != ST_OK)
            return ST_CORRUPT;
    }
    *out = ids;
    *count = n;
    return ST_OK;
}

enum status row_bytes(const PGresult *r, int row, const char *column, struct arena *arena,
                      const unsigned char **out, size_t *len)
{
    const char *s = field_of(r, row, column);
    if (!s) {
        *out = NULL;
        *len = 0;
        return ST_OK;
    }
    if (!str_starts(s, "\\x"))
        return ST_CORRUPT;
    size_t n = strlen(s + 2) / 2;
    unsigned char *bytes = arena_alloc(arena, n + 1);
    if (!bytes)
        return ST_NO_MEMORY;
    if (str_unhex(s + 2, n, bytes) != ST_OK)
        return ST_CORRUPT;
    *out = bytes;
    *len = n;
    return ST_OK;
}

enum status row_read_all(const PGresult *r, struct arena *arena, row_read_fn *read, size_t bytes,
                         void **out, size_t *count)
{
    size_t n = (size_t)PQntuples(r);
    char *list = arena_array(arena, n, bytes);
    if (!list)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        TRY(read(r, (int)i, arena, list + i * bytes));
    *out = list;
    *count = n;
    return ST_OK;
}
