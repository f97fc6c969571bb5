/* Pure checks of raw targets and header fields. */
#include "net/http_precheck.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/str.h"

/* The byte that %XX at `p` means, or -1. Stops at the terminator by itself. */
static int escaped_byte(const char *p)
{
    int high = str_hex_digit(p[1]);
    int low = high < 0 ? -1 : str_hex_digit(p[2]);
    return low < 0 ? -1 : high * 16 + low;
}

static enum status check_path_byte(int byte, bool escaped, struct errbuf *err)
{
    if (byte == '\\' || (escaped && byte == '/'))
        return err_set(err, ST_MALFORMED, "the path holds an escaped slash or a backslash");
    if (byte < 0x20 || byte == 0x7f)
        return err_set(err, ST_MALFORMED, "the path holds a control character");
    return ST_OK;
}

/* Walks one path segment; dots counts its dots while it holds nothing else, else it is -1. */
static enum status check_segment(const char **at, struct errbuf *err)
{
    int dots = 0;
    const char *p = *at;
    for (; *p && *p != '/' && *p != '?'; p++) {
        int byte = (unsigned char)*p;
        bool escaped = *p == '%';
        if (escaped) {
            byte = escaped_byte(p);
            p += 2;
        }
        TRY(check_path_byte(byte, escaped, err));
        dots = byte == '.' && dots >= 0 ? dots + 1 : -1;
    }
    if (dots == 1 || dots == 2)
        return err_set(err, ST_MALFORMED, "the path holds a \".\" or \"..\" segment");
    *at = p;
    return ST_OK;
}

/* Every byte visible ASCII, every escape whole, none of them NUL. */
static enum status check_bytes(const char *target, struct errbuf *err)
{
    for (const char *p = target; *p; p++) {
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || *p == '#')
            return err_set(err, ST_MALFORMED, "the target holds a byte that must be escaped");
        if (*p != '%')
            continue;
        int byte = escaped_byte(p);
        if (byte < 0)
            return err_set(err, ST_MALFORMED, "the target holds a broken %% escape");
        if (byte == 0)
            return err_set(err, ST_MALFORMED, "the target holds %%00");
    }
    return ST_OK;
}

enum status http_precheck_target(const char *target, struct errbuf *err)
{
    if (strnlen(target, LIMIT_HTTP_TARGET_BYTES + 1) > LIMIT_HTTP_TARGET_BYTES)
        return err_set(err, ST_URI_TOO_LONG, "the target is longer than %u bytes",
                       LIMIT_HTTP_TARGET_BYTES);
    if (target[0] != '/')
        return err_set(err, ST_MALFORMED, "the target must begin with a slash");
    TRY(check_bytes(target, err));
    const char *p = target;
    while (*p == '/') {
        p++;
        TRY(check_segment(&p, err));
    }
    return ST_OK;
}

static bool is_token(const char *s, size_t len)
{
    static const char marks[] = "!#$%&'*+.^_`|~";
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        bool usual = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '-';
        if (!usual && (c == '\0' || !strchr(marks, c)))
            return false;
    }
    return len > 0;
}

