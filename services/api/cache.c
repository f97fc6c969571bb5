/* The cache of replies. An entry is some lines of head (enum line) and the body. */
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
#include "services/api/kept.h"
#include "store/generations.h"

enum { KEY_BYTES = 96, STAMP_BYTES = 64, REST_MS = 1000 };

struct cache {
    int64_t ttl_ms;
    struct kept *kept;
    /* Monotonic ms. Until then Redis is left alone: it failed. */
    _Atomic int64_t off_until;
    /* What was kept in this window of ttl_ms, so that queries that never repeat cannot fill Redis.
     */
    _Atomic int64_t window;
    _Atomic size_t window_bytes;
};

#define RESULT(where)                                                                 \
    {                                                                                 \
        .name = "tocsin_cache_requests_total",                                        \
        .help = "Requests of replies that may be kept, by where the reply came from", \
        .labels = "result=\"" where "\"", .type = METRIC_COUNTER                      \
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
    if (!c)
        return NULL;
    c->ttl_ms = conf->cache_ttl;
    c->kept = kept_new(LIMIT_CACHE_KEPT_BYTES);
    if (!c->kept) {
        free(c);
        return NULL;
    }
    return c;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    kept_free(c->kept);
    free(c);
}

static struct cache *cache_of(const struct req *r)
{
    return req_ctx(r)->api->cache;
}

static void rest(struct cache *c)
{
    atomic_store(&c->off_until, clock_mono_ms() + REST_MS);
    metric_inc(&failures);
}

static bool is_resting(const struct cache *c)
{
    return clock_mono_ms() < atomic_load(&c->off_until);
}

/* What is between looking and keeping. */
struct lookup {
    struct kept_key key;
    struct generations stamp; /* of what the route reads, before the database was read for it */
};

static void make_key(const struct req *r, struct kept_key *out)
{
    out->org = r->who->org_id;
    out->is_packed = http_accepts_gzip(req_header(r, "Accept-Encoding"));
    (void)crypto_generichash(out->target, sizeof(out->target), (const unsigned char *)r->target,
                             strlen(r->target), NULL, 0);
}

static void stamp_text(const struct generations *g, char out[STAMP_BYTES])
{
    (void)snprintf(out, STAMP_BYTES, "%llx.%llx.%llx", (unsigned long long)g->of[GENERATION_EDITS],
                   (unsigned long long)g->of[GENERATION_RESULTS],
                   (unsigned long long)g->of[GENERATION_DELIVERIES]);
}

/* The lines of an entry's head. */
enum line {
    LINE_STAMP,
    LINE_AT,
    LINE_TYPE,
    LINE_CODING,
    LINE_ETAG,
    LINE_LINK,
    LINE_TOTAL,
    LINE_COUNT_
};

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

/* Replies with an entry, which is the request's own. */
static bool serve(struct req *r, char *text, size_t text_len)
{
    char *line[LINE_COUNT_];
    const char *body = NULL;
    size_t len = 0;
    if (!split(text, text_len, line, &body, &len))
        return false;
    reply_text(r, 200, line[LINE_TYPE], body, len);
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
    metric_inc(&hits);
    r->hook_state = NULL;
    return true;
}

/* --- for requests that wait together: this process's table --- */

struct looks {
    struct req *r[LIMIT_HTTP_BATCH];
    struct lookup *lookup[LIMIT_HTTP_BATCH];
    struct uuid org[LIMIT_HTTP_BATCH];
    size_t count;
};

static void miss(struct req *r)
{
    metric_inc(&misses);
    reply_header(r, "X-Cache", "miss");
}

/* Those for which the generations are worth asking. */
static void choose(struct cache *c, struct req **r, size_t count, struct looks *out)
{
    for (size_t i = 0; i < count; i++) {
        if (r[i]->route->reads == 0 || !r[i]->who)
            continue;
        struct lookup *l = arena_alloc(r[i]->arena, sizeof(*l));
        if (!l)
            continue;
        make_key(r[i], &l->key);
        if ((r[i]->route->reads & CACHED_HERE) && !kept_touch(c->kept, &l->key)) {
            miss(r[i]);
            continue;
        }
        out->r[out->count] = r[i];
        out->lookup[out->count] = l;
        out->org[out->count++] = r[i]->who->org_id;
    }
}

