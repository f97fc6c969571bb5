/* DNS messages: reading and writing. */
#include "net/dns_message.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum {
    FLAG_RESPONSE = 0x8000,
    FLAG_AUTHORITATIVE = 0x0400,
    FLAG_TRUNCATED = 0x0200,
    FLAG_RECURSION = 0x0100,
    FLAG_AUTHENTICATED = 0x0020,
    RCODE = 0x000F,
    CLASS_IN = 1,
    TYPE_OPT = 41,
    UDP_BYTES = 1232 /* what passes everywhere unfragmented (DNS flag day 2020) */
};

static const struct {
    const char *name;
    int type;
} types[] = {
#define DNS_TYPE(name, number) {#name, number},
    DNS_TYPE_TABLE(DNS_TYPE)
#undef DNS_TYPE
};

const char *dns_type_name(int type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].type == type)
            return types[i].name;
    }
    return NULL;
}

int dns_type_parse(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_ieq(types[i].name, name))
            return types[i].type;
    }
    return 0;
}

const char *dns_rcode_name(int rcode)
{
    static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                        "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                        "NXRRSET", "NOTAUTH", "NOTZONE"};
    return rcode >= 0 && (size_t)rcode < ARRAY_LEN(names) ? names[rcode] : NULL;
}

/* --- the question --- */

static void put_u16(struct buf *out, unsigned v)
{
    buf_char(out, (char)(v >> 8));
    buf_char(out, (char)(v & 0xFF));
}

static enum status put_name(struct buf *out, const char *name)
{
    size_t len = strlen(name);
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len > DNS_NAME_BYTES - 1)
        return ST_INVALID;
    for (size_t at = 0; at < len;) {
        const char *dot = memchr(name + at, '.', len - at);
        size_t label = dot ? (size_t)(dot - name) - at : len - at;
        if (label == 0 || label > 63)
            return ST_INVALID;
        for (size_t i = at; i < at + label; i++) {
            if (name[i] <= ' ' || name[i] > '~')
                return ST_INVALID;
        }
        buf_char(out, (char)label);
        buf_append(out, name + at, label);
        at += label + (dot != NULL);
        if (dot && at == len)
            return ST_INVALID; /* two dots at the end */
    }
    buf_char(out, '\0');
    return ST_OK;
}

enum status dns_question_write(const struct dns_question *q, struct buf *out)
{
    put_u16(out, 0); /* the id: the sender's */
    put_u16(out,
            (q->recursion ? FLAG_RECURSION : 0U) | (q->authentication ? FLAG_AUTHENTICATED : 0U));
    put_u16(out, 1); /* one question, */
    put_u16(out, 0);
    put_u16(out, 0);
    put_u16(out, 1); /* and EDNS (RFC 6891) */
    TRY(put_name(out, q->name));
    put_u16(out, (unsigned)q->type);
    put_u16(out, CLASS_IN);
    buf_char(out, '\0');
    put_u16(out, TYPE_OPT);
    put_u16(out, UDP_BYTES);
    put_u16(out, 0);
    put_u16(out, q->authentication ? 0x8000U : 0U); /* DNSSEC OK */
    put_u16(out, 0);
    return buf_status(out);
}

/* --- the answer --- */

/* A message that is read; `is_bad` once anything went past its end. */
struct reader {
    const unsigned char *data;
    size_t len, at;
    bool is_bad;
};

static unsigned take_u8(struct reader *r)
{
    if (r->at >= r->len) {
        r->is_bad = true;
        return 0;
    }
    return r->data[r->at++];
}

static unsigned take_u16(struct reader *r)
{
    unsigned high = take_u8(r);
    return high << 8 | take_u8(r);
}

static uint32_t take_u32(struct reader *r)
{
    uint32_t high = take_u16(r);
    return high << 16 | take_u16(r);
}

static bool is_plain(unsigned c)
{
    return c > ' ' && c <= '~' && !strchr(".\\\"();@$", (int)c);
}

static void put_escaped(struct buf *out, unsigned c)
{
    if (is_plain(c))
        buf_char(out, (char)tolower((int)c));
    else if (c > ' ' && c <= '~')
        buf_printf(out, "\\%c", (char)c);
    else
        buf_printf(out, "\\%03u", c);
}

