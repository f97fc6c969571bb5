/* Putting the API together: keys, limits, routes, the server; and taking it apart again. */
#include "services/api/api.h"

#include <string.h>

#include "auth/cache.h"
#include "base/str.h"
#include "services/api/cache.h"
#include "services/api/forward.h"
#include "services/api/hooks.h"
#include "services/api/login_guard.h"
#include "services/api/rate_limit.h"
#include "services/api/rate_shared.h"
#include "services/api/routes/routes.h"
#include "services/api/waiter.h"
#include "services/api/watch.h"
#include "store/key_uses.h"

enum { CACHE_ENTRIES = 4096, RATE_BUCKETS = 16384, RATE_LEASES = 4096, PARKED_MAX = 4096 };
/* While one waits for PostgreSQL the other one is busy with what that said. */
enum { BATCH_THREADS = 1 };

static void context_free(void *arg)
{
    struct api_ctx *ctx = arg;
    if (!ctx)
        return;
    db_free(ctx->db);
    redis_free(ctx->redis);
    redis_free(ctx->fast);
    free(ctx);
}

/* Connections are opened by their first use: a store that is down does not keep a thread away. */
static enum status context_new(void *arg, void **out)
{
    struct api *api = arg;
    struct api_ctx *ctx = calloc(1, sizeof(*ctx));
    if (!ctx)
        return ST_NO_MEMORY;
    *ctx = (struct api_ctx){.api = api, .conf = api->conf, .seal = api->seal};
    enum status st = db_new(api->conf->database_url, "tocsin-api", &ctx->db, NULL);
    if (st == ST_OK)
        st = redis_new(api->conf->redis_url, LIMIT_REDIS_COMMAND_MS, &ctx->redis, NULL);
    if (st == ST_OK)
        st = redis_new(api->conf->redis_url, api->conf->cache_wait, &ctx->fast, NULL);
    if (st == ST_OK)
        redis_heed(ctx->redis, api_redis_is_silent());
    if (st != ST_OK) {
        context_free(ctx);
        return st;
    }
    *out = ctx;
    return ST_OK;
}

static bool is_loopback(const char *listen)
{
    return str_starts(listen, "127.") || str_eq(listen, "::1") || str_eq(listen, "localhost");
}

static enum status read_keys(struct api *api, struct errbuf *err)
{
    const struct conf *conf = api->conf;
    api->jwt = (struct jwt_key){.secret = conf->jwt_secret, .len = strlen(conf->jwt_secret)};
    if (api->jwt.len < LIMIT_KEY_MIN_BYTES)
        return err_set(err, ST_INVALID,
                       "TOCSIN_JWT_SECRET must have at least %d bytes: make one with `tocsin "
                       "secret` and keep it",
                       LIMIT_KEY_MIN_BYTES);
    TRY(idempotency_seal_new(&api->jwt, &api->reply_seal));
    struct errbuf why = {""};
    const enum status st = seal_keys_new(conf->secret_key, &api->seal, &why);
    if (st != ST_OK)
        return err_set(err, st,
                       "TOCSIN_SECRET_KEY: %s: make one with `tocsin secret` and keep it, sealed "
                       "secrets cannot be read without it",
                       why.text);
    return ST_OK;
}

static enum status read_auth_mode(struct api *api, struct errbuf *err)
{
    const struct conf *conf = api->conf;
    static const char *const policies[] = {"open", "invite", "closed"};
    bool is_policy = false;
    for (size_t i = 0; i < ARRAY_LEN(policies); i++)
        is_policy |= str_eq(conf->registration, policies[i]);
    if (!is_policy)
        return err_set(err, ST_INVALID, "TOCSIN_REGISTRATION must be open, invite or closed");
    api->is_auth_off = str_eq(conf->auth, "none");
    api->is_loopback = is_loopback(conf->listen);
    if (api->is_auth_off || str_eq(conf->auth, "jwt"))
        return ST_OK;
    if (!str_eq(conf->auth, "forward"))
        return err_set(err, ST_INVALID, "TOCSIN_AUTH must be jwt, forward or none");
    if (str_is_empty(conf->trusted_proxies))
        return err_set(
            err, ST_INVALID,
            "TOCSIN_AUTH=forward needs TOCSIN_TRUSTED_PROXIES: whose headers to believe");
    if (str_eq(conf->registration, "open"))
        return err_set(err, ST_INVALID,
                       "TOCSIN_REGISTRATION=open does not go with TOCSIN_AUTH=forward: who "
                       "registers a name first would be whom the proxy means by it");
    struct errbuf why = {""};
    const enum status st = forward_roles_new(conf->forward_roles, &api->forward_roles, &why);
    return st == ST_OK ? st : err_set(err, st, "TOCSIN_FORWARD_ROLES: %s", why.text);
}

