/*
 * One Redis connection, used by one thread, blocking with a time limit. Commands are argument
 * vectors, never formatted text. After any error of the connection it is dropped, so that a late
 * reply can never answer another question; the next call connects again (with a small backoff). One
 * that the server closed while it was idle is found before a command meets it.
 */
#ifndef TOCSIN_REDIS_REDIS_H
#define TOCSIN_REDIS_REDIS_H

#include <hiredis/hiredis.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/defs.h"
#include "base/status.h"
#include "base/uuid.h"
#include "redis/script.h"

struct redis;

/* redis://[user:password@]host[:port][/db], unix:///path[?db=n]. Does not connect yet. `timeout_ms`
 * bounds connecting and each command. ST_INVALID (URL), ST_NO_MEMORY. */
NODISCARD enum status redis_new(const char *url, int64_t timeout_ms, struct redis **out,
                                struct errbuf *err);
void redis_free(struct redis *r);
static inline void redis_freep(struct redis **r)
{
    redis_free(*r);
}
#define AUTO_REDIS CLEANUP(redis_freep) struct redis *
NODISCARD enum status redis_ping(struct redis *r);
bool redis_is_connected(const struct redis *r);
const char *redis_error(const struct redis *r);
/* While *is_silent, which somebody else keeps, calls are ST_UNAVAILABLE at once instead of waiting
 * for their time limit; the connection stays. Borrowed. */
void redis_heed(struct redis *r, const atomic_bool *is_silent);
/* Counts connections made: when it moved, scripts, subscriptions and groups may be gone. */
uint64_t redis_generation(const struct redis *r);

static inline void redis_reply_freep(redisReply **r)
{
    if (*r)
        freeReplyObject(*r);
    *r = NULL;
}
#define AUTO_REPLY CLEANUP(redis_reply_freep) redisReply *

/* An argument vector on the caller's stack, at most 64 arguments. Texts are borrowed; numbers and
 * uuids are written into its own storage, so it must not be copied. */
struct rargs {
    int count;
    bool failed;
    const char *value[64];
    size_t length[64];
    char number[24][24];
    int numbers;
    char uuid[4][UUID_TEXT_BYTES];
    int uuids;
};
void rargs_init(struct rargs *a, const char *command);
void rargs_str(struct rargs *a, const char *s);
void rargs_bytes(struct rargs *a, const void *data, size_t len);
void rargs_i64(struct rargs *a, int64_t v);
void rargs_uuid(struct rargs *a, const struct uuid *id);

/* ST_UNAVAILABLE: no connection, lost, or timed out (outcome unknown). ST_CONFLICT: NOGROUP,
 * BUSYGROUP or UNBLOCKED (the stream one waits for was deleted); ST_OVERLOADED: OOM; ST_IO:
 * LOADING, READONLY, MISCONF …; ST_CORRUPT: WRONGTYPE (somebody else's key); ST_INTERNAL: another
 * error reply (its text in redis_error). *out (may be NULL) is the caller's to free, never an error
 * reply. */
NODISCARD enum status redis_call(struct redis *r, const struct rargs *args, redisReply **out);
/* Fixed-arity short form: redis_do(r, &reply, "XLEN", key). The list ends with NULL. */
NODISCARD enum status redis_do_(struct redis *r, redisReply **out, ...) __attribute__((sentinel));
#define redis_do(r, out, ...) redis_do_(r, out, __VA_ARGS__, (char *)NULL)
/* A call that may block on the server for `block_ms`: waits that much longer. */
NODISCARD enum status redis_call_blocking(struct redis *r, const struct rargs *args,
                                          int64_t block_ms, redisReply **out);

/* On a cluster: the next pipeline goes to the node that has this key. Commands that name a key find
 * their way alone; this is for pipelines that begin with one that does not (MULTI). */
void redis_route(struct redis *r, const char *key);

/* Pipelining: append any number (bounded by the caller), then fetch as many replies, in order. An
 * error reply is returned as a reply of type REDIS_REPLY_ERROR here. */
NODISCARD enum status redis_append(struct redis *r, const struct rargs *args);
/* The same for a vector of any length. */
NODISCARD enum status redis_append_argv(struct redis *r, int count, const char *const *value,
                                        const size_t *length);
NODISCARD enum status redis_fetch(struct redis *r, redisReply **out);
/* What such an error means, as redis_call says it; its text is in redis_error then. */
NODISCARD enum status redis_refused(struct redis *r, const redisReply *error);
/* What was appended may block on the server for `block_ms`: its replies may take that much longer.
 */
NODISCARD enum status redis_await_block(struct redis *r, int64_t block_ms);
/* The same with the reply in the arena, which has no allocation an element: not to be freed. An
 * arena that is full drops the connection. */
NODISCARD enum status redis_fetch_into(struct redis *r, struct arena *arena, redisReply **out);
NODISCARD enum status redis_call_blocking_into(struct redis *r, const struct rargs *args,
                                               int64_t block_ms, struct arena *arena,
                                               redisReply **out);

/* EVALSHA, loading the script when the server does not know it. */
NODISCARD enum status redis_script(struct redis *r, const struct redis_script *s,
                                   const char *const *keys, size_t key_count,
                                   const struct rargs *args /* without a command */,
                                   redisReply **out);
/* The same for a vector of any length: value[0] and value[1] are left to the call, value[2] is the
 * number of keys as text, then keys and arguments. */
NODISCARD enum status redis_script_argv(struct redis *r, const struct redis_script *s, int count,
                                        const char **value, size_t *length, redisReply **out);

/* Subscriptions turn the connection over to push messages: SUBSCRIBE once, then redis_next. */
NODISCARD enum status redis_subscribe(struct redis *r, const char *channel);
/* The next message, ST_TIMEOUT when none came in `timeout_ms` (the connection stays good). */
NODISCARD enum status redis_next(struct redis *r, int64_t timeout_ms, redisReply **out);

/* Checks what the promises rest on: maxmemory-policy noeviction and appendonly yes. ST_INVALID with
 * the command to run in err; ST_UNAVAILABLE. Servers that hide CONFIG are believed. */
NODISCARD enum status redis_check_durability(struct redis *r, struct errbuf *err);

#endif
