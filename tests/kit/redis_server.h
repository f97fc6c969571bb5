/*
 * A Redis server of the test's own that may be killed, started again and robbed of the end of its
 * append-only file; or one node of a cluster. A function that cannot do its work ends the program.
 */
#ifndef TOCSIN_TESTS_KIT_REDIS_SERVER_H
#define TOCSIN_TESTS_KIT_REDIS_SERVER_H

#include <sys/types.h>

#include "base/defs.h"

struct redis_server {
    pid_t pid; /* 0: not running */
    bool is_cluster;
    int port, bus_port; /* 0 unless of a cluster */
    char dir[512];
    char url[600]; /* what redis_new takes */
};

/* A server on a unix socket below kit_dir(), or a node of a cluster on loopback ports. `name` is
 * its folder's. Durable as the product wants it: AOF, everysec, noeviction. */
void redis_server_init(struct redis_server *s, const char *name);
void redis_server_init_node(struct redis_server *s, const char *name);
/* Starts it with the data it has, and waits until it answers. */
void redis_server_start(struct redis_server *s);
/* kill -9, and gone when this returns. */
void redis_server_kill(struct redis_server *s);
/* Size of the part of the append-only file that grows. */
int64_t redis_server_aof_bytes(const struct redis_server *s);
/* Cuts the append-only file's end off, as a machine that lost power would, and has redis-check-aof
 * repair it. Not while the server runs. */
void redis_server_truncate(const struct redis_server *s, int64_t bytes);

#endif
