/* Taking the mail server's URL apart. */
#include "services/notifier/smtp/url.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/str.h"

enum { PORT_SUBMISSION = 587, PORT_SMTPS = 465 };

static enum status percent_decode(const char *text, size_t len, char *out, size_t cap,
                                  const char *what, struct errbuf *err)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            const char hex[3] = {i + 1 < len ? text[i + 1] : '\0', i + 2 < len ? text[i + 2] : '\0',
                                 '\0'};
            if (str_unhex(hex, 1, &c) != ST_OK)
                return err_set(err, ST_INVALID, "the %s has a broken percent escape", what);
            i += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return err_set(err, ST_INVALID, "the %s has a control character", what);
        if (n + 1 >= cap)
            return err_set(err, ST_INVALID, "the %s is too long", what);
        out[n++] = c;
    }
    out[n] = '\0';
    return ST_OK;
}

static enum status parse_userinfo(const char *text, size_t len, struct smtp_url *u,
                                  struct errbuf *err)
{
    const char *colon = memchr(text, ':', len);
    if (!colon)
        return err_set(err, ST_INVALID, "a user needs a password: user:password@");
    const size_t user_len = (size_t)(colon - text);
    TRY(percent_decode(text, user_len, u->user, sizeof(u->user), "user", err));
    TRY(percent_decode(colon + 1, len - user_len - 1, u->password, sizeof(u->password), "password",
                       err));
    return u->user[0] ? ST_OK : err_set(err, ST_INVALID, "the user is empty");
}

static bool is_host_name(const char *host)
{
    size_t label = 0;
    for (const char *p = host; *p; p++) {
        const bool alnum = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z');
        if (*p == '.' && label == 0)
            return false;
        if (*p != '.' && !alnum && *p != '_' && !(*p == '-' && label > 0))
            return false;
        label = *p == '.' ? 0 : label + 1;
    }
    return host[0] != '\0';
}

static enum status parse_host(const char *text, size_t len, struct smtp_url *u, struct errbuf *err)
{
    if (len == 0 || len >= sizeof(u->host))
        return err_set(err, ST_INVALID, "no host, or too long a one");
    for (size_t i = 0; i < len; i++)
        u->host[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
    u->host[len] = '\0';
    unsigned char address[16];
    u->is_ip = inet_pton(AF_INET, u->host, address) == 1 ||
               inet_pton(AF_INET6, u->host, address) == 1;
    if (!u->is_ip && !is_host_name(u->host))
        return err_set(err, ST_INVALID, "not a host name");
    return ST_OK;
}

static enum status parse_port(const char *text, size_t len, struct smtp_url *u, struct errbuf *err)
{
    char digits[8] = "";
    int64_t port = 0;
    if (len >= sizeof(digits))
        return err_set(err, ST_INVALID, "not a port");
    memcpy(digits, text, len);
    if (str_to_i64(digits, &port) != ST_OK || port < 1 || port > 65535)
        return err_set(err, ST_INVALID, "the port must be 1 to 65535");
    u->port = (uint16_t)port;
    return ST_OK;
}

/* host, host:port, [v6], [v6]:port */
static enum status parse_authority(const char *text, size_t len, struct smtp_url *u,
                                   struct errbuf *err)
{
    const char *end = text + len;
    const char *host = text;
    const char *host_end = NULL;
    const char *rest = NULL;
    if (len > 0 && text[0] == '[') {
        host_end = memchr(text, ']', len);
        if (!host_end)
            return err_set(err, ST_INVALID, "an IPv6 address ends with ]");
        host = text + 1;
        rest = host_end + 1;
    } else {
        host_end = memchr(text, ':', len);
        host_end = host_end ? host_end : end;
        rest = host_end;
    }
    TRY(parse_host(host, (size_t)(host_end - host), u, err));
    if (rest == end)
        return ST_OK;
    if (*rest != ':')
        return err_set(err, ST_INVALID, "only a port may follow the host");
    return parse_port(rest + 1, (size_t)(end - rest - 1), u, err);
}

static enum status parse_query(const char *query, struct smtp_url *u, struct errbuf *err)
{
    static const struct {
        const char *text;
        enum smtp_starttls value;
    } words[] = {
        {"starttls=required", SMTP_STARTTLS_REQUIRED},
        {"starttls=optional", SMTP_STARTTLS_OPTIONAL},
        {"starttls=never", SMTP_STARTTLS_NEVER},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq(query, words[i].text)) {
            u->starttls = words[i].value;
            return ST_OK;
        }
    }
    return err_set(err, ST_INVALID, "after ? comes starttls=required, optional or never");
}

enum status smtp_url_parse(const char *text, struct smtp_url *out, struct errbuf *err)
{
    struct smtp_url u = {.starttls = SMTP_STARTTLS_REQUIRED};
    if (str_has_control(text) || strchr(text, ' ') || strchr(text, '#'))
        return err_set(err, ST_INVALID, "spaces, control characters and # must be percent-encoded");
    if (str_starts(text, "smtps://"))
        u.is_implicit_tls = true;
    else if (!str_starts(text, "smtp://"))
        return err_set(err, ST_INVALID, "must begin with smtp:// or smtps://");
    u.port = u.is_implicit_tls ? PORT_SMTPS : PORT_SUBMISSION;

    const char *authority = strstr(text, "://") + 3;
    const char *end = authority + strcspn(authority, "/?");
    const char *at = memrchr(authority, '@', (size_t)(end - authority));
    if (at) {
        TRY(parse_userinfo(authority, (size_t)(at - authority), &u, err));
        authority = at + 1;
    }
    TRY(parse_authority(authority, (size_t)(end - authority), &u, err));
    if (*end == '/')
        end++;
    if (*end == '?')
        TRY(parse_query(end + 1, &u, err));
    else if (*end != '\0')
        return err_set(err, ST_INVALID, "a mail server has no path");
    *out = u;
    return ST_OK;
}
