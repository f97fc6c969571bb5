/* The table of error codes. */
#include "net/errors.h"

#include "base/str.h"

static const struct error_code codes[] = {
#define ERROR(code, st, help) {#code, st, help},
#include "net/errors.def"
#undef ERROR
};

/* A walk through some dozens of texts: failures are rare, and this is not where they spend time. */
const struct error_code *error_code_find(const char *code)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (str_eq(codes[i].code, code))
            return &codes[i];
    }
    return NULL;
}

const struct error_code *error_code_at(size_t i)
{
    return i < ARRAY_LEN(codes) ? &codes[i] : NULL;
}
