/* How much at a time: bounds that are set, and where between them a worker is. */
#include <inttypes.h>
#include <stdio.h>

#include "base/str.h"
#include "log/log.h"
#include "services/worker/worker.h"

enum {
    FULL_MS = 500,    /* at the limit for so long: there is more to do */
    EMPTY_MS = 30000, /* below a quarter of it for so long: there is less */
    GROW_DIVISOR = 2  /* by a half */
};

static enum status number(const char *text, size_t len, size_t *out)
{
    char digits[24];
    int64_t v = 0;
    if (len == 0 || len >= sizeof(digits))
        return ST_INVALID;
    memcpy(digits, text, len);
    digits[len] = '\0';
    TRY(str_to_i64(digits, &v));
    if (v < 0)
        return ST_INVALID;
    *out = (size_t)v;
    return ST_OK;
}

enum status bounds_parse(const char *text, size_t least, size_t most, struct bounds *out)
{
    struct bounds b;
    const size_t len = strcspn(text, ",");
    TRY(number(text, len, &b.min));
    b.max = b.min;
    if (text[len] == ',')
        TRY(number(text + len + 1, strlen(text + len + 1), &b.max));
    if (b.min < least || b.max < 1 || b.max < b.min || b.max > most)
        return ST_INVALID;
    *out = b;
    return ST_OK;
}

static void set_limit(struct worker *w, size_t limit)
{
    atomic_store(&w->probe_limit, limit);
    log_info("probe_limit", kv_i64("probes", (int64_t)limit));
    engine_pump(w);
}

void scale_probes(struct worker *w, struct scaling *s, int64_t now_ms)
{
    const size_t limit = atomic_load(&w->probe_limit);
    const size_t running = atomic_load(&w->unprobed);
    const bool is_full = running >= limit && limit < w->probes.max;
    const bool is_empty = running < limit / 4 && limit > w->probes.min;
    if (!is_full)
        s->full_since_ms = now_ms;
    if (!is_empty)
        s->empty_since_ms = now_ms;
    if (now_ms - s->full_since_ms >= FULL_MS) {
        set_limit(w, MIN_OF(limit + limit / GROW_DIVISOR + 1, w->probes.max));
        s->full_since_ms = now_ms;
    } else if (now_ms - s->empty_since_ms >= EMPTY_MS) {
        set_limit(w, MAX_OF(limit / 2, w->probes.min));
        s->empty_since_ms = now_ms;
    }
}
