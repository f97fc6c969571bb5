/*
 * What authentication found out, kept for 5 s: a token or an API key costs one check and one
 * query then, and a revocation takes effect everywhere within that time (at once in the process
 * that made it). Bounded: a full slot is overwritten. Only good outcomes are kept.
 */
#ifndef TOCSIN_AUTH_CACHE_H
#define TOCSIN_AUTH_CACHE_H

#include "auth/principal.h"
#include "base/defs.h"
#include "base/status.h"

struct auth_cache;

enum { AUTH_CACHE_LIFE_US = 5 * 1000000, AUTH_CACHE_KEY_BYTES = 32 };

struct auth_entry {
    unsigned char key[AUTH_CACHE_KEY_BYTES]; /* auth_cache_key */
    struct principal who;
    int64_t expires_us; /* wall clock; 0: never */
    int64_t found_us;   /* monotonic: set by auth_cache_put */
};

/* NULL without memory. */
struct auth_cache *auth_cache_new(size_t entries);
/* NULL is fine. */
void auth_cache_free(struct auth_cache *c);
/* False when there is none that is young enough. */
/* The key of a credential: a hash, so that no credential is kept. */
void auth_cache_key(const char *credential, unsigned char out[AUTH_CACHE_KEY_BYTES]);
bool auth_cache_get(struct auth_cache *c, const unsigned char key[AUTH_CACHE_KEY_BYTES],
                    int64_t now_us, struct auth_entry *out);
/* asked_us: the time before the query was sent, so that an entry is never older than it says. */
void auth_cache_put(struct auth_cache *c, const struct auth_entry *entry, int64_t asked_us);
/* Forgets all of a user (or with NULL everything). An answer on its way from the database that was
 * asked before this does not enter any more. */
void auth_cache_forget(struct auth_cache *c, const struct uuid *user);

#endif
