/* Encodings of mails. */
#include "services/notifier/mail/encode.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum {
    WORD_BYTES = 45, /* of text in an encoded word: 60 characters of base64, within RFC 2047's 75 */
    PLAIN_MAX = 900, /* of a header line, within RFC 5322's 998 */
    QP_LINE = 76
};

static bool is_plain(const char *value)
{
    for (const char *p = value; *p; p++) {
        if (*p < 0x20 || *p > 0x7e)
            return false;
    }
    return strlen(value) <= PLAIN_MAX && !strstr(value, "=?");
}

/* How many bytes of s make a word without cutting a character in two. */
static size_t word_length(const char *s, size_t len)
{
    if (len <= WORD_BYTES)
        return len;
    size_t n = WORD_BYTES;
    while (n > WORD_BYTES - 4 && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static void encoded_words(struct buf *out, const char *value)
{
    const size_t len = strlen(value);
    for (size_t at = 0; at < len;) {
        char clean[WORD_BYTES];
        char base64[80];
        const size_t n = word_length(value + at, len - at);
        for (size_t i = 0; i < n; i++) {
            const unsigned char c = (unsigned char)value[at + i];
            clean[i] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
        }
        (void)sodium_bin2base64(base64, sizeof(base64), (const unsigned char *)clean, n,
                                sodium_base64_VARIANT_ORIGINAL);
        buf_printf(out, "%s=?UTF-8?B?%s?=", at ? "\r\n " : "", base64);
        at += n;
    }
}

void mail_header(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s: ", name);
    if (is_plain(value))
        buf_str(out, value);
    else
        encoded_words(out, value);
    buf_str(out, "\r\n");
}

void mail_header_mailbox(struct buf *out, const char *name, const char *display,
                         const char *address)
{
    if (!display[0]) {
        buf_printf(out, "%s: <%s>\r\n", name, address);
        return;
    }
    buf_printf(out, "%s: ", name);
    if (is_plain(display))
        buf_printf(out, "\"%s\"",
                   display); /* quotes and backslashes were refused (mailbox_parse) */
    else
        encoded_words(out, display);
    buf_printf(out, " <%s>\r\n", address);
}

static bool ends_line(const char *text, size_t len, size_t at)
{
    return at == len || text[at] == '\n' ||
           (text[at] == '\r' && at + 1 < len && text[at + 1] == '\n');
}

void mail_quoted_printable(struct buf *out, const char *text, size_t len)
{
    size_t column = 0;
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '\n') {
            buf_str(out, "\r\n");
            column = 0;
            continue;
        }
        if (c == '\r' && ends_line(text, len, i))
            continue;
        /* A blank at the end of a line would be lost, a From or a dot at its start changed. */
        const bool is_blank = (c == ' ' || c == '\t') && !ends_line(text, len, i + 1);
        const bool is_risky = column == 0 && (c == '.' || c == 'F');
        const bool is_literal = is_blank || (c > 0x20 && c < 0x7f && c != '=' && !is_risky);
        const size_t width = is_literal ? 1 : 3;
        if (column + width > QP_LINE - 1) {
            buf_str(out, "=\r\n");
            column = 0;
        }
        if (is_literal)
            buf_char(out, (char)c);
        else
            buf_printf(out, "=%02X", c);
        column += width;
    }
}

void mail_html_escape(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        switch (*p) {
        case '&':
            buf_str(out, "&amp;");
            break;
        case '<':
            buf_str(out, "&lt;");
            break;
        case '>':
            buf_str(out, "&gt;");
            break;
        case '"':
            buf_str(out, "&quot;");
            break;
        case '\'':
            buf_str(out, "&#39;");
            break;
        default:
            buf_char(out, *p);
        }
    }
}
