/* Any body is a post, a report of what is wrong with it, or refused. */
#include "services/ingest/formats/json.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA arena = arena_new((size_t)64 << 20);
    AUTO_JSON root = NULL;
    AUTO_REPORT report = {0};
    struct post post = {0};
    struct errbuf err = {""};
    if (!arena)
        return 0;
    enum status st = format_json_decode((const char *)data, size, 1706652000LL * 1000000, arena,
                                        &root, &post, &report, &err);
    if (st != ST_OK)
        return 0;
    for (size_t i = 0; i < post.count; i++) {
        if (item_rows(&post.items[i]) == 0)
            abort();
    }
    return 0;
}
