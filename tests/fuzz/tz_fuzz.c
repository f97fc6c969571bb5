/* Time zone files, whatever they hold: refused, or with a segment for any time. */
#include "model/tz.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The years 0 to 9999. */
    static const int64_t times[] = {-62167219200, -4000000000, -1, 0, 1700000000, 253402300799};
    struct tz *tz = NULL;
    struct errbuf err = {""};
    if (tz_new(data, size, &tz, &err) != ST_OK) {
        MUST(!tz && err.text[0]);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        const struct tz_segment s = tz_segment_at(tz, times[i]);
        MUST(s.from_s <= times[i] && (s.until_s > times[i] || s.until_s == INT64_MAX));
    }
    tz_free(tz);
    return 0;
}
