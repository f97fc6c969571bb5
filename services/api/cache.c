/* The cache of replies. An entry is some lines of head (see struct head) and the body. */
#include "services/api/cache.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"
#include "net/http_accept.h"
#include "obs/metrics.h"
#include "redis/generation.h"

enum { KEY_BYTES = 128, STAMP_BYTES = 160, RUN_BYTES = 41, REST_MS = 1000 };

struct cache {
    int64_t ttl_ms;
    /* Monotonic ms. Until then nothing is asked: Redis failed, or did not learn of a change. */
    _Atomic int64_t off_until;
    /* What was kept in this window of ttl_ms, so that queries that never repeat cannot fill Redis.
     */
    _Atomic int64_t window;
    _Atomic size_t window_bytes;
};

#define RESULT(where)                                                        \
    {                                                                        \
        .name = "tocsin_cache_requests_total",                               \
        .help = "Requests of cacheable lists, by where the reply came from", \
        .labels = "result=\"" where "\"", .type = METRIC_COUNTER             \
    }
static struct metric hits = RESULT("hit"), misses = RESULT("miss"), bypassed = RESULT("bypass");
#undef RESULT
static struct metric stores = {.name = "tocsin_cache_stores_total",
                               .help = "Replies written to the cache",
                               .type = METRIC_COUNTER};
static struct metric failures = {.name = "tocsin_cache_failures_total",
                                 .help = "Times that Redis did not answer the cache",
                                 .type = METRIC_COUNTER};

static void add_metrics(void)
{
    metrics_add(&hits);
    metrics_add(&misses);
    metrics_add(&bypassed);
    metrics_add(&stores);
    metrics_add(&failures);
}

struct cache *cache_new(const struct conf *conf)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, add_metrics);
    struct cache *c = calloc(1, sizeof(*c));
    if (c)
        c->ttl_ms = conf->cache_ttl;
    return c;
}

void cache_free(struct cache *c)
{
    free(c);
}

static struct cache *cache_of(const struct req *r)
{
    return req_ctx(r)->api->cache;
}

static void rest(struct cache *c, int64_t ms)
{
    const int64_t until = clock_mono_ms() + ms;
    if (atomic_load(&c->off_until) < until)
        atomic_store(&c->off_until, until);
    metric_inc(&failures);
}

static bool is_cacheable(const struct req *r)
{
    return r->route->reads != 0 && r->who && cache_of(r)->ttl_ms > 0;
}

/* What is between looking and keeping. */
struct lookup {
    char key[KEY_BYTES];
    char stamp[STAMP_BYTES]; /* Redis's run and the generations: what an entry must begin with */
};

static void make_key(const struct req *r, char out[KEY_BYTES])
{
    unsigned char hash[16];
    char hex[2 * sizeof(hash) + 1], tag[GENERATION_KEY_BYTES];
    const bool is_packed = http_accepts_gzip(req_header(r, "Accept-Encoding"));
    (void)crypto_generichash(hash, sizeof(hash), (const unsigned char *)r->target,
                             strlen(r->target), NULL, 0);
    str_hex(hash, sizeof(hash), hex);
    generation_tag(&r->who->org_id, tag);
    (void)snprintf(out, KEY_BYTES, "%s:%c:%s", tag, is_packed ? 'z' : 'i', hex);
}

/* A Redis that was started anew may know older generations than it did: its run id, in each stamp,
 * tells entries of its runs apart. Fetched once a connection. */
static enum status learn_run(struct api_ctx *ctx)
{
    if (ctx->cache_run[0] != '\0' && ctx->cache_connection == redis_generation(ctx->fast))
        return ST_OK;
    AUTO_REPLY info = NULL;
    ctx->cache_run[0] = '\0';
    TRY(redis_do(ctx->fast, &info, "INFO", "server"));
    const char *at = info->type == REDIS_REPLY_STRING ? strstr(info->str, "run_id:") : NULL;
    if (!at)
        return ST_IO;
    at += strlen("run_id:");
    (void)snprintf(ctx->cache_run, sizeof(ctx->cache_run), "%.*s",
                   (int)MIN_OF(strcspn(at, "\r\n"), (size_t)RUN_BYTES - 1), at);
    ctx->cache_connection = redis_generation(ctx->fast);
    return ST_OK;
}

static enum status make_stamp(const struct req *r, const redisReply *generations,
                              char out[STAMP_BYTES])
{
    int n = snprintf(out, STAMP_BYTES, "%s", req_ctx(r)->cache_run);
    if (generations->type != REDIS_REPLY_ARRAY || generations->elements != GENERATION_COUNT_)
        return ST_IO;
    for (unsigned g = 0; g < GENERATION_COUNT_; g++) {
        const redisReply *e = generations->element[g];
        if (!(r->route->reads & (1u << g)))
            continue;
        n += snprintf(out + n, STAMP_BYTES - (size_t)n, " %u=%.20s", g,
                      e->type == REDIS_REPLY_STRING ? e->str : "");
    }
    return ST_OK;
}

/* The generations and the entry, in this order, in one round trip. */
static enum status fetch(struct req *r, struct lookup *l, redisReply **entry)
{
    struct redis *redis = req_ctx(r)->fast;
    char key[GENERATION_KEY_BYTES];
    struct rargs a;
    TRY(learn_run(req_ctx(r)));
    generation_key(&r->who->org_id, key);
    rargs_init(&a, "HMGET");
    rargs_str(&a, key);
    for (unsigned g = 0; g < GENERATION_COUNT_; g++)
        rargs_str(&a, generation_field((enum generation)g));
    TRY(redis_append(redis, &a));
    rargs_init(&a, "GET");
    rargs_str(&a, l->key);
    TRY(redis_append(redis, &a));
    AUTO_REPLY generations = NULL;
    TRY(redis_fetch(redis, &generations));
    TRY(redis_fetch(redis, entry));
    return make_stamp(r, generations, l->stamp);
}

