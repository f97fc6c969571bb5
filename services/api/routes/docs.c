/* The description of this API. */
#include "openapi/serve.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"

static enum status openapi_get(struct req *r)
{
    static struct openapi_store store = OPENAPI_STORE(api_openapi);
    return openapi_reply(r, &store);
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/openapi.json",
     .summary = "The description of this API (OpenAPI 3.1)",
     .scope = SCOPE_PUBLIC,
     .produces = "application/json",
     .tag = "Documentation",
     .flags = ROUTE_NO_STORE_NEEDED,
     .handler = openapi_get},
};
const struct route_set docs_routes = {routes, ARRAY_LEN(routes)};
