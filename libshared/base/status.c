/* The table of outcomes. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name;
    const char *code;
    const char *title;
    int http;
    bool retryable;
} table[STATUS_COUNT_] = {
#define STATUS_ROW(name_, http_, retryable_, code_, title_) \
    [name_] = {.name = #name_,                              \
               .code = (code_),                             \
               .title = (title_),                           \
               .http = (http_),                             \
               .retryable = (retryable_)},
    STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
};

static unsigned index_of(enum status st)
{
    return (unsigned)st < STATUS_COUNT_ ? (unsigned)st : (unsigned)ST_INTERNAL;
}

const char *status_name(enum status st)
{
    return table[index_of(st)].name;
}

int status_http(enum status st)
{
    return table[index_of(st)].http;
}

bool status_is_retryable(enum status st)
{
    return table[index_of(st)].retryable;
}

const char *status_code(enum status st)
{
    return table[index_of(st)].code;
}

const char *status_title(enum status st)
{
    return table[index_of(st)].title;
}

enum status err_set(struct errbuf *err, enum status st, const char *fmt, ...)
{
    if (!err)
        return st;

    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    return st;
}
