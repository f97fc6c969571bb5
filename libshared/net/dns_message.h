/*
 * DNS messages (RFC 1035): a question to bytes, an answer from bytes. Nothing here talks to
 * anybody. Names are lower case, without the last dot; records have the text that zone files have.
 */
#ifndef TOCSIN_NET_DNS_MESSAGE_H
#define TOCSIN_NET_DNS_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"

enum { DNS_NAME_BYTES = 254, DNS_RECORDS_MAX = 256, DNS_MESSAGE_BYTES = 65535 };

/* DNS_TYPE(name, number): the types of records that are understood. */
#define DNS_TYPE_TABLE(DNS_TYPE) \
    DNS_TYPE(A, 1)               \
    DNS_TYPE(NS, 2)              \
    DNS_TYPE(CNAME, 5)           \
    DNS_TYPE(SOA, 6)             \
    DNS_TYPE(PTR, 12)            \
    DNS_TYPE(MX, 15)             \
    DNS_TYPE(TXT, 16)            \
    DNS_TYPE(AAAA, 28)           \
    DNS_TYPE(SRV, 33)            \
    DNS_TYPE(CAA, 257)
enum dns_type {
#define DNS_TYPE(name, number) DNS_##name = (number),
    DNS_TYPE_TABLE(DNS_TYPE)
#undef DNS_TYPE
};
/* "A"; NULL when it is none of the table. dns_type_parse takes either case; 0: there is none. */
const char *dns_type_name(int type);
int dns_type_parse(const char *name);
/* "NXDOMAIN" …; NULL for a number that has no name. */
const char *dns_rcode_name(int rcode);

struct dns_question {
    const char *name;
    int type;
    bool recursion;      /* ask the server to ask others */
    bool authentication; /* ask for the verdict of DNSSEC */
};
/* ST_INVALID: a name that is none (labels of 1 to 63 printable bytes, 253 in all). */
NODISCARD enum status dns_question_write(const struct dns_question *q, struct buf *out);

struct dns_record {
    const char *name;
    int type; /* perhaps one that is not in the table: then text is "" */
    int64_t ttl_s;
    const char *text; /* "10 mail.example.com" */
};
struct dns_answer {
    int rcode;
    bool is_authoritative, is_authenticated, is_truncated;
    const struct dns_record *records; /* of the answer section, in its order */
    size_t count;
};
/* Texts live in the arena. ST_INVALID: no DNS answer, or one with more than DNS_RECORDS_MAX
 * records. */
NODISCARD enum status dns_answer_read(const void *data, size_t len, struct arena *arena,
                                      struct dns_answer *out);

/* The two texts mean the same record of this type: letters of either case, spaces, a last dot, the
 * ways to write an address or to quote a text. */
bool dns_text_eq(int type, const char *a, const char *b);

/* The name under which an address's names are ("4.3.2.1.in-addr.arpa"); ST_INVALID when the text is
 * no address. */
NODISCARD enum status dns_reverse_name(const char *address, char out[DNS_NAME_BYTES]);

#endif
