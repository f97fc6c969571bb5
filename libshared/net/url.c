/*
 * URLs taken apart once. What this accepts is narrower than what libcurl would: every form that two
 * parsers could read differently is refused, so that what was checked is what is asked.
 */
#include "net/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { LABEL_BYTES = 63, NAME_BYTES = 253 };

/* A part of the text, not terminated. */
struct span {
    const char *at;
    size_t len;
};

static bool span_copy(const struct span *s, char *dst, size_t cap)
{
    if (s->len >= cap)
        return false;
    memcpy(dst, s->at, s->len);
    dst[s->len] = '\0';
    return true;
}

static enum status check_bytes(const char *text, struct errbuf *err)
{
    size_t len = strnlen(text, LIMIT_URL_BYTES + 1);
    if (len > LIMIT_URL_BYTES)
        return err_set(err, ST_INVALID, "URL is longer than %u bytes", LIMIT_URL_BYTES);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= 0x20 || c == 0x7f)
            return err_set(err, ST_INVALID, "URL has a space or control character");
        if (c > 0x7f)
            return err_set(err, ST_INVALID,
                           "URL has a byte that is not ASCII: percent-encode it "
                           "(a name as punycode)");
        if (c == '\\')
            return err_set(err, ST_INVALID, "URL has a backslash");
    }
    return ST_OK;
}

static enum status parse_scheme(const char **at, struct url *u, struct errbuf *err)
{
    static const char *const schemes[] = {"http", "https"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (strncasecmp(*at, schemes[i], len) != 0 || strncmp(*at + len, "://", 3) != 0)
            continue;
        (void)str_copy(u->scheme, sizeof(u->scheme), schemes[i]);
        u->port = i == 0 ? 80 : 443;
        *at += len + 3;
        return ST_OK;
    }
    return err_set(err, ST_INVALID, "URL must begin with http:// or https://");
}

static enum status parse_port(const struct span *port, struct url *u, struct errbuf *err)
{
    char digits[8];
    int64_t value = 0;
    bool is_number = port->len > 0 && port->len < 6 && span_copy(port, digits, sizeof(digits)) &&
                     strspn(digits, "0123456789") == port->len &&
                     str_to_i64(digits, &value) == ST_OK;
    if (!is_number || value < 1 || value > 65535)
        return err_set(err, ST_INVALID, "port of the URL is not 1 to 65535");
    u->port = (uint16_t)value;
    u->has_port = true;
    return ST_OK;
}

/* Whether a resolver would read the name as an IPv4 number: its last label is one (WHATWG URL,
 * "ends in a number"). */
static bool ends_in_number(const char *host)
{
    const char *last = strrchr(host, '.');
    last = last ? last + 1 : host;
    if (last[0] == '0' && (last[1] == 'x' || last[1] == 'X'))
        return strspn(last + 2, "0123456789abcdefABCDEF") == strlen(last + 2);
    return last[0] != '\0' && strspn(last, "0123456789") == strlen(last);
}

static bool is_host_name(const char *host, size_t len)
{
    if (len > NAME_BYTES)
        return false;
    size_t label = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)host[i];
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        if (!isalnum(c) && c != '-' && c != '_')
            return false;
        if (label == 0 && c == '-')
            return false;
        if (++label > LABEL_BYTES)
            return false;
    }
    return label > 0;
}

