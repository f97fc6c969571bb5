/* The description of the real routes can be written. */
#include "services/ingest/ingest.h"
#include "tests/kit/kit.h"
#include "tests/kit/openapi.h"

static void describes_every_route(void **state)
{
    kit_must_describe(ingest_openapi, ingest_route_sets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(describes_every_route)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
