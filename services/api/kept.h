/*
 * Replies that this process keeps: a bounded table by organisation, coding and target. An entry is
 * good for one state of what it shows (its stamp) and for some seconds.
 */
#ifndef TOCSIN_API_KEPT_H
#define TOCSIN_API_KEPT_H

#include "base/arena.h"
#include "base/uuid.h"
#include "store/generations.h"

struct kept;

struct kept_key {
    struct uuid org;
    unsigned char target[16]; /* a hash */
    unsigned char is_packed;  /* its body is compressed */
};

/* NULL without memory. Texts beyond bytes_max in all make room. */
struct kept *kept_new(size_t bytes_max);
/* NULL is fine. */
void kept_free(struct kept *k);
/* Whether the key was asked for lately: what nobody asks for twice is not worth keeping. */
bool kept_touch(struct kept *k, const struct kept_key *key);
/* A copy of the text in the arena, if it is of this stamp and was put in after since_ms. */
char *kept_get(struct kept *k, const struct kept_key *key, const struct generations *stamp,
               int64_t since_ms, struct arena *arena, size_t *len);
/* Keeps a copy; at_ms: since when (monotonic). Without memory it does not. */
void kept_put(struct kept *k, const struct kept_key *key, const struct generations *stamp,
              int64_t at_ms, const char *text, size_t len);

#endif
