/* Strings and numbers as text. */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <strings.h>

enum status str_dup(const char *s, char **out)
{
    if (!s) {
        *out = NULL;
        return ST_OK;
    }
    char *copy = strdup(s);
    if (!copy)
        return ST_NO_MEMORY;
    *out = copy;
    return ST_OK;
}

bool str_eq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_ieq(const char *a, const char *b)
{
    return a == b || (a && b && strcasecmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t len = strlen(s);
    size_t tail = strlen(suffix);
    return len >= tail && memcmp(s + len - tail, suffix, tail) == 0;
}

bool str_is_empty(const char *s)
{
    return !s || s[0] == '\0';
}

bool str_copy(char *dst, size_t cap, const char *src)
{
    size_t len = strlen(src);
    size_t fits = MIN_OF(len, cap - 1);
    memcpy(dst, src, fits);
    dst[fits] = '\0';
    return fits == len;
}

enum status str_to_i64(const char *s, int64_t *out)
{
    const char *digits = s[0] == '-' ? s + 1 : s;
    if (!isdigit((unsigned char)digits[0]))
        return ST_INVALID;
    char *end = NULL;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (errno != 0 || *end != '\0')
        return ST_INVALID;
    *out = v;
    return ST_OK;
}

enum status str_to_u64(const char *s, uint64_t *out)
{
    if (!isdigit((unsigned char)s[0]))
        return ST_INVALID;
    char *end = NULL;
    errno = 0;
    unsigned long long v = strtoull(s, &end, 10);
    if (errno != 0 || *end != '\0')
        return ST_INVALID;
    *out = v;
    return ST_OK;
}

enum status str_to_f64(const char *s, double *out)
{
    if (s[0] == '\0' || s[strspn(s, "0123456789+-.eE")] != '\0')
        return ST_INVALID;
    char *end = NULL;
    errno = 0;
    double v = strtod(s, &end);
    if (end == s || *end != '\0' || !isfinite(v))
        return ST_INVALID;
    *out = v;
    return ST_OK;
}

enum status str_to_bool(const char *s, bool *out)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true},   {"1", true},  {"yes", true}, {"on", true},
                 {"false", false}, {"0", false}, {"no", false}, {"off", false}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_ieq(s, words[i].text)) {
            *out = words[i].value;
            return ST_OK;
        }
    }
    return ST_INVALID;
}

/* Length of the UTF-8 sequence at p (at most `left` bytes), 0 when it is none. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return p[0] == 0 ? 0 : 1;
    size_t n = 0;
    unsigned low = 0x80, high = 0xbf; /* range of the second byte */
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        n = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        n = 3;
        if (p[0] == 0xe0)
            low = 0xa0;
        if (p[0] == 0xed)
            high = 0x9f;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        n = 4;
        if (p[0] == 0xf0)
            low = 0x90;
        if (p[0] == 0xf4)
            high = 0x8f;
    }
    if (n == 0 || left < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

/* Whether all eight bytes are ASCII, and none is NUL. */
static bool is_plain(uint64_t word)
{
    const uint64_t high = 0x8080808080808080ULL, one = 0x0101010101010101ULL;
    return (word & high) == 0 && ((word - one) & ~word & high) == 0;
}

bool str_is_utf8(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    while (len > 0) {
        /* Most text is plain: eight bytes at once as long as it is. */
        uint64_t word = 0;
        while (len >= sizeof(word)) {
            memcpy(&word, p, sizeof(word));
            if (!is_plain(word))
                break;
            p += sizeof(word);
            len -= sizeof(word);
        }
        if (len == 0)
            break;
        size_t n = utf8_sequence(p, len);
        if (n == 0)
            return false;
        p += n;
        len -= n;
    }
    return true;
}

size_t str_utf8_length(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

bool str_has_control(const char *s)
{
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            return true;
    }
    return false;
}

void str_hex(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * len] = '\0';
}

int str_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum status str_unhex(const char *hex, size_t len, void *out)
{
    if (strlen(hex) != 2 * len)
        return ST_INVALID;
    unsigned char *bytes = out;
    for (size_t i = 0; i < 2 * len; i++) {
        if (str_hex_digit(hex[i]) < 0)
            return ST_INVALID;
    }
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(str_hex_digit(hex[2 * i]) * 16 + str_hex_digit(hex[2 * i + 1]));
    return ST_OK;
}
