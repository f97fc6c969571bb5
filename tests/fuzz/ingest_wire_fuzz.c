/* Any bytes in a metrics stream are a frame or refused. */
#include "services/ingest/wire.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA arena = arena_new((size_t)64 << 20);
    struct scrape *scrapes = NULL;
    size_t count = 0;
    struct errbuf err = {""};
    if (!arena || wire_decode(data, size, arena, &scrapes, &count, &err) != ST_OK)
        return 0;
    /* What was understood is written the same way again. */
    AUTO_BUF again;
    buf_init(&again, size + 1);
    buf_append(&again, data, WIRE_HEAD_BYTES);
    for (size_t i = 0; i < count; i++)
        wire_put(&again, &scrapes[i]);
    if (buf_status(&again) != ST_OK || again.len != size)
        abort();
    return 0;
}
