/* Raw targets and header lines: what passes the checks must hold what they promise. */
#include "auth/scopes.h"
#include "base/limits.h"
#include "base/str.h"
#include "net/http_precheck.h"
#include "net/http_route.h"
#include "tests/fuzz/fuzz.h"

static enum status handler(struct req *r)
{
    (void)r;
    return ST_OK;
}

static struct route_table *table(void)
{
    static const struct route routes[] = {
        {M_GET, "/a/{x}", "", SCOPE_PUBLIC, .handler = handler},
        {M_GET, "/a/b", "", SCOPE_PUBLIC, .handler = handler},
        {M_GET, "/{x}/{y}/{z}", "", SCOPE_PUBLIC, .handler = handler},
    };
    static const struct route_set set = {routes, ARRAY_LEN(routes)};
    static struct route_table *t;
    if (!t && route_table_new(&set, 1, &t, NULL) != ST_OK)
        abort();
    return t;
}

static void check_target(const char *target)
{
    struct route_match m;
    char decoded[LIMIT_HTTP_TARGET_BYTES + 1];
    if (http_precheck_target(target, NULL) != ST_OK)
        return;
    size_t len = strcspn(target, "?");
    if (!route_table_find(table(), target, len, &m))
        return;
    for (int i = 0; i < m.param_count; i++) {
        if (!http_unescape(m.param[i].at, m.param[i].len, false, decoded))
            continue;
        if (strpbrk(decoded, "/\\") || str_has_control(decoded) || str_eq(decoded, "..") ||
            !str_is_utf8(decoded, strlen(decoded)))
            abort();
    }
}

/* Lines of name, NUL, value, NUL. */
static void check_fields(const char *text, size_t size)
{
    struct http_field fields[16];
    size_t n = 0;
    const char *end = text + size;
    while (text < end && n < ARRAY_LEN(fields)) {
        const char *value = memchr(text, '\0', (size_t)(end - text));
        const char *next = value ? memchr(value + 1, '\0', (size_t)(end - value - 1)) : NULL;
        if (!next)
            break;
        fields[n++] = (struct http_field){.name = text,
                                          .value = value + 1,
                                          .name_len = (size_t)(value - text),
                                          .value_len = (size_t)(next - value - 1)};
        text = next + 1;
    }
    size_t len = 0;
    if (http_precheck_fields(fields, n, true, NULL) == ST_OK &&
        http_field_find(fields, n, "Content-Length", &len) &&
        http_field_find(fields, n, "transfer-encoding", &len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of_input(data, size);
    check_target(text);
    check_fields(text, size);
    free(text);
    return 0;
}
