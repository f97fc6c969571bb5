/* The routes of the API as one table, and its description. */
#include "openapi/openapi.h"

#include "services/api/api.h"
#include "services/api/routes/routes.h"

const struct route_set *api_route_sets(size_t *count)
{
    static const struct route_set *const all[] = {
#define ROUTES(resource) &resource##_routes,
#include "services/api/routes/routes.def"
#undef ROUTES
        &daemon_health_routes,
    };
    static struct route_set sets[ARRAY_LEN(all)]; /* the same each time, so threads may race */
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        sets[i] = *all[i];
    *count = ARRAY_LEN(all);
    return sets;
}

static const char about[] =
    "Tocsin watches websites, hosts and services, keeps their history, and raises the alarm.\n\n"
    "## Conventions\n\n"
    "- Ids are UUIDs; instants are RFC 3339 in UTC. Unknown members of a body are refused where "
    "the schema says so; replies may get more members at any time.\n"
    "- **Errors** are `application/problem+json` (RFC 9457): `code` is for programs and stable, "
    "`detail` is for people, `errors` lists what is wrong with a request (422). A request that "
    "cannot be read at all is 400. What belongs to another organisation does not exist: 404. "
    "Beside the codes of each operation there are those of HTTP itself: 405, 414, 431, 505.\n"
    "- **Lists** take `page` and `per_page`, or `limit` and `offset`; the reply tells the `total` "
    "and the `next` page, and so does its Link header.\n"
    "- **Credentials**: sign in for a token (`Authorization: Bearer …`), or make an API key "
    "(`X-API-Key`, or as a bearer). Each operation needs one scope; roles are sets of scopes.\n"
    "- **Limits**: the `RateLimit-` headers tell how many requests are left; 429 and 503 come with "
    "`Retry-After`.\n"
    "- **Versions of things**: a GET's `ETag` can be sent back as `If-None-Match`: 304 when nothing "
    "changed; or as `If-Match` with a change: 412 when somebody else was quicker.\n"
    "- **Repeats**: a POST with an `Idempotency-Key` happens once, however often it is sent in a "
    "day.\n"
    "- A slash at the end of a path is ignored.\n";

enum status api_openapi(struct buf *out, struct errbuf *err)
{
    struct openapi_about a = {.title = "Tocsin",
                              .description = about,
                              .version = tocsin_version,
                              .takes_conditions = true,
                              .has_sign_in = true};
    a.sets = api_route_sets(&a.set_count);
    return openapi_write(&a, out, err);
}
