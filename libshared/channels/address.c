/* Mail addresses, strictly. */
#include "channels/address.h"

#include <string.h>

#include "base/str.h"

enum { LABEL_MAX = 63 };

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* atext of RFC 5322, section 3.2.3 */
static bool is_atom_char(char c)
{
    return c != '\0' && (is_alnum(c) || strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static const char *check_local(const char *s, size_t len)
{
    if (len == 0 || len > MAIL_LOCAL_MAX)
        return "the part before @ must have 1 to 64 characters";
    for (size_t i = 0; i < len; i++) {
        bool is_dot = s[i] == '.';
        if (is_dot && (i == 0 || i + 1 == len || s[i - 1] == '.'))
            return "a dot in an address stands between other characters";
        if (!is_dot && !is_atom_char(s[i]))
            return "not a mail address: a character that may not stand before @";
    }
    return NULL;
}

static const char *check_domain(const char *s)
{
    static const char wrong[] = "not a mail address: the domain is not a host name";
    size_t label = 0;
    for (const char *p = s;; p++) {
        if (*p == '.' || *p == '\0') {
            if (label == 0 || label > LABEL_MAX || p[-1] == '-')
                return wrong;
            if (*p == '\0')
                return NULL;
            label = 0;
        } else if (is_alnum(*p) || (*p == '-' && label > 0)) {
            label++;
        } else {
            return wrong;
        }
    }
}

const char *mail_address_check(const char *text)
{
    if (strlen(text) > MAIL_ADDRESS_MAX)
        return "a mail address has at most 254 characters";
    const char *at = strchr(text, '@');
    if (!at)
        return "not a mail address: no @";
    const char *wrong = check_local(text, (size_t)(at - text));
    return wrong ? wrong : check_domain(at + 1);
}

/* The display name: quotes around it are taken off, a quote or backslash inside is refused. */
static enum status parse_name(const char *text, size_t len, struct mailbox *out, struct errbuf *err)
{
    while (len > 0 && text[len - 1] == ' ')
        len--;
    while (len > 0 && text[0] == ' ') {
        text++;
        len--;
    }
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text++;
        len -= 2;
    }
    if (len > MAIL_NAME_MAX)
        return err_set(err, ST_INVALID, "the name has more than %d bytes", (int)MAIL_NAME_MAX);
    memcpy(out->name, text, len);
    out->name[len] = '\0';
    if (str_has_control(out->name) || strpbrk(out->name, "\"\\<>") || !str_is_utf8(out->name, len))
        return err_set(err, ST_INVALID,
                       "the name may not have quotes, backslashes or control characters");
    return ST_OK;
}

enum status mailbox_parse(const char *text, struct mailbox *out, struct errbuf *err)
{
    struct mailbox m = {0};
    size_t len = strlen(text);
    const char *open = strchr(text, '<');
    const char *address = text;
    if (open) {
        if (text[len - 1] != '>')
            return err_set(err, ST_INVALID, "nothing may follow <address>");
        TRY(parse_name(text, (size_t)(open - text), &m, err));
        address = open + 1;
        len -= (size_t)(address - text) + 1;
    }
    if (len > MAIL_ADDRESS_MAX)
        return err_set(err, ST_INVALID, "a mail address has at most 254 characters");
    memcpy(m.address, address, len);
    const char *wrong = mail_address_check(m.address);
    if (wrong)
        return err_set(err, ST_INVALID, "%s", wrong);
    *out = m;
    return ST_OK;
}

const char *mailbox_domain(const struct mailbox *m)
{
    const char *at = strchr(m->address, '@');
    return at ? at + 1 : "localhost";
}