/* A name, perhaps compressed; each pointer must lead backwards. */
static void take_name(struct reader *r, struct buf *out)
{
    struct reader at = *r;
    size_t limit = r->at;
    size_t bytes = 0;
    bool has_jumped = false;
    for (;;) {
        unsigned len = take_u8(&at);
        if (at.is_bad || len == 0)
            break;
        if ((len & 0xC0) == 0xC0) {
            size_t target = (size_t)(len & 0x3F) << 8 | take_u8(&at);
            if (!has_jumped)
                r->at = at.at;
            has_jumped = true;
            at.is_bad = at.is_bad || target >= limit;
            limit = target;
            at.at = target;
            continue;
        }
        bytes += len + 1;
        if (len > 63 || bytes > DNS_NAME_BYTES || at.len - at.at < len) {
            at.is_bad = true;
            break;
        }
        if (bytes > len + 1)
            buf_char(out, '.');
        for (unsigned i = 0; i < len; i++)
            put_escaped(out, take_u8(&at));
    }
    if (bytes == 0)
        buf_char(out, '.'); /* the root */
    if (!has_jumped)
        r->at = at.at;
    r->is_bad = r->is_bad || at.is_bad;
}

/* A text as zone files quote it. */
static void put_quoted(struct reader *r, size_t len, struct buf *out)
{
    buf_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned c = take_u8(r);
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", (char)c);
        else if (c >= ' ' && c <= '~')
            buf_char(out, (char)c);
        else
            buf_printf(out, "\\%03u", c);
    }
    buf_char(out, '"');
}

static void put_address(struct reader *r, int family, size_t bytes, struct buf *out)
{
    char text[INET6_ADDRSTRLEN];
    if (r->len - r->at != bytes || !inet_ntop(family, r->data + r->at, text, sizeof(text))) {
        r->is_bad = true;
        return;
    }
    r->at += bytes;
    buf_str(out, text);
}

static void put_numbers(struct reader *r, int count, struct buf *out)
{
    for (int i = 0; i < count; i++)
        buf_printf(out, "%u ", take_u16(r));
}

static void put_soa(struct reader *r, struct buf *out)
{
    take_name(r, out);
    buf_char(out, ' ');
    take_name(r, out);
    for (int i = 0; i < 5; i++)
        buf_printf(out, " %u", take_u32(r));
}

static void put_txt(struct reader *r, struct buf *out)
{
    while (r->at < r->len && !r->is_bad) {
        size_t len = take_u8(r);
        if (out->len > 0)
            buf_char(out, ' ');
        put_quoted(r, len, out);
    }
}

static void put_caa(struct reader *r, struct buf *out)
{
    buf_printf(out, "%u ", take_u8(r));
    size_t len = take_u8(r);
    for (size_t i = 0; i < len; i++)
        put_escaped(out, take_u8(r));
    buf_char(out, ' ');
    put_quoted(r, r->is_bad ? 0 : r->len - r->at, out);
}

/* `r` ends with the record's data, which the type must use up. */
static void put_data(struct reader *r, int type, struct buf *out)
{
    switch (type) {
    case DNS_A:
        put_address(r, AF_INET, 4, out);
        break;
    case DNS_AAAA:
        put_address(r, AF_INET6, 16, out);
        break;
    case DNS_NS:
    case DNS_CNAME:
    case DNS_PTR:
        take_name(r, out);
        break;
    case DNS_MX:
        put_numbers(r, 1, out);
        take_name(r, out);
        break;
    case DNS_SRV:
        put_numbers(r, 3, out);
        take_name(r, out);
        break;
    case DNS_SOA:
        put_soa(r, out);
        break;
    case DNS_TXT:
        put_txt(r, out);
        break;
    case DNS_CAA:
        put_caa(r, out);
        break;
    default:
        r->at = r->len;
    }
    r->is_bad = r->is_bad || r->at != r->len;
}

static enum status take_record(struct reader *r, struct arena *arena, struct dns_record *out)
{
    AUTO_BUF name;
    AUTO_BUF text;
    buf_init(&name, 4UL * DNS_NAME_BYTES);
    buf_init(&text, 5UL * DNS_MESSAGE_BYTES);
    take_name(r, &name);
    out->type = (int)take_u16(r);
    (void)take_u16(r); /* the class */
    out->ttl_s = take_u32(r);
    size_t len = take_u16(r);
    if (r->is_bad || r->len - r->at < len)
        return ST_INVALID;
    struct reader data = {.data = r->data, .len = r->at + len, .at = r->at};
    put_data(&data, out->type, &text);
    r->at += len;
    if (data.is_bad || buf_status(&name) != ST_OK || buf_status(&text) != ST_OK)
        return ST_INVALID;
    out->name = arena_strdup(arena, buf_cstr(&name));
    out->text = arena_strdup(arena, buf_cstr(&text));
    return out->name && out->text ? ST_OK : ST_NO_MEMORY;
}

