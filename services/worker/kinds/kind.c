/* The table of executable kinds, and small helpers they share. */
#include "services/worker/kinds/kind.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"
#include "json/write.h"

#define KIND(name) extern const struct probe_kind probe_##name;
#include "kinds/kinds.def"
#undef KIND

static const struct probe_kind *const kinds[] = {
#define KIND(name) &probe_##name,
#include "kinds/kinds.def"
#undef KIND
};

const struct probe_kind *probe_kind_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq(kinds[i]->name, name))
            return kinds[i];
    }
    return NULL;
}

static void set_text(struct probe_result *r, enum result_status status, const char *fmt, va_list ap)
    PRINTF_LIKE(3, 0);
static void set_text(struct probe_result *r, enum result_status status, const char *fmt, va_list ap)
{
    r->status = status;
    (void)vsnprintf(r->message, sizeof(r->message), fmt, ap);
}

void probe_result_set(struct probe_result *r, enum result_status status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_text(r, status, fmt, ap);
    va_end(ap);
}

void probe_result_error(struct probe_result *r, const char *word, const char *fmt, ...)
{
    struct jw w;
    va_list ap;
    va_start(ap, fmt);
    set_text(r, RESULT_ERROR, fmt, ap);
    va_end(ap);
    r->response_us = -1;
    buf_reset(&r->raw);
    jw_init(&w, &r->raw);
    jw_object(&w);
    jw_kv_str(&w, "error", word);
    jw_end(&w);
}
