/* URLs of checks, redirects, Redis and mail: what is accepted holds what the headers promise. */
#include "base/str.h"
#include "net/url.h"
#include "redis/url.h"
#include "services/notifier/smtp/url.h"
#include "tests/fuzz/fuzz.h"

static void check_http(const char *text)
{
    struct url u, again;
    struct errbuf err = {""};
    if (url_parse(text, &u, &err) != ST_OK) {
        MUST(err.text[0]);
        return;
    }
    MUST(!url_check_http(text));
    MUST(u.host[0] && u.port > 0 && u.target[0] == '/');
    MUST(str_eq(u.scheme, "http") || str_eq(u.scheme, "https"));
    MUST(!strpbrk(u.host, "/?#@ \\") && !strpbrk(u.target, "# \\\r\n"));
    MUST(url_parse(text, &again, NULL) == ST_OK && url_same_origin(&u, &again));
}

/* "base\nreference" */
static void check_resolve(char *text)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    char *reference = strchr(text, '\n');
    const char *out = NULL;
    MUST(arena);
    if (!reference)
        return;
    *reference++ = '\0';
    if (url_resolve(text, reference, arena, &out) != ST_OK)
        return;
    MUST(strlen(out) <= LIMIT_URL_BYTES && !strpbrk(out, "# "));
    for (const char *p = out; *p; p++)
        MUST((unsigned char)*p < 0x80);
}

static void check_stores(const char *text)
{
    struct redis_url r;
    struct smtp_url s;
    if (redis_url_parse(text, &r, NULL) == ST_OK)
        MUST(r.path[0] || (r.host[0] && r.port > 0 && r.port < 65536));
    if (smtp_url_parse(text, &s, NULL) == ST_OK)
        MUST(s.host[0] && s.port > 0 && !str_has_control(s.user) && !str_has_control(s.password));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of_input(data, size);
    check_http(text);
    check_stores(text);
    check_resolve(text);
    free(text);
    return 0;
}
