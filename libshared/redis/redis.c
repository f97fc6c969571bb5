/*
 * The connection to Redis over hiredis 0.14: blocking with a socket time limit. Whatever goes wrong
 * with the connection drops it: a reply that comes too late must not answer the next question.
 */
#include "redis/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "base/str.h"
#include "log/log.h"
#include "redis/arena_reply.h"

enum { CONNECT_BACKOFF_BASE_MS = 50, CONNECT_BACKOFF_CAP_MS = 2000 };

/* --- opening and closing --- */

enum status redis_new(const char *url, int64_t timeout_ms, struct redis **out, struct errbuf *err)
{
    AUTO_REDIS r = calloc(1, sizeof(*r));
    if (!r)
        return ST_NO_MEMORY;
    TRY(redis_url_parse(url, &r->url, err));
    r->timeout_ms = timeout_ms;
    r->node_count = 1;
    *out = take(&r);
    return ST_OK;
}

static void disconnect(struct redis *r)
{
    if (r->c)
        redisFree(r->c);
    r->c = NULL;
    r->pending = 0;
    r->is_subscribed = false;
}

void redis_free(struct redis *r)
{
    if (!r)
        return;
    disconnect(r);
    r->nodes[r->current].c = NULL;
    for (size_t i = 0; i < r->node_count; i++) {
        if (r->nodes[i].c)
            redisFree(r->nodes[i].c);
    }
    free(r->slot_node);
    free(r);
}

bool redis_is_connected(const struct redis *r)
{
    return r->c != NULL;
}

const char *redis_error(const struct redis *r)
{
    return r->error;
}

uint64_t redis_generation(const struct redis *r)
{
    return r->generation;
}

