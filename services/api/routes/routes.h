/* Every set of routes, from routes.def. */
#ifndef TOCSIN_API_ROUTES_ROUTES_H
#define TOCSIN_API_ROUTES_ROUTES_H

#include "net/http.h"

#define ROUTES(resource) extern const struct route_set resource##_routes;
#include "services/api/routes/routes.def"
#undef ROUTES

#endif
