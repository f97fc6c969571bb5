/* Descriptions of routes. */
#include "tests/kit/openapi.h"

#include "tests/kit/kit.h"

void kit_must_describe(enum status (*describe)(struct buf *out, struct errbuf *err),
                       const struct route_set *(*sets_of)(size_t *count))
{
    AUTO_BUF text;
    struct errbuf err = {""};
    buf_init(&text, 16 << 20);
    const enum status st = describe(&text, &err);
    if (st != ST_OK)
        fail_msg("%s: %s", status_name(st), err.text);

    AUTO_JSON doc = json_loads(buf_cstr(&text), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(doc);
    size_t count = 0, operations = 0, routes = 0;
    const struct route_set *sets = sets_of(&count);
    for (size_t i = 0; i < count; i++)
        routes += sets[i].count;
    const char *path = NULL;
    json_t *item = NULL;
    json_object_foreach (json_object_get(doc, "paths"), path, item)
        operations += json_object_size(item);
    assert_int_equal(operations, routes);
}