static void skip_questions(struct reader *r, size_t count)
{
    for (size_t i = 0; i < count && !r->is_bad; i++) {
        AUTO_BUF name;
        buf_init(&name, 4UL * DNS_NAME_BYTES);
        take_name(r, &name);
        (void)take_u32(r);
    }
}

enum status dns_answer_read(const void *data, size_t len, struct arena *arena,
                            struct dns_answer *out)
{
    struct reader r = {.data = data, .len = len};
    (void)take_u16(&r);
    unsigned flags = take_u16(&r);
    size_t questions = take_u16(&r);
    size_t count = take_u16(&r);
    (void)take_u32(&r);
    skip_questions(&r, questions);
    if (r.is_bad || !(flags & FLAG_RESPONSE) || count > DNS_RECORDS_MAX)
        return ST_INVALID;
    struct dns_record *records = arena_array(arena, count, sizeof(*records));
    if (!records)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        TRY(take_record(&r, arena, &records[i]));
    *out = (struct dns_answer){
        .rcode = (int)(flags & RCODE),
        .is_authoritative = (flags & FLAG_AUTHORITATIVE) != 0,
        .is_authenticated = (flags & FLAG_AUTHENTICATED) != 0,
        .is_truncated = (flags & FLAG_TRUNCATED) != 0,
        .records = records,
        .count = count,
    };
    return ST_OK;
}

/* --- comparing --- */

static bool address_eq(int family, const char *a, const char *b)
{
    unsigned char x[16] = {0};
    unsigned char y[16] = {0};
    return inet_pton(family, a, x) == 1 && inet_pton(family, b, y) == 1 &&
           memcmp(x, y, sizeof(x)) == 0;
}

/* A text that is read without its quotes. */
struct unquoted {
    const char *at;
    enum { BEFORE_QUOTES, IN_QUOTES, AFTER_QUOTES } where;
};

/* The next byte; the space between two pieces of one text is none of it. 0: the end. */
static unsigned next_text_byte(struct unquoted *u)
{
    for (;;) {
        if (*u->at == '"')
            u->where = u->where == IN_QUOTES ? AFTER_QUOTES : IN_QUOTES;
        else if (!(u->where == AFTER_QUOTES && u->at[0] == ' ' && u->at[1] == '"'))
            break;
        u->at++;
    }
    if (u->at[0] == '\\' && u->at[1])
        u->at++;
    unsigned c = (unsigned char)*u->at;
    u->at += c != 0;
    return c;
}

static bool quoted_eq(const char *a, const char *b)
{
    struct unquoted x = {.at = a};
    struct unquoted y = {.at = b};
    for (;;) {
        unsigned c = next_text_byte(&x);
        if (c != next_text_byte(&y))
            return false;
        if (c == 0)
            return true;
    }
}

/* Of words, whose spaces count as one and whose last dots do not count. */
static unsigned next_word_byte(const char **p)
{
    for (;;) {
        char c = **p;
        if (c == '.' && ((*p)[1] == ' ' || (*p)[1] == '\0')) {
            (*p)++;
            continue;
        }
        if (c == ' ' && ((*p)[1] == ' ' || (*p)[1] == '\0')) {
            (*p)++;
            continue;
        }
        *p += c != '\0';
        return (unsigned)tolower((unsigned char)c);
    }
}

static bool words_eq(const char *a, const char *b)
{
    a += strspn(a, " ");
    b += strspn(b, " ");
    for (;;) {
        unsigned x = next_word_byte(&a);
        if (x != next_word_byte(&b))
            return false;
        if (x == 0)
            return true;
    }
}

bool dns_text_eq(int type, const char *a, const char *b)
{
    if (type == DNS_A)
        return address_eq(AF_INET, a, b);
    if (type == DNS_AAAA)
        return address_eq(AF_INET6, a, b);
    if (type == DNS_TXT || type == DNS_CAA)
        return quoted_eq(a, b);
    return words_eq(a, b);
}

enum status dns_reverse_name(const char *address, char out[DNS_NAME_BYTES])
{
    unsigned char b[16];
    if (inet_pton(AF_INET, address, b) == 1) {
        (void)snprintf(out, DNS_NAME_BYTES, "%d.%d.%d.%d.in-addr.arpa", b[3], b[2], b[1], b[0]);
        return ST_OK;
    }
    if (inet_pton(AF_INET6, address, b) != 1)
        return ST_INVALID;
    size_t at = 0;
    for (int i = 15; i >= 0; i--)
        at += (size_t)snprintf(out + at, DNS_NAME_BYTES - at, "%x.%x.", b[i] & 15, b[i] >> 4);
    (void)snprintf(out + at, DNS_NAME_BYTES - at, "ip6.arpa");
    return ST_OK;
}