void cache_look_batch(struct req **r, size_t count)
{
    struct api_ctx *ctx = req_ctx(r[0]);
    struct cache *c = ctx->api->cache;
    struct looks looks = {.count = 0};
    struct generations now[LIMIT_HTTP_BATCH];
    choose(c, r, count, &looks);
    if (looks.count == 0)
        return;
    if (generations_read(ctx->db, r[0]->arena, looks.org, looks.count, now) != ST_OK) {
        for (size_t i = 0; i < looks.count; i++)
            metric_inc(&bypassed);
        return;
    }
    const int64_t since_ms = clock_mono_ms() - c->ttl_ms;
    for (size_t i = 0; i < looks.count; i++) {
        struct req *one = looks.r[i];
        struct lookup *l = looks.lookup[i];
        size_t len = 0;
        for (unsigned g = 0; g < GENERATION_COUNT_; g++)
            l->stamp.of[g] = one->route->reads & (1u << g) ? now[i].of[g] : 0;
        char *text = kept_get(c->kept, &l->key, &l->stamp, since_ms, one->arena, &len);
        if (text && serve(one, text, len))
            continue;
        one->hook_state = l;
        if (one->route->reads & CACHED_HERE)
            miss(one);
    }
}

/* --- Redis, which all processes share --- */

static void redis_key(const struct lookup *l, char out[KEY_BYTES])
{
    char hex[2 * sizeof(l->key.target) + 1], org[UUID_TEXT_BYTES];
    str_hex(l->key.target, sizeof(l->key.target), hex);
    uuid_format(&l->key.org, org);
    (void)snprintf(out, KEY_BYTES, "{c:%s}:%c:%s", org, l->key.is_packed ? 'z' : 'i', hex);
}

/* When an entry was made (the number that the text begins with), on this process's clock; others'
 * clocks may be off. */
static int64_t made_at_ms(const struct cache *c, const char *text)
{
    const int64_t age_ms = clock_wall_ms() - strtoll(text, NULL, 10);
    return clock_mono_ms() - MAX_OF(MIN_OF(age_ms, c->ttl_ms), (int64_t)0);
}

/* Replies with another process's entry, and keeps it here as well. */
static bool serve_shared(struct req *r, const struct lookup *l, const redisReply *entry)
{
    struct cache *c = cache_of(r);
    char stamp[STAMP_BYTES];
    stamp_text(&l->stamp, stamp);
    const size_t len = strlen(stamp);
    if (entry->type != REDIS_REPLY_STRING || entry->len <= len + 1 ||
        memcmp(entry->str, stamp, len) != 0 || entry->str[len] != '\n')
        return false;
    char *text = arena_strndup(r->arena, entry->str, entry->len);
    if (!text)
        return false;
    kept_put(c->kept, &l->key, &l->stamp, made_at_ms(c, text + len + 1), text, entry->len);
    return serve(r, text, entry->len);
}

void cache_look(struct req *r)
{
    const struct lookup *l = r->hook_state;
    struct cache *c = cache_of(r);
    if (!l || (r->route->reads & CACHED_HERE))
        return;
    if (!is_resting(c)) {
        char key[KEY_BYTES];
        redis_key(l, key);
        AUTO_REPLY entry = NULL;
        struct rargs a;
        rargs_init(&a, "GET");
        rargs_str(&a, key);
        if (redis_call(req_ctx(r)->fast, &a, &entry) != ST_OK)
            rest(c);
        else if (serve_shared(r, l, entry))
            return;
    }
    miss(r);
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

static void share(struct req *r, const struct lookup *l, const struct buf *entry)
{
    struct cache *c = cache_of(r);
    if (is_resting(c) || !reserve(c, entry->len))
        return;
    char key[KEY_BYTES];
    redis_key(l, key);
    struct rargs a;
    rargs_init(&a, "SET");
    rargs_str(&a, key);
    rargs_bytes(&a, entry->data, entry->len);
    rargs_str(&a, "PX");
    rargs_i64(&a, c->ttl_ms);
    if (redis_call(req_ctx(r)->fast, &a, NULL) == ST_OK)
        metric_inc(&stores);
    else
        rest(c);
}

void cache_keep(struct req *r)
{
    const struct lookup *l = r->hook_state;
    if (!l || r->status != 200)
        return;
    reply_encode(r);
    if (r->out.len > LIMIT_CACHE_ENTRY_BYTES)
        return;
    AUTO_BUF entry;
    char stamp[STAMP_BYTES];
    stamp_text(&l->stamp, stamp);
    buf_init(&entry, LIMIT_CACHE_ENTRY_BYTES + LIMIT_HTTP_TARGET_BYTES + 1024);
    buf_printf(&entry, "%s\n%lld\n%s\n%s\n%s\n%s\n%s\n", stamp, (long long)clock_wall_ms(),
               r->content_type, header_set(r, "Content-Encoding"), r->etag, header_set(r, "Link"),
               header_set(r, "X-Total-Count"));
    buf_append(&entry, r->out.data, r->out.len);
    if (buf_status(&entry) != ST_OK)
        return;
    kept_put(cache_of(r)->kept, &l->key, &l->stamp, clock_mono_ms(), entry.data, entry.len);
    if (!(r->route->reads & CACHED_HERE))
        share(r, l, &entry);
}
