/* Query arguments as text; arrays as array literals for unnest. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "db/db.h"

enum { NUMBER_BYTES = 32 };

void db_args_init(struct db_args *a, struct arena *arena)
{
    a->arena = arena;
    a->count = 0;
    a->failed = false;
}

static void add(struct db_args *a, const char *value, int length, int format)
{
    if (a->count >= LIMIT_DB_PARAMS) {
        a->failed = true;
        return;
    }
    a->value[a->count] = value;
    a->length[a->count] = length;
    a->format[a->count] = format;
    a->count++;
}

/* A text that must exist: NULL means that the arena had no room. */
static void add_made(struct db_args *a, const char *value)
{
    if (!value)
        a->failed = true;
    add(a, value, 0, 0);
}

/* Room for a text of up to `bytes`, or NULL with the arguments marked as failed. */
static char *room(struct db_args *a, size_t bytes)
{
    char *p = a->arena ? arena_alloc(a->arena, bytes) : NULL;
    if (!p)
        a->failed = true;
    return p;
}

void db_arg_null(struct db_args *a)
{
    add(a, NULL, 0, 0);
}

void db_arg_str(struct db_args *a, const char *s)
{
    add(a, s, 0, 0);
}

static int put_i64(char *out, int64_t v)
{
    return snprintf(out, NUMBER_BYTES, "%" PRId64, v);
}

void db_arg_i64(struct db_args *a, int64_t v)
{
    char *p = room(a, NUMBER_BYTES);
    if (p)
        put_i64(p, v);
    add_made(a, p);
}

void db_arg_bool(struct db_args *a, bool v)
{
    add(a, v ? "t" : "f", 0, 0);
}

void db_arg_uuid(struct db_args *a, const struct uuid *id)
{
    if (!id || uuid_is_nil(id)) {
        db_arg_null(a);
        return;
    }
    char *p = room(a, UUID_TEXT_BYTES);
    if (p)
        uuid_format(id, p);
    add_made(a, p);
}

void db_arg_time(struct db_args *a, int64_t wall_us)
{
    if (wall_us == 0) {
        db_arg_null(a);
        return;
    }
    char *p = room(a, TIME_TEXT_BYTES);
    if (p)
        time_format_us(wall_us, p);
    add_made(a, p);
}

void db_arg_bytes(struct db_args *a, const void *data, size_t len)
{
    if (len > INT32_MAX) {
        a->failed = true;
        len = 0;
    }
    add(a, data, (int)len, 1);
}

/* --- arrays: {1,2,NULL,"te\"xt"} --- */

/* The elements of one array argument, each `stride` bytes after the one before. */
struct column {
    const void *first;
    size_t stride, count;
};

static const void *element_at(const struct column *c, size_t i)
{
    return (const char *)c->first + i * c->stride;
}

/* Writes one element at `out`, returns its length; 0 stands for NULL. */
typedef size_t element_fn(const void *v, char *out);

/* `text` has room for every element, a comma each, both braces and the terminator. */
static void add_array(struct db_args *a, const struct column *c, char *text, element_fn *element)
{
    if (!text) {
        add_made(a, NULL);
        return;
    }
    char *p = text;
    *p++ = '{';
    for (size_t i = 0; i < c->count; i++) {
        if (i > 0)
            *p++ = ',';
        size_t n = element(element_at(c, i), p);
        if (n == 0) {
            memcpy(p, "NULL", 4);
            n = 4;
        }
        p += n;
    }
    *p++ = '}';
    *p = '\0';
    add_made(a, text);
}

static void add_fixed(struct db_args *a, const struct column *c, size_t element_bytes,
                      element_fn *element)
{
    bool fits = c->count < SIZE_MAX / (element_bytes + 1);
    add_array(a, c, room(a, fits ? c->count * (element_bytes + 1) + 3 : SIZE_MAX), element);
}

static size_t i64_element(const void *v, char *out)
{
    return (size_t)put_i64(out, *(const int64_t *)v);
}

static size_t bool_element(const void *v, char *out)
{
    out[0] = *(const bool *)v ? 't' : 'f';
    return 1;
}

static size_t uuid_element(const void *v, char *out)
{
    const struct uuid *id = v;
    if (uuid_is_nil(id))
        return 0;
    uuid_format(id, out);
    return UUID_TEXT_BYTES - 1;
}

static size_t time_element(const void *v, char *out)
{
    int64_t at = *(const int64_t *)v;
    if (at == 0)
        return 0;
    time_format_us(at, out);
    return strlen(out);
}

static size_t str_element(const void *v, char *out)
{
    const char *s = *(const char *const *)v;
    if (!s)
        return 0;
    char *p = out;
    *p++ = '"';
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            *p++ = '\\';
        *p++ = *s;
    }
    *p++ = '"';
    return (size_t)(p - out);
}

void db_arg_i64s_of(struct db_args *a, const int64_t *first, size_t stride, size_t count)
{
    add_fixed(a, &(struct column){first, stride, count}, NUMBER_BYTES, i64_element);
}

void db_arg_i64s(struct db_args *a, const int64_t *v, size_t count)
{
    db_arg_i64s_of(a, v, sizeof(*v), count);
}

void db_arg_bools_of(struct db_args *a, const bool *first, size_t stride, size_t count)
{
    add_fixed(a, &(struct column){first, stride, count}, 1, bool_element);
}

void db_arg_uuids_of(struct db_args *a, const struct uuid *first, size_t stride, size_t count)
{
    add_fixed(a, &(struct column){first, stride, count}, UUID_TEXT_BYTES, uuid_element);
}

void db_arg_uuids(struct db_args *a, const struct uuid *v, size_t count)
{
    db_arg_uuids_of(a, v, sizeof(*v), count);
}

void db_arg_times_of(struct db_args *a, const int64_t *first, size_t stride, size_t count)
{
    add_fixed(a, &(struct column){first, stride, count}, TIME_TEXT_BYTES, time_element);
}

void db_arg_times(struct db_args *a, const int64_t *v, size_t count)
{
    db_arg_times_of(a, v, sizeof(*v), count);
}

void db_arg_strs_of(struct db_args *a, const char *const *first, size_t stride, size_t count)
{
    const struct column c = {first, stride, count};
    size_t bytes = 3;
    for (size_t i = 0; i < count; i++) {
        const char *s = *(const char *const *)element_at(&c, i);
        bytes += s ? 2 * strlen(s) + 3 : 5;
    }
    add_array(a, &c, room(a, bytes), str_element);
}

void db_arg_strs(struct db_args *a, const char *const *v, size_t count)
{
    db_arg_strs_of(a, v, sizeof(*v), count);
}