static enum status make_parts(struct api *api, struct errbuf *err)
{
    api->auth_cache = auth_cache_new(CACHE_ENTRIES);
    api->rate_limit = rate_limit_new(RATE_BUCKETS);
    api->rate_shared = rate_shared_new(RATE_LEASES);
    /* Half of the handlers at most may be busy with passwords. */
    api->login_guard = login_guard_new((int)MAX_OF(api->conf->http_handler_threads / 2, 1));
    api->key_uses = key_uses_new();
    api->cache = cache_new(api->conf);
    if (!api->auth_cache || !api->rate_limit || !api->rate_shared || !api->login_guard ||
        !api->key_uses || !api->cache)
        return ST_NO_MEMORY;
    TRY(gathers_new(&api->gathers));
    return api_watch_start(api->conf, api->key_uses, &api->watch, err);
}

static enum status serve(struct api *api, struct errbuf *err)
{
    size_t set_count = 0;
    const struct route_set *sets = api_route_sets(&set_count);
    const struct conf *conf = api->conf;
    const struct http_config config = {
        .listen = conf->listen,
        .port = (int)conf->api_port,
        .io_threads = (int)conf->http_io_threads,
        .handler_threads = (int)conf->http_handler_threads,
        .batch_threads = BATCH_THREADS,
        .queue_max = (int)conf->http_queue,
        .connections_max = (int)conf->http_connections,
        .parked_max = PARKED_MAX,
        .sets = sets,
        .set_count = set_count,
        .ctx_new = context_new,
        .ctx_free = context_free,
        .authenticate = api_authenticate,
        .before = api_before,
        .before_batch = conf->cache_ttl > 0 ? api_before_batch : NULL,
        .after = api_after,
        .arg = api,
        .server_name = "Tocsin",
        .cors_origins = conf->cors_origins,
        .trusted_proxies = conf->trusted_proxies,
        .hsts_s = conf->hsts / 1000,
        .logs_access = conf->access_log,
        .traffic_file = conf->test_traffic,
        .traffic_name = "api",
    };
    return http_start(&config, &api->server, err);
}

static void api_free(struct api *api)
{
    api_watch_stop(api->watch);
    gathers_free(api->gathers);
    login_guard_free(api->login_guard);
    key_uses_free(api->key_uses);
    forward_roles_free(api->forward_roles);
    rate_limit_free(api->rate_limit);
    rate_shared_free(api->rate_shared);
    cache_free(api->cache);
    auth_cache_free(api->auth_cache);
    seal_keys_free(api->seal);
    seal_keys_free(api->reply_seal);
    free(api);
}

enum status api_start(struct daemon *d, void **state, struct errbuf *err)
{
    struct api *api = calloc(1, sizeof(*api));
    if (!api)
        return ST_NO_MEMORY;
    api->conf = &d->conf;
    enum status st = read_keys(api, err);
    if (st == ST_OK)
        st = read_auth_mode(api, err);
    if (st == ST_OK)
        st = make_parts(api, err);
    if (st == ST_OK)
        st = serve(api, err);
    if (st == ST_OK)
        st = waiter_start(api->conf, api->server, api->gathers, &api->waiter, err);
    if (st != ST_OK) {
        if (api->server)
            http_stop(api->server, 0);
        api_free(api);
        return st;
    }
    *state = api;
    return ST_OK;
}

void api_stop(void *state, int64_t grace_ms)
{
    struct api *api = state;
    waiter_stop(api->waiter); /* it wakes requests of the server */
    http_stop(api->server, grace_ms);
    api_free(api);
}
