/*
 * Token buckets in bounded memory: one for each address without credentials, one for each
 * credential. A bucket holds a minute's worth of requests and fills evenly. When the table is full,
 * the bucket that is closest to full again makes room: forgetting it gives least away.
 */
#ifndef TOCSIN_API_RATE_LIMIT_H
#define TOCSIN_API_RATE_LIMIT_H

#include <sys/socket.h>

#include "base/defs.h"
#include "base/status.h"

struct rate_limit;

/* What a bucket is for: its kind keeps equal bytes of different meanings apart. */
enum rate_kind { RATE_ADDRESS, RATE_CREDENTIAL };
struct rate_key {
    unsigned char kind;
    unsigned char bytes[16];
};

struct rate_state {
    int64_t limit;     /* requests a minute */
    int64_t remaining; /* whole requests left now */
    int64_t reset_s;   /* until the bucket is full again, rounded up */
    int64_t retry_s;   /* until the next request can pass: 0 when one may now */
};

/* `buckets` is rounded up to a power of two. NULL without memory. */
struct rate_limit *rate_limit_new(size_t buckets);
/* NULL is fine. */
void rate_limit_free(struct rate_limit *r);
/* Takes one request out of the bucket; false when there was none. *state (may be NULL) either way.
 */
bool rate_limit_take(struct rate_limit *r, const struct rate_key *key, int64_t per_minute,
                     int64_t now_us, struct rate_state *state);
/* Whether a request would pass, without taking it. */
bool rate_limit_has(struct rate_limit *r, const struct rate_key *key, int64_t per_minute,
                    int64_t now_us, struct rate_state *state);

/* The key of an address: a whole IPv4 address (also inside IPv6), the /64 of an IPv6 one, since
 * that is what one customer is given. */
struct rate_key rate_key_of_address(const struct sockaddr_storage *peer);

#endif
