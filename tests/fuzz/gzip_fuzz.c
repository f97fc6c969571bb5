/* Compressed bodies from anybody: never more out than the limit. */
#include "net/gzip.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF out;
    buf_init(&out, 100000);
    enum status st = gzip_inflate(data, size, &out);
    if (out.len > 100000 || (st == ST_OK && out.failed))
        abort();
    return 0;
}