/* The lines of an entry's head. */
enum line { LINE_STAMP, LINE_TYPE, LINE_CODING, LINE_ETAG, LINE_LINK, LINE_TOTAL, LINE_COUNT_ };

static bool split(char *text, size_t len, char *line[LINE_COUNT_], const char **body,
                  size_t *body_len)
{
    char *at = text;
    for (int i = 0; i < LINE_COUNT_; i++) {
        char *end = memchr(at, '\n', len - (size_t)(at - text));
        if (!end)
            return false;
        *end = '\0';
        line[i] = at;
        at = end + 1;
    }
    *body = at;
    *body_len = len - (size_t)(at - text);
    return true;
}

static bool serve(struct req *r, const struct lookup *l, redisReply *entry)
{
    char *line[LINE_COUNT_];
    const char *body = NULL;
    size_t len = 0;
    if (entry->type != REDIS_REPLY_STRING || !split(entry->str, entry->len, line, &body, &len) ||
        !str_eq(line[LINE_STAMP], l->stamp))
        return false;
    const char *type = arena_strdup(r->arena, line[LINE_TYPE]);
    if (!type)
        return false;
    reply_text(r, 200, type, body, len);
    (void)str_copy(r->etag, sizeof(r->etag), line[LINE_ETAG]);
    if (line[LINE_CODING][0] != '\0') {
        reply_header(r, "Content-Encoding", line[LINE_CODING]);
        r->vary |= VARY_ENCODING;
    }
    if (line[LINE_LINK][0] != '\0')
        reply_header(r, "Link", line[LINE_LINK]);
    if (line[LINE_TOTAL][0] != '\0')
        reply_header(r, "X-Total-Count", line[LINE_TOTAL]);
    reply_header(r, "X-Cache", "hit");
    return true;
}

void cache_look(struct req *r)
{
    struct cache *c = cache_of(r);
    if (!is_cacheable(r))
        return;
    struct lookup *l = clock_mono_ms() < atomic_load(&c->off_until)
                           ? NULL
                           : arena_alloc(r->arena, sizeof(*l));
    if (!l) {
        metric_inc(&bypassed);
        return;
    }
    make_key(r, l->key);
    AUTO_REPLY entry = NULL;
    if (fetch(r, l, &entry) != ST_OK) {
        rest(c, REST_MS);
        metric_inc(&bypassed);
        return;
    }
    if (serve(r, l, entry)) {
        metric_inc(&hits);
        return;
    }
    metric_inc(&misses);
    reply_header(r, "X-Cache", "miss");
    r->hook_state = l;
}

/* Whether there is room for so much in this window. */
static bool reserve(struct cache *c, size_t bytes)
{
    const int64_t window = clock_mono_ms() / c->ttl_ms;
    if (atomic_exchange(&c->window, window) != window)
        atomic_store(&c->window_bytes, 0);
    return atomic_fetch_add(&c->window_bytes, bytes) + bytes <= LIMIT_CACHE_WINDOW_BYTES;
}

static const char *header_set(const struct req *r, const char *name)
{
    for (size_t i = 0; i < r->reply_header_count; i++) {
        if (str_ieq(r->reply_headers[i].name, name))
            return r->reply_headers[i].value;
    }
    return "";
}

void cache_keep(struct req *r)
{
    struct cache *c = cache_of(r);
    const struct lookup *l = r->hook_state;
    if (!l || r->status != 200)
        return;
    reply_encode(r);
    if (r->out.len > LIMIT_CACHE_ENTRY_BYTES || !reserve(c, r->out.len))
        return;
    AUTO_BUF entry;
    buf_init(&entry, LIMIT_CACHE_ENTRY_BYTES + LIMIT_HTTP_TARGET_BYTES + 1024);
    buf_printf(&entry, "%s\n%s\n%s\n%s\n%s\n%s\n", l->stamp, r->content_type,
               header_set(r, "Content-Encoding"), r->etag, header_set(r, "Link"),
               header_set(r, "X-Total-Count"));
    buf_append(&entry, r->out.data, r->out.len);
    if (buf_status(&entry) != ST_OK)
        return;
    struct rargs a;
    rargs_init(&a, "SET");
    rargs_str(&a, l->key);
    rargs_bytes(&a, entry.data, entry.len);
    rargs_str(&a, "PX");
    rargs_i64(&a, c->ttl_ms);
    if (redis_call(req_ctx(r)->fast, &a, NULL) == ST_OK)
        metric_inc(&stores);
    else
        rest(c, REST_MS);
}

void cache_invalidate(struct req *r)
{
    struct cache *c = cache_of(r);
    if (!r->who || c->ttl_ms <= 0 || (r->status >= 400 && r->status < 500))
        return;
    struct uuid org = r->who->org_id;
    /* A Redis that is slow must learn of it all the same, one that is gone is not waited for. */
    struct redis *redis = api_has_redis() ? req_ctx(r)->redis : req_ctx(r)->fast;
    if (generation_raise(redis, &org, 1, GENERATION_EDITS) == ST_OK)
        return;
    /* What was kept before is not good any more, and nobody knows: by then it is gone. */
    const bool is_new = clock_mono_ms() >= atomic_load(&c->off_until);
    rest(c, c->ttl_ms + REST_MS);
    if (is_new)
        log_warn("cache_not_told", kv_str("error", redis_error(redis)));
}
