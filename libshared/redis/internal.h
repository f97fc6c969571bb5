/* What the files of redis/ share. */
#ifndef TOCSIN_REDIS_INTERNAL_H
#define TOCSIN_REDIS_INTERNAL_H

#include "redis/cluster.h"
#include "redis/redis.h"
#include "redis/url.h"

enum {
    SCRIPTS_MAX = 32,
    SHA1_TEXT_BYTES = 41,
    NODES_MAX = 32,    /* of a cluster that one connection object speaks to */
    REDIRECTS_MAX = 5, /* of one command: more is a cluster that does not know itself */
    UNKNOWN_NODE = 0xff
};

/* A node of a cluster while it is not the one in use; the first is that of the URL. */
struct node {
    char host[256]; /* "": the URL's */
    int port;
    redisContext *c;
    int64_t socket_timeout_ms;
};

struct redis {
    struct redis_url url;
    int64_t timeout_ms;
    int64_t socket_timeout_ms; /* what the socket has now */
    redisContext *c;           /* to nodes[current] */
    struct node nodes[NODES_MAX];
    size_t node_count, current, seed;        /* seed: where commands of unknown slots go */
    uint8_t *slot_node;                      /* NULL: not a cluster, as far as is known */
    redisReplyObjectFunctions *heap_replies; /* hiredis's own */
    uint64_t generation;
    size_t pending;               /* pipelined commands without a fetched reply */
    bool is_subscribed;           /* messages may come at any time */
    const atomic_bool *is_silent; /* NULL, or: see redis_heed */
    int connect_failures;
    int64_t connect_after_mono_ms;
    char error[256];
    struct {
        const struct redis_script *script;
        char sha[SHA1_TEXT_BYTES];
    } scripts[SCRIPTS_MAX];
    size_t script_count;
};

/* redis.c */

/* Keeps the reason and drops the connection. */
enum status redis_lost(struct redis *r);
/* One command, sent again where a cluster says it belongs; ST_INTERNAL with an error reply of no
 * known kind in r->error. */
NODISCARD enum status redis_command(struct redis *r, int64_t timeout_ms, int count,
                                    const char **value, const size_t *length, redisReply **out);

/* nodes.c: the nodes of a cluster, learned from its redirections; without one none of this does
 * anything. */

/* Makes another node's connection the one in use. */
void redis_node_use(struct redis *r, size_t i);
/* The node in use does not answer: another one knows where its slots are now. */
void redis_nodes_forget(struct redis *r);
/* Remembers a redirection; *out: the node to ask. ST_NOT_FOUND when the error is none. */
NODISCARD enum status redis_nodes_learn(struct redis *r, const char *error,
                                        struct redis_redirect *to, size_t *out);
/* Uses the node that a command's key lies on, unless a pipeline is under way. */
void redis_node_route(struct redis *r, int count, const char *const *value, const size_t *length);

#endif
