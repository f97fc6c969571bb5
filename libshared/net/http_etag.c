/* Entity tags. */
#include "net/http_etag.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { HASH_BYTES = 16 };
static const char gzip_mark[] = "-gz";

void etag_make(const void *body, size_t len, int64_t version, char out[ETAG_BYTES])
{
    unsigned char hash[HASH_BYTES];
    char hex[2 * HASH_BYTES + 1];
    (void)crypto_generichash(hash, sizeof(hash), body, len, NULL, 0);
    str_hex(hash, sizeof(hash), hex);
    if (version != 0)
        (void)snprintf(out, ETAG_BYTES, "\"%s-v%" PRIx64 "\"", hex, (uint64_t)version);
    else
        (void)snprintf(out, ETAG_BYTES, "\"%s\"", hex);
}

void etag_of_gzip(char tag[ETAG_BYTES])
{
    const size_t len = strlen(tag);
    if (len > 1 && len + sizeof(gzip_mark) <= ETAG_BYTES)
        (void)snprintf(tag + len - 1, ETAG_BYTES - len + 1, "%s\"", gzip_mark);
}

/* One member of the list; the text between its quotes. */
struct tag {
    const char *at;
    size_t len;
    bool is_weak;
};

/* The next member; false at the end. ST_MALFORMED in *st. */
static bool next_tag(const char **list, struct tag *out, enum status *st)
{
    const char *p = *list + strspn(*list, " \t,");
    *st = ST_OK;
    if (*p == '\0')
        return false;
    out->is_weak = str_starts(p, "W/");
    p += out->is_weak ? 2 : 0;
    const char *end = *p == '"' ? strchr(p + 1, '"') : NULL;
    if (!end || (end[1] != '\0' && !strchr(" \t,", end[1]))) {
        *st = ST_MALFORMED;
        return false;
    }
    out->at = p + 1;
    out->len = (size_t)(end - out->at);
    *list = end + 1;
    return true;
}

static bool is_any(const char *list)
{
    list += strspn(list, " \t");
    return list[0] == '*' && list[1 + strspn(list + 1, " \t")] == '\0';
}

static size_t without_coding(const char *text, size_t len)
{
    const size_t mark = sizeof(gzip_mark) - 1;
    return len > mark && memcmp(text + len - mark, gzip_mark, mark) == 0 ? len - mark : len;
}

bool etag_list_has(const char *list, const char *tag)
{
    struct tag t;
    enum status st = ST_OK;
    if (is_any(list))
        return true;
    const size_t len = strlen(tag) < 2 ? 0 : without_coding(tag + 1, strlen(tag) - 2);
    while (next_tag(&list, &t, &st)) {
        if (len > 0 && without_coding(t.at, t.len) == len && memcmp(t.at, tag + 1, len) == 0)
            return true;
    }
    return false;
}

/* The version after "-v"; 0 when there is none. */
static int64_t version_of(const struct tag *t)
{
    const size_t len = without_coding(t->at, t->len);
    const char *v = len > 2 ? memrchr(t->at, 'v', len) : NULL;
    if (!v || v == t->at || v[-1] != '-')
        return 0;
    const size_t digits = len - (size_t)(v + 1 - t->at);
    int64_t version = 0;
    if (digits == 0 || digits > 15)
        return 0;
    for (size_t i = 1; i <= digits; i++) {
        const int digit = str_hex_digit(v[i]);
        if (digit < 0)
            return 0;
        version = version * 16 + digit;
    }
    return version;
}

enum status etag_list_versions(const char *list, int64_t *out, size_t max, size_t *count, bool *any)
{
    struct tag t;
    enum status st = ST_OK;
    *count = 0;
    *any = is_any(list);
    if (*any)
        return ST_OK;
    size_t members = 0;
    while (next_tag(&list, &t, &st)) {
        members++;
        const int64_t version = t.is_weak ? 0 : version_of(&t);
        if (version != 0 && *count < max)
            out[(*count)++] = version;
    }
    return members > 0 ? st : ST_MALFORMED;
}
