/* What is here, and the health of the API as two of the documents have it; none of these needs a
 * store or credentials. */
#include "base/clock.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"

struct health_reply {
    const char *status, *service, *version;
    int64_t unix_s, at;
    bool has_redis, has_cache, has_database;
};

struct index_reply {
    const char *name, *version, *api, *health, *metrics, *openapi, *docs, *redoc;
};

#define AT(member) offsetof(struct index_reply, member)
static const struct field index_fields[] = {
    {.name = "name", .type = FT_STRING, .offset = AT(name), .example = "\"Tocsin\""},
    {.name = "version", .type = FT_STRING, .offset = AT(version), .example = "\"0.1.0\""},
    {.name = "api", .type = FT_STRING, .offset = AT(api), .help = "Where all paths begin"},
    {.name = "health", .type = FT_STRING, .offset = AT(health)},
    {.name = "metrics", .type = FT_STRING, .offset = AT(metrics), .help = "For Prometheus"},
    {.name = "openapi", .type = FT_STRING, .offset = AT(openapi), .help = "What all of it takes"},
    {.name = "docs", .type = FT_STRING, .offset = AT(docs), .help = "The same for people"},
    {.name = "redoc", .type = FT_STRING, .offset = AT(redoc)},
};
#undef AT
static const struct schema index_schema = SCHEMA("Index", struct index_reply, index_fields);

#define AT(member) offsetof(struct health_reply, member)
static const struct field root_fields[] = {
    {.name = "status", .type = FT_STRING, .offset = AT(status), .example = "\"healthy\""},
    {.name = "service", .type = FT_STRING, .offset = AT(service), .example = "\"tocsin-api\""},
    {.name = "timestamp",
     .type = FT_INT,
     .offset = AT(unix_s),
     .example = "1769829882",
     .help = "Seconds since 1970"},
};
static const struct schema root_schema = SCHEMA("Health", struct health_reply, root_fields);

static const struct field api_fields[] = {
    {.name = "status",
     .type = FT_STRING,
     .offset = AT(status),
     .example = "\"healthy\"",
     .help = "healthy, degraded (Redis is down) or unhealthy (PostgreSQL is down)"},
    {.name = "timestamp", .type = FT_TIME, .offset = AT(at)},
    {.name = "redis_available", .type = FT_BOOL, .offset = AT(has_redis)},
    {.name = "cache_enabled", .type = FT_BOOL, .offset = AT(has_cache)},
    {.name = "database_available", .type = FT_BOOL, .offset = AT(has_database)},
    {.name = "version", .type = FT_STRING, .offset = AT(version), .example = "\"0.1.0\""},
};
#undef AT
static const struct schema api_schema = SCHEMA("ApiHealth", struct health_reply, api_fields);

static struct health_reply look(void)
{
    const int64_t now_us = clock_wall_us();
    struct health_reply h = {.status = "healthy",
                             .service = "tocsin-api",
                             .version = tocsin_version,
                             .unix_s = now_us / 1000000,
                             .at = now_us,
                             .has_redis = api_has_redis(),
                             .has_cache = api_has_cache(),
                             .has_database = api_has_database()};
    if (!h.has_database)
        h.status = "unhealthy";
    else if (!h.has_redis)
        h.status = "degraded";
    return h;
}

static enum status index_get(struct req *r)
{
    const struct index_reply index = {.name = "Tocsin",
                                      .version = tocsin_version,
                                      .api = "/api/v1",
                                      .health = "/api/v1/health",
                                      .metrics = "/metrics",
                                      .openapi = "/api/v1/openapi.json",
                                      .docs = "/api/v1/docs",
                                      .redoc = "/api/v1/redoc"};
    reply_object(r, 200, &index_schema, &index);
    return ST_OK;
}

/* 200 whatever the state: the process answers; /readyz is for load balancers. */
static enum status root_health(struct req *r)
{
    const struct health_reply h = look();
    reply_object(r, 200, &root_schema, &h);
    return ST_OK;
}

static enum status api_health(struct req *r)
{
    const struct health_reply h = look();
    reply_object(r, 200, &api_schema, &h);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/",
     .summary = "What is here",
     .scope = SCOPE_PUBLIC,
     .reply = &index_schema,
     .tag = "Health",
     .flags = ROUTE_NO_RATE | ROUTE_NO_STORE_NEEDED,
     .handler = index_get},
    {.method = M_GET,
     .path = "/health",
     .summary = "Whether the API is well",
     .scope = SCOPE_PUBLIC,
     .reply = &root_schema,
     .tag = "Health",
     .flags = ROUTE_NO_RATE | ROUTE_NO_STORE_NEEDED,
     .handler = root_health},
    {.method = M_GET,
     .path = "/api/v1/health",
     .summary = "Whether the API and its stores are well",
     .scope = SCOPE_PUBLIC,
     .reply = &api_schema,
     .tag = "Health",
     .flags = ROUTE_NO_RATE | ROUTE_NO_STORE_NEEDED,
     .handler = api_health},
};
const struct route_set health_routes = {routes, ARRAY_LEN(routes)};