static bool is_clean_value(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_named(const struct http_field *f, const char *name)
{
    size_t len = strlen(name);
    return f->name_len == len && strncasecmp(f->name, name, len) == 0;
}

static enum status check_length(const struct http_field *f, struct errbuf *err)
{
    bool digits = f->value_len > 0 && f->value_len <= 18;
    for (size_t i = 0; i < f->value_len && digits; i++)
        digits = f->value[i] >= '0' && f->value[i] <= '9';
    return digits ? ST_OK : err_set(err, ST_MALFORMED, "Content-Length is no number of bytes");
}

/* The fields that decide how a message is framed, routed or understood may come once. */
static enum status check_once(const struct http_field *fields, size_t count, struct errbuf *err)
{
    static const char *const once[] = {"Content-Length", "Host",          "Transfer-Encoding",
                                       "Content-Type",   "Authorization", "Content-Encoding"};
    for (size_t i = 0; i < ARRAY_LEN(once); i++) {
        int seen = 0;
        for (size_t j = 0; j < count; j++)
            seen += is_named(&fields[j], once[i]);
        if (seen > 1)
            return err_set(err, ST_MALFORMED, "%s is given more than once", once[i]);
    }
    return ST_OK;
}

static enum status check_framing(const struct http_field *fields, size_t count, bool is_http11,
                                 struct errbuf *err)
{
    const struct http_field *length = NULL;
    const struct http_field *coding = NULL;
    for (size_t i = 0; i < count; i++) {
        if (is_named(&fields[i], "Content-Length"))
            length = &fields[i];
        if (is_named(&fields[i], "Transfer-Encoding"))
            coding = &fields[i];
    }
    if (length)
        TRY(check_length(length, err));
    if (!coding)
        return ST_OK;
    if (length)
        return err_set(err, ST_MALFORMED, "both Transfer-Encoding and Content-Length are given");
    if (!is_http11)
        return err_set(err, ST_MALFORMED, "Transfer-Encoding needs HTTP/1.1");
    if (coding->value_len != 7 || strncasecmp(coding->value, "chunked", 7) != 0)
        return err_set(err, ST_MALFORMED, "the only Transfer-Encoding understood is chunked");
    return ST_OK;
}

enum status http_precheck_fields(const struct http_field *fields, size_t count, bool is_http11,
                                 struct errbuf *err)
{
    size_t bytes = 0;
    if (count > LIMIT_HTTP_HEADERS_COUNT)
        return err_set(err, ST_HEADERS_TOO_LARGE, "more than %u header fields",
                       LIMIT_HTTP_HEADERS_COUNT);
    for (size_t i = 0; i < count; i++) {
        const struct http_field *f = &fields[i];
        bytes += f->name_len + f->value_len + 4;
        if (bytes > LIMIT_HTTP_HEADERS_BYTES)
            return err_set(err, ST_HEADERS_TOO_LARGE, "header fields of more than %u bytes",
                           LIMIT_HTTP_HEADERS_BYTES);
        if (!is_token(f->name, f->name_len))
            return err_set(err, ST_MALFORMED, "a header field's name is no token");
        if (!is_clean_value(f->value, f->value_len))
            return err_set(err, ST_MALFORMED, "a header field holds a control character");
    }
    TRY(check_once(fields, count, err));
    return check_framing(fields, count, is_http11, err);
}

bool http_fields_are_crlf(const char *version, const struct http_field *fields, size_t count)
{
    uintptr_t end = (uintptr_t)version + strlen(version);
    for (size_t i = 0; i < count; i++) {
        if ((uintptr_t)fields[i].name != end + 2)
            return false;
        end = (uintptr_t)fields[i].value + fields[i].value_len;
    }
    return true;
}

bool http_fields_are_ended(const char *version, const struct http_field *fields, size_t count)
{
    static const char line_ends[4];
    const char *p = count > 0 ? fields[count - 1].value + fields[count - 1].value_len
                              : version + strlen(version);
    return memcmp(p, line_ends, sizeof(line_ends)) == 0 && !(p[4] == '\0' && p[5] > ' ');
}

const char *http_field_find(const struct http_field *fields, size_t count, const char *name,
                            size_t *len)
{
    for (size_t i = 0; i < count; i++) {
        if (is_named(&fields[i], name)) {
            *len = fields[i].value_len;
            return fields[i].value;
        }
    }
    return NULL;
}

bool http_unescape(const char *text, size_t len, bool plus_is_space, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)text[i];
        if (byte == '%') {
            byte = len - i >= 3 ? escaped_byte(text + i) : -1;
            if (byte <= 0)
                return false;
            i += 2;
        } else if (byte == '+' && plus_is_space) {
            byte = ' ';
        }
        if (byte == 0)
            return false;
        out[n++] = (char)byte;
    }
    out[n] = '\0';
    return str_is_utf8(out, n);
}
