/* tocsin-api: the REST API. */
#include "services/api/api.h"

int main(int argc, char **argv)
{
    static const struct service service = {
        .name = "api",
        .bit = SVC_API,
        .summary = "serves the REST API",
        .has_own_http = true,
        .start = api_start,
        .stop = api_stop,
        .openapi = api_openapi,
    };
    return daemon_main(argc, argv, &service);
}
