/* Parsing the URL of Redis. */
#include "redis/url.h"

#include <string.h>

#include "base/str.h"

enum { DEFAULT_PORT = 6379, DB_MAX = 65535 };

static enum status copy_part(const char *s, size_t len, char *out, size_t cap)
{
    if (len >= cap)
        return ST_INVALID;
    memcpy(out, s, len);
    out[len] = '\0';
    return ST_OK;
}

static enum status decode_part(const char *s, size_t len, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (n + 1 >= cap)
            return ST_INVALID;
        if (s[i] != '%') {
            out[n++] = s[i];
            continue;
        }
        if (len - i < 3)
            return ST_INVALID;
        char hex[3] = {s[i + 1], s[i + 2], '\0'};
        TRY(str_unhex(hex, 1, &out[n]));
        if (out[n++] == '\0')
            return ST_INVALID;
        i += 2;
    }
    out[n] = '\0';
    return ST_OK;
}

static enum status parse_db(const char *text, int *out)
{
    int64_t v = 0;
    if (str_to_i64(text, &v) != ST_OK || v < 0 || v > DB_MAX)
        return ST_INVALID;
    *out = (int)v;
    return ST_OK;
}

static enum status parse_userinfo(const char *s, size_t len, struct redis_url *out)
{
    const char *colon = memchr(s, ':', len);
    if (!colon)
        return ST_INVALID;
    size_t user_len = (size_t)(colon - s);
    TRY(decode_part(s, user_len, out->user, sizeof(out->user)));
    return decode_part(colon + 1, len - user_len - 1, out->password, sizeof(out->password));
}

static enum status parse_port(const char *text, int *out)
{
    int64_t v = 0;
    if (str_to_i64(text, &v) != ST_OK || v < 1 || v > 65535)
        return ST_INVALID;
    *out = (int)v;
    return ST_OK;
}

/* host, host:port, [v6] or [v6]:port */
static enum status parse_host(const char *s, size_t len, struct redis_url *out)
{
    char text[300];
    TRY(copy_part(s, len, text, sizeof(text)));
    char *host = text;
    char *rest = strchr(text, ':');
    if (text[0] == '[') {
        char *close = strchr(text, ']');
        if (!close)
            return ST_INVALID;
        *close = '\0';
        host = text + 1;
        rest = close + 1;
        if (*rest != ':' && *rest != '\0')
            return ST_INVALID;
    }
    if (rest && *rest == ':') {
        TRY(parse_port(rest + 1, &out->port));
        *rest = '\0';
    }
    if (host[0] == '\0' || str_has_control(host) || strchr(host, ' '))
        return ST_INVALID;
    return copy_part(host, strlen(host), out->host, sizeof(out->host));
}

static enum status parse_tcp(const char *s, struct redis_url *out, struct errbuf *err)
{
    size_t len = strcspn(s, "/?#");
    const char *tail = s + len;
    const char *at = memrchr(s, '@', len);
    if (at) {
        if (parse_userinfo(s, (size_t)(at - s), out) != ST_OK)
            return err_set(err, ST_INVALID, "Redis URL: user and password are not user:password@");
        len -= (size_t)(at + 1 - s);
        s = at + 1;
    }
    if (parse_host(s, len, out) != ST_OK)
        return err_set(err, ST_INVALID, "Redis URL: host and port are not host:port");
    if (tail[0] == '/' && tail[1] != '\0' && parse_db(tail + 1, &out->db) != ST_OK)
        return err_set(err, ST_INVALID, "Redis URL: the database after / is not a number");
    if (tail[0] == '?' || tail[0] == '#')
        return err_set(err, ST_INVALID, "Redis URL: no parameters are known");
    return ST_OK;
}

static enum status parse_unix(const char *s, struct redis_url *out, struct errbuf *err)
{
    size_t len = strcspn(s, "?");
    if (s[0] != '/' || len < 2 || copy_part(s, len, out->path, sizeof(out->path)) != ST_OK)
        return err_set(err, ST_INVALID, "Redis URL: not unix:///path of up to 107 bytes");
    if (s[len] == '\0')
        return ST_OK;
    if (!str_starts(s + len, "?db=") || parse_db(s + len + 4, &out->db) != ST_OK)
        return err_set(err, ST_INVALID, "Redis URL: the only parameter of a socket is ?db=number");
    return ST_OK;
}

enum status redis_url_parse(const char *text, struct redis_url *out, struct errbuf *err)
{
    struct redis_url url = {.port = DEFAULT_PORT};
    if (str_starts(text, "redis://"))
        TRY(parse_tcp(text + strlen("redis://"), &url, err));
    else if (str_starts(text, "unix://"))
        TRY(parse_unix(text + strlen("unix://"), &url, err));
    else
        return err_set(err, ST_INVALID, "Redis URL: begins with neither redis:// nor unix://%s",
                       str_starts(text, "rediss://") ? " (TLS: use a proxy beside it)" : "");
    *out = url;
    return ST_OK;
}
