/*
 * The API service as a whole: what its parts share. A handler thread has its own struct api_ctx
 * (r->ctx) with connections of its own; everything else hangs on the one struct api.
 */
#ifndef TOCSIN_API_API_H
#define TOCSIN_API_API_H

#include "auth/jwt.h"
#include "auth/principal.h"
#include "auth/seal.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "db/db.h"
#include "net/http.h"
#include "obs/health.h"
#include "redis/redis.h"

struct auth_cache;    /* auth/cache.h */
struct rate_limit;    /* services/api/rate_limit.h */
struct rate_shared;   /* services/api/rate_shared.h */
struct login_guard;   /* services/api/login_guard.h */
struct cache;         /* services/api/cache.h */
struct api_watch;     /* services/api/watch.h */
struct waiter;        /* services/api/waiter.h */
struct gathers;       /* services/api/gather.h */
struct forward_roles; /* services/api/forward.h */
struct key_uses;      /* store/key_uses.h */

struct api {
    const struct conf *conf;
    struct seal_keys *seal;
    struct jwt_key jwt;           /* borrows from conf */
    struct seal_keys *reply_seal; /* replies kept for idempotency keys */
    struct http_server *server;
    struct auth_cache *auth_cache;
    struct rate_limit *rate_limit;
    struct rate_shared *rate_shared;
    struct login_guard *login_guard;
    struct cache *cache;
    struct api_watch *watch;   /* keeps the health of the stores up to date */
    struct gathers *gathers;   /* wakes the requests that wait for several jobs */
    struct waiter *waiter;     /* wakes the requests that wait for a job */
    bool is_auth_off;          /* TOCSIN_AUTH=none */
    bool is_loopback;          /* bound to loopback only: with is_auth_off everybody is the owner */
    struct key_uses *key_uses; /* when API keys were used last */
    struct forward_roles *forward_roles; /* TOCSIN_AUTH=forward; else NULL */
};

/* What r->ctx is, one for each handler thread. */
struct api_ctx {
    struct api *api;
    struct db *db;
    struct redis *redis;
    struct redis *fast; /* for what is better left out than waited for: cache and shared limits */
    const struct conf *conf; /* api->conf */
    struct seal_keys *seal;  /* api->seal */
};

static inline struct api_ctx *req_ctx(const struct req *r)
{
    return r->ctx;
}

/* The sets of all routes: for the server and for their description. Static. */
const struct route_set *api_route_sets(size_t *count);
/* The description of them (openapi/openapi.h). */
enum status api_openapi(struct buf *out, struct errbuf *err);

/* service.start and service.stop of the daemon. */
enum status api_start(struct daemon *d, void **state, struct errbuf *err);
void api_stop(void *state, int64_t grace_ms);

/* http_config.authenticate: sets r->who, enforces the route's scope and the rate limits. */
enum status api_authenticate(struct req *r);

/* Whether PostgreSQL and Redis answered last time they were asked (at most 2 s ago). */
bool api_has_database(void);
bool api_has_redis(void);
/* Whether lists are kept in Redis, and it answers. */
bool api_has_cache(void);

#endif
