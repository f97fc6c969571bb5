/* What a client of Redis Cluster works out by itself. Source: the Redis Cluster specification. */
#ifndef TOCSIN_REDIS_CLUSTER_H
#define TOCSIN_REDIS_CLUSTER_H

#include "base/defs.h"
#include "base/status.h"

enum { REDIS_SLOTS = 16384 };

/* CRC16 (XMODEM) of the key, or of what lies between its first { and the } after it, if anything.
 */
int redis_slot(const char *key, size_t len);
/* The slot of a command's first key; -1 for one that names none. */
int redis_command_slot(int count, const char *const *value, const size_t *length);

struct redis_redirect {
    int slot, port;
    bool is_ask; /* this once only */
    char host[256];
};
/* "MOVED 3999 127.0.0.1:6381", "ASK …"; ST_NOT_FOUND for any other error. */
NODISCARD enum status redis_redirect_parse(const char *error, struct redis_redirect *out);

#endif
