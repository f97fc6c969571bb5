/* Starting and stopping the ingest service. */
#include "services/ingest/ingest.h"

#include "base/limits.h"
#include "log/log.h"
#include "services/ingest/intake.h"

static enum status ctx_new(void *arg, void **out)
{
    struct ingest *ingest = arg;
    struct ingest_ctx *ctx = calloc(1, sizeof(*ctx));
    if (!ctx)
        return ST_NO_MEMORY;
    ctx->ingest = ingest;
    struct errbuf err = {""};
    enum status st = db_new(ingest->conf->database_url, "tocsin-ingest", &ctx->db, &err);
    if (st == ST_OK)
        st = redis_new(ingest->conf->redis_url, LIMIT_REDIS_COMMAND_MS, &ctx->redis, &err);
    if (st != ST_OK) {
        log_error("ingest_context_failed", kv_status(st), kv_str("error", err.text));
        db_free(ctx->db);
        free(ctx);
        return st;
    }
    *out = ctx;
    return ST_OK;
}

static void ctx_free(void *p)
{
    struct ingest_ctx *ctx = p;
    if (!ctx)
        return;
    db_free(ctx->db);
    redis_free(ctx->redis);
    free(ctx);
}

static void ingest_free(struct ingest *g)
{
    if (!g)
        return;
    catalog_free(g->catalog);
    cache_free(g->keys);
    key_uses_free(g->key_uses);
    free(g->publisher);
    free(g);
}

static void ingest_freep(struct ingest **g)
{
    ingest_free(*g);
}

static enum status start_http(struct ingest *g, struct errbuf *err)
{
    const struct conf *c = g->conf;
    size_t set_count = 0;
    const struct route_set *sets = ingest_route_sets(&set_count);
    const struct http_config config = {.listen = c->listen,
                                       .port = (int)c->ingest_port,
                                       .io_threads = (int)c->http_io_threads,
                                       .handler_threads = (int)c->http_handler_threads,
                                       .queue_max = (int)c->http_queue,
                                       .connections_max = (int)c->http_connections,
                                       .sets = sets,
                                       .set_count = set_count,
                                       .ctx_new = ctx_new,
                                       .ctx_free = ctx_free,
                                       .authenticate = ingest_authenticate,
                                       .arg = g,
                                       .server_name = "Tocsin",
                                       .traffic_file = c->test_traffic,
                                       .traffic_name = "ingest"};
    return http_start(&config, &g->server, err);
}

enum status ingest_start(struct daemon *d, void **state, struct errbuf *err)
{
    CLEANUP(ingest_freep) struct ingest *g = calloc(1, sizeof(*g));
    if (!g)
        return ST_NO_MEMORY;
    g->conf = &d->conf;
    g->catalog = catalog_new();
    g->keys = cache_new(LIMIT_KEYS_CACHED, ingest_key_bytes(), LIMIT_METRIC_CACHE_MS);
    g->key_uses = key_uses_new();
    g->publisher = calloc(1, sizeof(*g->publisher));
    if (!g->catalog || !g->keys || !g->key_uses || !g->publisher)
        return ST_NO_MEMORY;
    g->publisher->length_max = LIMIT_METRIC_STREAM_LENGTH;
    intake_metrics_add();
    writer_metrics_add();
    TRY(writer_start(g->conf, &g->writer, err));
    enum status st = start_http(g, err);
    if (st != ST_OK) {
        writer_stop(g->writer);
        return st;
    }
    *state = take(&g);
    return ST_OK;
}

void ingest_stop(void *state, int64_t grace_ms)
{
    struct ingest *g = state;
    http_stop(g->server, grace_ms);
    writer_stop(g->writer);
    ingest_free(g);
}
