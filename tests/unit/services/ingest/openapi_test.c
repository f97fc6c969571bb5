/* The description of the real routes can be written: every tag, code and parameter is known. */
#include "services/ingest/ingest.h"
#include "tests/kit/kit.h"

static void describes_every_route(void **state)
{
    AUTO_BUF text;
    struct errbuf err = {""};
    buf_init(&text, 16 << 20);
    enum status st = ingest_openapi(&text, &err);
    if (st != ST_OK)
        fail_msg("%s: %s", status_name(st), err.text);

    AUTO_JSON doc = json_loads(buf_cstr(&text), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(doc);
    size_t count = 0, operations = 0, routes = 0;
    const struct route_set *sets = ingest_route_sets(&count);
    for (size_t i = 0; i < count; i++)
        routes += sets[i].count;
    const char *path = NULL;
    json_t *item = NULL;
    json_object_foreach (json_object_get(doc, "paths"), path, item)
        operations += json_object_size(item);
    assert_int_equal(operations, routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(describes_every_route)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
