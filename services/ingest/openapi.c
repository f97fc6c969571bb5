/* The description of what ingest takes. */
#include "openapi/openapi.h"

#include "openapi/serve.h"
#include "services/ingest/ingest.h"

const struct route_set *ingest_route_sets(size_t *count)
{
    static struct route_set sets[2]; /* the same each time, so threads may race */
    sets[0] = ingest_routes;
    sets[1] = daemon_health_routes;
    *count = ARRAY_LEN(sets);
    return sets;
}

static const char about[] =
    "Tocsin's intake of metrics: a service of its own, on a port of its own. Agents send here, "
    "with an API key that has the scope `metrics:write`.\n\n"
    "What was answered with a 2xx is stored, whatever happens to the process afterwards. 503 means "
    "that nothing was taken, and that the same may be sent again after `Retry-After`; what is "
    "stored already is not stored twice.\n";

enum status ingest_openapi(struct buf *out, struct errbuf *err)
{
    struct openapi_about a = {
        .title = "Tocsin ingest", .description = about, .version = tocsin_version};
    a.sets = ingest_route_sets(&a.set_count);
    return openapi_write(&a, out, err);
}

enum status ingest_openapi_get(struct req *r)
{
    static struct openapi_store store = OPENAPI_STORE(ingest_openapi);
    return openapi_reply(r, &store);
}
