/* Configured header fields: a name or value that would split a request is refused here, long before
 * a client library sees it. */
#include "net/header.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"

enum { NAME_MAX_BYTES = 128, VALUE_MAX_BYTES = 4096, HEADERS_MAX = 32 };

/* A token of RFC 9110, section 5.6.2. */
static bool is_token(const char *name)
{
    static const char extra[] = "!#$%&'*+-.^_`|~";
    for (const char *p = name; *p; p++) {
        bool alnum = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
                     (*p >= 'A' && *p <= 'Z');
        if (!alnum && !strchr(extra, *p))
            return false;
    }
    return name[0] != '\0' && strlen(name) <= NAME_MAX_BYTES;
}

static bool is_reserved(const char *name, const char *const *reserved)
{
    for (; reserved && *reserved; reserved++) {
        size_t len = strlen(*reserved);
        bool is_prefix = (*reserved)[len - 1] == '-';
        if (is_prefix ? strncasecmp(name, *reserved, len) == 0 : str_ieq(name, *reserved))
            return true;
    }
    return false;
}

void headers_check(const char *loc, json_t *headers, const char *const *reserved,
                   struct field_errors *errors)
{
    const char *name = NULL;
    json_t *value = NULL;
    if (json_object_size(headers) > HEADERS_MAX)
        field_errors_add(errors, "body", loc, "value_error", "at most %d headers",
                         (int)HEADERS_MAX);
    json_object_foreach (headers, name, value) {
        const char *text = json_string_value(value);
        if (!is_token(name))
            field_errors_add(errors, "body", loc, "value_error", "not a header name: %.60s", name);
        else if (is_reserved(name, reserved))
            field_errors_add(errors, "body", loc, "value_error", "header %.60s is set by us", name);
        else if (!text || str_has_control(text))
            field_errors_add(errors, "body", loc, "value_error",
                             "header %.60s: not a text without control characters", name);
        else if (strlen(text) > VALUE_MAX_BYTES)
            field_errors_add(errors, "body", loc, "value_error",
                             "header %.60s: longer than %d bytes", name, (int)VALUE_MAX_BYTES);
    }
}