static enum status parse_host(const struct span *host, struct url *u, struct errbuf *err)
{
    if (host->len == 0)
        return err_set(err, ST_INVALID, "URL has no host");
    if (!span_copy(host, u->host, sizeof(u->host)))
        return err_set(err, ST_INVALID, "host of the URL is too long");
    for (char *p = u->host; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    size_t len = host->len;
    if (len > 1 && u->host[len - 1] == '.')
        u->host[--len] = '\0'; /* the root's dot: the same name */
    struct in_addr v4;
    if (ends_in_number(u->host)) {
        if (host->at[host->len - 1] == '.' || inet_pton(AF_INET, u->host, &v4) != 1)
            return err_set(err, ST_INVALID,
                           "host %.60s is not an IPv4 address of four decimal "
                           "numbers",
                           u->host);
        u->is_ip = true;
        return ST_OK;
    }
    if (!is_host_name(u->host, len))
        return err_set(err, ST_INVALID, "host %.60s is not a valid name", u->host);
    return ST_OK;
}

static enum status parse_ipv6(const struct span *host, struct url *u, struct errbuf *err)
{
    struct in6_addr v6;
    if (!span_copy(host, u->host, sizeof(u->host)) || inet_pton(AF_INET6, u->host, &v6) != 1)
        return err_set(err, ST_INVALID, "host of the URL is not a valid IPv6 address");
    /* One notation for one address, as names are lower case. */
    if (!inet_ntop(AF_INET6, &v6, u->host, sizeof(u->host)))
        return ST_INTERNAL;
    u->is_ip = u->is_ipv6 = true;
    return ST_OK;
}

static enum status parse_authority(struct span all, struct url *u, struct errbuf *err)
{
    const char *at = memchr(all.at, '@', all.len);
    if (at) {
        struct span userinfo = {all.at, (size_t)(at - all.at)};
        all = (struct span){at + 1, all.len - userinfo.len - 1};
        if (memchr(all.at, '@', all.len))
            return err_set(err, ST_INVALID, "URL has more than one @ before its path");
        if (!span_copy(&userinfo, u->userinfo, sizeof(u->userinfo)))
            return err_set(err, ST_INVALID, "credentials in the URL are too long");
    }
    if (all.len > 0 && all.at[0] == '[') {
        const char *end = memchr(all.at, ']', all.len);
        if (!end)
            return err_set(err, ST_INVALID, "IPv6 address of the URL has no closing bracket");
        struct span host = {all.at + 1, (size_t)(end - all.at) - 1};
        struct span rest = {end + 1, all.len - host.len - 2};
        TRY(parse_ipv6(&host, u, err));
        if (rest.len == 0)
            return ST_OK;
        if (rest.at[0] != ':')
            return err_set(err, ST_INVALID, "port of the URL is not 1 to 65535");
        rest = (struct span){rest.at + 1, rest.len - 1};
        return parse_port(&rest, u, err);
    }
    const char *colon = memchr(all.at, ':', all.len);
    struct span host = {all.at, colon ? (size_t)(colon - all.at) : all.len};
    TRY(parse_host(&host, u, err));
    if (!colon)
        return ST_OK;
    struct span port = {colon + 1, all.len - host.len - 1};
    return parse_port(&port, u, err);
}

enum status url_parse(const char *text, struct url *out, struct errbuf *err)
{
    if (str_is_empty(text))
        return err_set(err, ST_INVALID, "URL is empty");
    TRY(check_bytes(text, err));
    struct url u = {0};
    const char *at = text;
    TRY(parse_scheme(&at, &u, err));
    struct span authority = {at, strcspn(at, "/?#")};
    TRY(parse_authority(authority, &u, err));
    at += authority.len;
    size_t len = strcspn(at, "#");
    /* "http://host?query": the path is still "/". */
    (void)snprintf(u.target, sizeof(u.target), "%s%.*s", at[0] == '/' ? "" : "/", (int)len, at);
    *out = u;
    return ST_OK;
}

const char *url_check_http(const char *text)
{
    /* The schema tables copy the reason at once; a thread's own buffer outlives that. */
    static _Thread_local struct errbuf err;
    struct url u;
    return url_parse(text, &u, &err) == ST_OK ? NULL : err.text;
}

bool url_same_origin(const struct url *a, const struct url *b)
{
    return str_eq(a->scheme, b->scheme) && str_eq(a->host, b->host) && a->port == b->port;
}

/* "scheme:" at the start (RFC 3986 section 3.1). */
static bool has_scheme(const char *reference)
{
    if (!isalpha((unsigned char)reference[0]))
        return false;
    const char *p = reference;
    while (isalnum((unsigned char)*p) || *p == '+' || *p == '-' || *p == '.')
        p++;
    return *p == ':';
}

/* RFC 3986 section 5.2.4, in place; `path` begins with "/" and ends before any query. */
static size_t remove_dot_segments(char *path, size_t len)
{
    size_t out = 0;
    size_t i = 0;
    while (i < len) {
        size_t end = i + 1;
        while (end < len && path[end] != '/')
            end++;
        size_t segment = end - i; /* with its leading slash */
        bool is_dot = segment == 2 && path[i + 1] == '.';
        bool is_dots = segment == 3 && path[i + 1] == '.' && path[i + 2] == '.';
        if (is_dots) {
            while (out > 0 && path[--out] != '/') {
            }
        }
        if (!is_dot && !is_dots) {
            memmove(path + out, path + i, segment);
            out += segment;
        } else if (end == len) {
            path[out++] = '/';
        }
        i = end;
    }
    return out;
}

/* The reference without its fragment, odd bytes percent-encoded. */
static char *encode(const char *reference, struct arena *arena)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = strcspn(reference, "#");
    char *out = arena_alloc(arena, 3 * len + 1);
    if (!out)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)reference[i];
        if (c > 0x20 && c < 0x7f) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = hex[c >> 4];
        out[n++] = hex[c & 15];
    }
    out[n] = '\0';
    return out;
}

/* Joins the base's scheme and authority with a path, whose dot segments go. */
static char *join(const struct span *prefix, const char *path, size_t path_len, const char *tail,
                  struct arena *arena)
{
    char *text = arena_printf(arena, "%.*s%.*s%s", (int)prefix->len, prefix->at, (int)path_len,
                              path, tail);
    if (!text || text[prefix->len] != '/')
        return text;
    char *start = text + prefix->len;
    size_t old_len = strcspn(start, "?");
    size_t new_len = remove_dot_segments(start, old_len);
    memmove(start + new_len, start + old_len, strlen(start + old_len) + 1);
    return text;
}

enum status url_resolve(const char *base, const char *reference, struct arena *arena,
                        const char **out)
{
    struct url from;
    TRY(url_parse(base, &from, NULL));
    const char *authority = strstr(base, "://");
    if (!authority || strnlen(reference, LIMIT_URL_BYTES + 1) > LIMIT_URL_BYTES)
        return ST_INVALID;
    reference += strspn(reference, " \t");
    char *ref = encode(reference, arena);
    if (!ref)
        return ST_NO_MEMORY;
    authority += 3;
    const char *path = authority + strcspn(authority, "/?#");
    struct span prefix = {base, (size_t)(path - base)};
    size_t path_len = strcspn(path, "?#");
    char *text = NULL;
    if (has_scheme(ref)) {
        text = ref;
    } else if (str_starts(ref, "//")) {
        text = arena_printf(arena, "%.*s%s", (int)(authority - 2 - base), base, ref);
    } else if (ref[0] == '/') {
        text = join(&prefix, "", 0, ref, arena);
    } else if (ref[0] == '?') {
        text = join(&prefix, path, path_len, ref, arena);
    } else if (ref[0] == '\0') {
        text = join(&prefix, path, strcspn(path, "#"), "", arena);
    } else {
        while (path_len > 0 && path[path_len - 1] != '/')
            path_len--;
        text = join(&prefix, path_len > 0 ? path : "/", path_len > 0 ? path_len : 1, ref, arena);
    }
    if (!text)
        return ST_NO_MEMORY;
    if (strlen(text) > LIMIT_URL_BYTES)
        return ST_INVALID;
    *out = text;
    return ST_OK;
}
