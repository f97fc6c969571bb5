/* tocsin-ingest: takes in metrics of hosts. */
#include "services/ingest/ingest.h"

int main(int argc, char **argv)
{
    static const struct service service = {
        .name = "ingest",
        .bit = SVC_INGEST,
        .summary = "Takes in metrics from agents and writes them to PostgreSQL.",
        .has_own_http = true,
        .start = ingest_start,
        .stop = ingest_stop,
        .openapi = ingest_openapi,
    };
    return daemon_main(argc, argv, &service);
}
