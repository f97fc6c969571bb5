/*
 * The ingest service: HTTP threads decode at the edge and append to the metrics streams
 * (intake.h, publish.h); the writer copies from the streams into PostgreSQL (writer.h).
 */
#ifndef TOCSIN_INGEST_INGEST_H
#define TOCSIN_INGEST_INGEST_H

#include "daemon/daemon.h"
#include "db/db.h"
#include "net/http.h"
#include "redis/redis.h"
#include "services/ingest/cache.h"
#include "services/ingest/catalog.h"
#include "services/ingest/publish.h"
#include "services/ingest/writer.h"
#include "store/key_uses.h"

struct ingest {
    const struct conf *conf;
    struct catalog *catalog;
    struct cache *keys;
    struct key_uses *key_uses;
    struct publisher *publisher;
    struct writer *writer;
    struct http_server *server;
};

/* What r->ctx is, one for each handler thread. */
struct ingest_ctx {
    struct ingest *ingest;
    struct db *db;
    struct redis *redis;
};

/* service.start and service.stop of the daemon. */
enum status ingest_start(struct daemon *d, void **state, struct errbuf *err);
void ingest_stop(void *state, int64_t grace_ms);

/* http_config.authenticate: an API key with the route's scope, from X-API-Key or as a bearer. */
enum status ingest_authenticate(struct req *r);
/* What ingest_authenticate keeps of a key in ingest->keys. */
size_t ingest_key_bytes(void);

extern const struct route_set ingest_routes;
/* All that it answers, and the description of it (openapi/openapi.h). Static. */
const struct route_set *ingest_route_sets(size_t *count);
enum status ingest_openapi(struct buf *out, struct errbuf *err);
enum status ingest_openapi_get(struct req *r);

#endif