static struct timeval timeval_of(int64_t ms)
{
    return (struct timeval){.tv_sec = (time_t)(ms / 1000),
                            .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

enum status redis_lost(struct redis *r)
{
    const char *why = "not connected";
    if (r->c)
        why = r->c->err == REDIS_ERR_IO && errno != 0 ? strerror(errno) : r->c->errstr;
    if (r->c && r->c->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK))
        why = "no answer within the time limit";
    (void)str_copy(r->error, sizeof(r->error), why);
    disconnect(r);
    return ST_UNAVAILABLE;
}

static enum status set_timeout(struct redis *r, int64_t ms)
{
    if (ms == r->socket_timeout_ms)
        return ST_OK;
    if (redisSetTimeout(r->c, timeval_of(ms)) != REDIS_OK)
        return redis_lost(r);
    r->socket_timeout_ms = ms;
    return ST_OK;
}

/* What an error reply means; READONLY tells of a failover, so the connection goes as well. */
static enum status status_of(const char *error)
{
    static const struct {
        const char *prefix;
        enum status status;
    } rows[] = {
        {"NOGROUP", ST_CONFLICT},  {"BUSYGROUP", ST_CONFLICT}, {"UNBLOCKED", ST_CONFLICT},
        {"OOM", ST_OVERLOADED},    {"LOADING", ST_IO},         {"READONLY", ST_IO},
        {"MISCONF", ST_IO},        {"MASTERDOWN", ST_IO},      {"CLUSTERDOWN", ST_IO},
        {"TRYAGAIN", ST_IO},       {"NOREPLICAS", ST_IO},      {"BUSY ", ST_IO},
        {"WRONGTYPE", ST_CORRUPT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_starts(error, rows[i].prefix))
            return rows[i].status;
    }
    return ST_INTERNAL;
}

enum status redis_refused(struct redis *r, const redisReply *reply)
{
    (void)str_copy(r->error, sizeof(r->error), reply->str);
    enum status st = status_of(reply->str);
    if (str_starts(reply->str, "READONLY"))
        disconnect(r);
    return st;
}

/* Sends one command on an open connection and waits for its reply. */
static enum status round_trip(struct redis *r, int count, const char **value, const size_t *length,
                              redisReply **out)
{
    errno = 0;
    AUTO_REPLY reply = redisCommandArgv(r->c, count, value, length);
    if (!reply)
        return redis_lost(r);
    if (reply->type == REDIS_REPLY_ERROR)
        return redis_refused(r, reply);
    if (out)
        *out = take(&reply);
    return ST_OK;
}

static enum status say(struct redis *r, struct rargs *a)
{
    return round_trip(r, a->count, a->value, a->length, NULL);
}

static enum status introduce(struct redis *r)
{
    struct rargs a;
    if (r->url.password[0] != '\0') {
        rargs_init(&a, "AUTH");
        if (r->url.user[0] != '\0')
            rargs_str(&a, r->url.user);
        rargs_str(&a, r->url.password);
        TRY(say(r, &a));
    }
    if (r->url.db != 0) {
        rargs_init(&a, "SELECT");
        rargs_i64(&a, r->url.db);
        TRY(say(r, &a));
    }
    return ST_OK;
}

static enum status open_connection(struct redis *r)
{
    struct timeval limit = timeval_of(r->timeout_ms);
    const struct node *node = &r->nodes[r->current];
    bool is_first = node->host[0] == '\0';
    bool is_unix = is_first && r->url.path[0] != '\0';
    errno = 0;
    r->c = is_unix ? redisConnectUnixWithTimeout(r->url.path, limit)
                   : redisConnectWithTimeout(is_first ? r->url.host : node->host,
                                             is_first ? r->url.port : node->port, limit);
    if (!r->c)
        return ST_NO_MEMORY;
    if (r->c->err)
        return redis_lost(r);
    if (!is_unix && redisEnableKeepAlive(r->c) != REDIS_OK)
        return redis_lost(r);
    r->heap_replies = r->c->reader->fn;
    r->socket_timeout_ms = -1;
    TRY(set_timeout(r, r->timeout_ms));
    return introduce(r);
}

/* Nothing was asked, so what there is to read is an end, or what nobody asked for: a restarted
 * server is noticed before a command is sent, while a new connection does as well as the old one.
 */
static void drop_if_dead(struct redis *r)
{
    struct pollfd p = {.fd = r->c->fd, .events = POLLIN};
    if (r->is_subscribed || r->pending > 0 || poll(&p, 1, 0) <= 0)
        return;
    log_info("redis_connection_closed");
    disconnect(r);
}

void redis_heed(struct redis *r, const atomic_bool *is_silent)
{
    r->is_silent = is_silent;
}

/* Connects unless connected; between failed attempts it refuses at once for a while. */
static enum status ready(struct redis *r)
{
    if (r->is_silent && atomic_load(r->is_silent)) {
        (void)str_copy(r->error, sizeof(r->error), "it does not answer");
        return ST_UNAVAILABLE;
    }
    if (r->c)
        drop_if_dead(r);
    if (r->c)
        return ST_OK;
    if (clock_mono_ms() < r->connect_after_mono_ms)
        return ST_UNAVAILABLE;
    enum status st = open_connection(r);
    if (st == ST_OK) {
        r->connect_failures = 0;
        r->generation++;
        return ST_OK;
    }
    disconnect(r);
    redis_nodes_forget(r);
    r->connect_after_mono_ms = clock_mono_ms() + 1 +
                               rand_backoff_ms(r->connect_failures, CONNECT_BACKOFF_BASE_MS,
                                               CONNECT_BACKOFF_CAP_MS);
    if (r->connect_failures++ == 0)
        log_warn("redis_unavailable", kv_str("error", r->error));
    return st == ST_NO_MEMORY ? st : ST_UNAVAILABLE;
}

/* --- commands --- */

/* The usual beginning of a call: arguments whole, connected, nothing pipelined half-read. */
static enum status begin(struct redis *r, const struct rargs *args, int64_t timeout_ms)
{
    if (args && args->failed)
        return ST_TOO_LARGE;
    if (r->pending > 0)
        return ST_INTERNAL;
    TRY(ready(r));
    return set_timeout(r, timeout_ms);
}

enum status redis_command(struct redis *r, int64_t timeout_ms, int count, const char **value,
                          const size_t *length, redisReply **out)
{
    if (r->pending > 0)
        return ST_INTERNAL;
    redis_node_route(r, count, value, length);
    for (int i = 0;; i++) {
        TRY(ready(r));
        TRY(set_timeout(r, timeout_ms));
        enum status st = round_trip(r, count, value, length, out);
        struct redis_redirect to;
        size_t node = 0;
        if (st != ST_INTERNAL || i == REDIRECTS_MAX ||
            redis_nodes_learn(r, r->error, &to, &node) != ST_OK)
            return st;
        redis_node_use(r, node);
        if (to.is_ask) {
            const char *asking[] = {"ASKING"};
            const size_t len[] = {6};
            TRY(ready(r));
            TRY(round_trip(r, 1, asking, len, NULL));
        }
    }
}

/* hiredis takes pointers to non-const; it changes nothing. */
static const char **values_of(const struct rargs *args)
{
    return (const char **)(uintptr_t)args->value;
}

enum status redis_call(struct redis *r, const struct rargs *args, redisReply **out)
{
    if (args->failed)
        return ST_TOO_LARGE;
    return redis_command(r, r->timeout_ms, args->count, values_of(args), args->length, out);
}

enum status redis_call_blocking(struct redis *r, const struct rargs *args, int64_t block_ms,
                                redisReply **out)
{
    if (args->failed)
        return ST_TOO_LARGE;
    return redis_command(r, r->timeout_ms + block_ms, args->count, values_of(args), args->length,
                         out);
}

enum status redis_do_(struct redis *r, redisReply **out, ...)
{
    struct rargs a;
    rargs_init(&a, NULL);
    va_list ap;
    va_start(ap, out);
    for (const char *s = va_arg(ap, const char *); s; s = va_arg(ap, const char *))
        rargs_str(&a, s);
    va_end(ap);
    return redis_call(r, &a, out);
}

enum status redis_ping(struct redis *r)
{
    return redis_do(r, NULL, "PING");
}

enum status redis_append_argv(struct redis *r, int count, const char *const *value,
                              const size_t *length)
{
    /* A connection lost in the middle of a pipeline must not be replaced by another one there. */
    if (r->pending == 0) {
        redis_node_route(r, count, value, length);
        TRY(ready(r));
    }
    if (!r->c)
        return ST_UNAVAILABLE;
    /* A limit left over from a call that blocked will do: setting it costs as much as sending. */
    if (r->socket_timeout_ms < r->timeout_ms)
        TRY(set_timeout(r, r->timeout_ms));
    if (redisAppendCommandArgv(r->c, count, (const char **)(uintptr_t)value, length) != REDIS_OK)
        return redis_lost(r);
    r->pending++;
    return ST_OK;
}

enum status redis_append(struct redis *r, const struct rargs *args)
{
    if (args->failed)
        return ST_TOO_LARGE;
    return redis_append_argv(r, args->count, args->value, args->length);
}

enum status redis_await_block(struct redis *r, int64_t block_ms)
{
    return r->c ? set_timeout(r, r->timeout_ms + block_ms) : ST_UNAVAILABLE;
}

/* A pipeline that went to the wrong node is given up; the next one goes to the right one. */
static bool moved(struct redis *r, redisReply *reply)
{
    struct redis_redirect to;
    size_t node = 0;
    if (reply->type != REDIS_REPLY_ERROR || redis_nodes_learn(r, reply->str, &to, &node) != ST_OK)
        return false;
    (void)str_copy(r->error, sizeof(r->error), reply->str);
    r->c->reader->fn->freeObject(reply);
    disconnect(r);
    return true;
}

enum status redis_fetch(struct redis *r, redisReply **out)
{
    /* After a loss the rest of the batch has no replies. */
    if (!r->c || r->pending == 0)
        return ST_UNAVAILABLE;
    void *reply = NULL;
    errno = 0;
    if (redisGetReply(r->c, &reply) != REDIS_OK)
        return redis_lost(r);
    r->pending--;
    if (moved(r, reply))
        return ST_UNAVAILABLE;
    if (out)
        *out = reply;
    else
        freeReplyObject(reply);
    return ST_OK;
}

/* The parser is told for one reply only: a connection that is lost in between is freed with the
 * functions that made its half-read reply. */
static void replies_into(struct redis *r, struct arena *arena)
{
    r->c->reader->fn = arena ? &redis_arena_replies : r->heap_replies;
    r->c->reader->privdata = arena;
}

enum status redis_fetch_into(struct redis *r, struct arena *arena, redisReply **out)
{
    if (!r->c || r->pending == 0)
        return ST_UNAVAILABLE;
    replies_into(r, arena);
    TRY(redis_fetch(r, out));
    replies_into(r, NULL);
    return ST_OK;
}

enum status redis_call_blocking_into(struct redis *r, const struct rargs *args, int64_t block_ms,
                                     struct arena *arena, redisReply **out)
{
    if (!args->failed)
        redis_node_route(r, args->count, args->value, args->length);
    TRY(begin(r, args, r->timeout_ms + block_ms));
    if (redisAppendCommandArgv(r->c, args->count, values_of(args), args->length) != REDIS_OK)
        return redis_lost(r);
    r->pending++;
    redisReply *reply = NULL;
    TRY(redis_fetch_into(r, arena, &reply));
    if (reply->type == REDIS_REPLY_ERROR)
        return redis_refused(r, reply);
    *out = reply;
    return ST_OK;
}
