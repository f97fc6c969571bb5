/* The description of this API, and the pages that show it: Swagger UI and ReDoc, from this host. */
#include "openapi/serve.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"
#include "services/api/web_files.h"

static enum status openapi_get(struct req *r)
{
    static struct openapi_store store = OPENAPI_STORE(api_openapi);
    return openapi_reply(r, &store);
}

/* What a browser sees where the pages were not built; the API works without them. */
static enum status explain(struct req *r)
{
    static const char page[] =
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tocsin API</title>\n"
        "<h1>The documentation pages are not installed</h1>\n"
        "<p>The description of the API is complete and is here: "
        "<a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>. Any OpenAPI tool reads it.</p>\n"
        "<p>Swagger UI and ReDoc come from npm. In the source tree run <code>make web</code> (it "
        "needs Node.js 18 with npm, and a network once) and restart, or point "
        "<code>TOCSIN_WEB_DIR</code> at a folder that it made.</p>\n";
    reply_text(r, 404, "text/html; charset=utf-8", page, sizeof(page) - 1);
    return ST_OK;
}

static enum status page(struct req *r, const char *name)
{
    const enum status st = web_file_reply(r, "", name);
    return st == ST_NOT_FOUND ? explain(r) : st;
}

static enum status swagger_get(struct req *r)
{
    return page(r, "swagger.html");
}

static enum status redoc_get(struct req *r)
{
    return page(r, "redoc.html");
}

static enum status no_file(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "WEB_FILE_NOT_FOUND",
                    "There is no such file in TOCSIN_WEB_DIR; `make web` makes them");
}

static enum status asset_get(struct req *r)
{
    const enum status st = web_file_reply(r, "assets/", r->param[0]);
    return st == ST_NOT_FOUND ? no_file(r) : st;
}

static enum status ingest_get(struct req *r)
{
    const enum status st = web_file_reply(r, "", "ingest.json");
    return st == ST_NOT_FOUND ? no_file(r) : st;
}

/* Pages and their parts are not counted: a browser asks for a dozen at once, and none costs a
 * query.
 */
enum { OPEN = ROUTE_NO_RATE | ROUTE_NO_STORE_NEEDED };
#define PAGE(path_, summary_, handler_)                                                        \
    {                                                                                          \
        .method = M_GET, .path = (path_), .summary = (summary_), .scope = SCOPE_PUBLIC,        \
        .produces = "text/html", .tag = "Documentation", .flags = OPEN, .handler = (handler_), \
        .more = MORE_REPLIES(                                                                  \
            {.status = 404, .help = "The pages are not installed", .produces = "text/html"}),  \
    }
static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/openapi.json",
     .summary = "The description of this API (OpenAPI 3.1)",
     .scope = SCOPE_PUBLIC,
     .produces = "application/json",
     .tag = "Documentation",
     .flags = OPEN,
     .handler = openapi_get},
    PAGE("/docs", "Swagger UI: read about the API and try it", swagger_get),
    PAGE("/api/v1/docs", "Swagger UI, below the API's own path", swagger_get),
    PAGE("/redoc", "ReDoc: read about the API", redoc_get),
    PAGE("/api/v1/redoc", "ReDoc, below the API's own path", redoc_get),
    {.method = M_GET,
     .path = "/api/v1/docs/ingest.json",
     .summary = "The description of the ingest service (OpenAPI 3.1)",
     .description = "A copy from when the pages were built; the service itself has it at its own "
                    "`/api/v1/openapi.json`.",
     .scope = SCOPE_PUBLIC,
     .produces = "application/json",
     .errors = ERRORS("WEB_FILE_NOT_FOUND"),
     .tag = "Documentation",
     .flags = OPEN,
     .handler = ingest_get},
    {.method = M_GET,
     .path = "/api/v1/docs/assets/{file}",
     .summary = "Scripts, styles and pictures of the pages",
     .scope = SCOPE_PUBLIC,
     .params = PATH_PARAMS({.name = "file",
                            .help = "Its name, as the pages have it",
                            .pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
                            .example = "docs.b42aed862b04.css"}),
     .produces = "text/javascript, text/css, image/png, image/svg+xml, font/woff2",
     .errors = ERRORS("WEB_FILE_NOT_FOUND"),
     .tag = "Documentation",
     .flags = OPEN,
     .handler = asset_get},
};
const struct route_set docs_routes = {routes, ARRAY_LEN(routes)};
