/*
 * One request from its copy to its reply: hop after hop, each resolved, guarded and timed by
 * itself.
 */
#include "net/httpc_internal.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { ARENA_LIMIT = 8 << 20, HEADERS_MAX = 128 };

/* --- the copy --- */

static bool is_token(const char *s)
{
    static const char extra[] = "!#$%&'*+-.^_`|~";
    if (str_is_empty(s))
        return false;
    for (; *s; s++) {
        bool alnum = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
                     (*s >= 'A' && *s <= 'Z');
        if (!alnum && !strchr(extra, *s))
            return false;
    }
    return true;
}

/* The framing is libcurl's business: a header that says otherwise would break the message. */
static bool is_framing(const char *name)
{
    static const char *const names[] = {
        "Content-Length", "Transfer-Encoding",  "Connection", "Expect", "Upgrade", "TE",
        "Trailer",        "Proxy-Authorization"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_ieq(name, names[i]))
            return true;
    }
    return false;
}

static enum status copy_headers(struct call *call, const struct httpc_request *r)
{
    if (r->header_count > HEADERS_MAX)
        return ST_INVALID;
    call->headers = arena_array(call->arena, r->header_count, sizeof(*call->headers));
    if (!call->headers)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < r->header_count; i++) {
        const struct httpc_header *h = &r->headers[i];
        if (!is_token(h->name) || !h->value || str_has_control(h->value))
            return ST_INVALID;
        if (is_framing(h->name))
            continue;
        struct httpc_header *copy = &call->headers[call->header_count++];
        copy->name = arena_strdup(call->arena, h->name);
        copy->value = arena_strdup(call->arena, h->value);
        if (!copy->name || !copy->value)
            return ST_NO_MEMORY;
    }
    return ST_OK;
}

static enum status copy_request(struct call *call, const struct httpc_request *r)
{
    call->arena = arena_new_small(ARENA_LIMIT);
    if (!call->arena)
        return ST_NO_MEMORY;
    if (!is_token(r->method))
        return ST_INVALID;
    call->method = arena_strdup(call->arena, r->method);
    call->url = arena_strdup(call->arena, r->url ? r->url : "");
    if (!call->method || !call->url)
        return ST_NO_MEMORY;
    if (r->body) {
        call->body = arena_strndup(call->arena, r->body, r->body_len);
        if (!call->body)
            return ST_TOO_LARGE;
        call->body_len = r->body_len;
    }
    call->timeout_ms = MAX_OF(r->timeout_ms, (int64_t)1);
    call->max_redirects = r->max_redirects;
    call->max_body_bytes = r->max_body_bytes;
    call->insecure_tls = r->insecure_tls;
    return copy_headers(call, r);
}

enum status call_new(struct httpc *c, const struct httpc_request *request, struct call **out)
{
    struct call *call = calloc(1, sizeof(*call));
    if (!call)
        return ST_NO_MEMORY;
    call->client = c;
    call->deadline.call = call;
    call->dns_us = -1;
    buf_init(&call->head, LIMIT_PROBE_HEADERS_BYTES);
    buf_init(&call->kept, request->max_body_bytes);
    enum status st = copy_request(call, request);
    if (st != ST_OK) {
        call_free(call);
        return st;
    }
    *out = call;
    return ST_OK;
}

void call_free(struct call *call)
{
    if (!call)
        return;
    buf_done(&call->head);
    buf_done(&call->kept);
    vec_done(&call->header_places);
    arena_free(call->arena);
    free(call);
}

/* --- the end --- */

static void fill_headers(struct call *call, struct httpc_reply *reply)
{
    size_t count = call->header_places.count;
    struct httpc_header *list = arena_array(call->arena, count, sizeof(*list));
    if (!list || count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        list[i].name = call->head.data + call->header_places.at[i].name;
        list[i].value = call->head.data + call->header_places.at[i].value;
    }
    reply->headers = list;
    reply->header_count = count;
}

static void let_go(struct call *call)
{
    call->state = CALL_DONE;
    httpc_timer_clear(call->client, &call->deadline);
    if (call->lookup)
        call->lookup->call = NULL;
    call->lookup = NULL;
    hop_stop(call);
    hop_release(call);
    httpc_forget(call->client, call);
}

static void finish(struct call *call, enum httpc_failure failure, const char *error)
{
    struct httpc_reply reply = {
        .failure = failure,
        .status = call->status,
        .phases = {-1, -1, -1, -1, -1},
        .redirects = call->redirects,
        .final_url = call->url,
        .body = buf_cstr(&call->kept),
        .body_len = call->kept.len,
        .body_total = call->body_total,
        .cert_expires_at_us = call->cert_expires_at_us,
    };
    (void)str_copy(reply.error, sizeof(reply.error), error);
    if (call->started_us > 0)
        reply.total_us = httpc_now_us() - call->started_us;
    hop_phases(call, &reply.phases);
    hop_remote(call, reply.remote_ip, sizeof(reply.remote_ip));
    fill_headers(call, &reply);
    let_go(call);
    call->done(&reply, call->arg);
    call_free(call);
}

void call_fail(struct call *call, enum httpc_failure failure, const char *fmt, ...)
{
    char text[sizeof(((struct httpc_reply *)NULL)->error)];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    finish(call, failure, text);
}

void call_timed_out(struct call *call)
{
    struct httpc_phases p;
    hop_phases(call, &p);
    const char *during = "receiving the answer of";
    if (call->state == CALL_RESOLVING)
        during = "resolving the name";
    else if (p.connect_us < 0)
        during = "connecting to";
    else if (call->is_tls && p.tls_us < 0)
        during = "in the TLS handshake with";
    else if (p.wait_us < 0)
        during = "waiting for the answer of";
    call_fail(call, HTTPC_TIMEOUT, "timed out after %lld ms %s %.100s", (long long)call->timeout_ms,
              during, call->host);
}

/* --- a hop --- */

/* "user:password", percent-decoded, for libcurl; a NUL or control character is refused. */
static bool decode_part(struct call *call, const char *at, size_t len, const char **out)
{
    char *text = arena_alloc(call->arena, len + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < len; i++) {
        unsigned char c = (unsigned char)at[i];
        if (c == '%') {
            char hex[3] = {0};
            if (i + 2 >= len)
                return false;
            hex[0] = at[i + 1];
            hex[1] = at[i + 2];
            if (str_unhex(hex, 1, &c) != ST_OK)
                return false;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return false;
        text[n++] = (char)c;
    }
    *out = text;
    return text != NULL;
}

static bool take_credentials(struct call *call, const char *userinfo)
{
    size_t len = strcspn(userinfo, ":");
    const char *password = userinfo[len] == ':' ? userinfo + len + 1 : "";
    return decode_part(call, userinfo, len, &call->username) &&
           decode_part(call, password, strlen(password), &call->password);
}

/* What libcurl is given is put together from the parts that were checked, so that no second parser
 * can see another host in the same text. */
static bool take_url(struct call *call, const struct url *u)
{
    bool is_default = u->port == (str_eq(u->scheme, "https") ? 443 : 80);
    char port[8] = "";
    if (!is_default)
        (void)snprintf(port, sizeof(port), ":%u", u->port);
    call->url = arena_printf(call->arena, "%s://%s%s%s%s%s", u->scheme, u->is_ipv6 ? "[" : "",
                             u->host, u->is_ipv6 ? "]" : "", port, u->target);
    (void)str_copy(call->host, sizeof(call->host), u->host);
    call->port = u->port;
    call->is_tls = str_eq(u->scheme, "https");
    return call->url != NULL;
}

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
    if (a->ss_family == AF_INET)
        ((struct sockaddr_in *)a)->sin_port = htons(port);
    else if (a->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)a)->sin6_port = htons(port);
}

static bool literal_address(const struct url *u, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    out->ss_family = u->is_ipv6 ? AF_INET6 : AF_INET;
    void *bytes = u->is_ipv6 ? (void *)&((struct sockaddr_in6 *)out)->sin6_addr
                             : (void *)&((struct sockaddr_in *)out)->sin_addr;
    set_port(out, u->port);
    return inet_pton(out->ss_family, u->host, bytes) == 1;
}

static void run_hop(struct call *call, const struct addresses *addresses)
{
    call->state = CALL_RUNNING;
    if (hop_start(call, addresses) != ST_OK)
        call_fail(call, HTTPC_INTERNAL, "out of memory");
}

static void reset_hop(struct call *call)
{
    call->hop_started_us = httpc_now_us();
    call->dns_us = -1;
    call->connect_started_us = call->tls_started_us = 0;
    call->status = 0;
    call->will_redirect = false;
    call->limit = HTTPC_OK;
    call->denied.text[0] = '\0';
    call->curl_error[0] = '\0';
    call->body_total = 0;
    call->cert_expires_at_us = 0;
    call->header_places.count = 0;
    buf_reset(&call->head);
    buf_reset(&call->kept);
}

static void start_hop(struct call *call, const struct url *u)
{
    reset_hop(call);
    if (u->userinfo[0] && !take_credentials(call, u->userinfo)) {
        call_fail(call, HTTPC_BAD_URL, "the credentials in the URL are not valid");
        return;
    }
    if (!take_url(call, u)) {
        call_fail(call, HTTPC_INTERNAL, "out of memory");
        return;
    }
    struct sockaddr_storage address;
    if (!u->is_ip) {
        call->state = CALL_RESOLVING;
        if (dns_ask(call) != ST_OK)
            call_fail(call, HTTPC_INTERNAL, "too many names are being resolved");
        return;
    }
    struct errbuf err = {0};
    call->dns_us = 0;
    if (!literal_address(u, &address))
        call_fail(call, HTTPC_BAD_URL, "the host is not a valid address");
    else if (egress_check(call->client->egress, (const struct sockaddr *)&address, &err) != ST_OK)
        call_fail(call, HTTPC_DENIED, "%s", err.text);
    else
        run_hop(call, NULL);
}

void call_start(struct call *call)
{
    call->started_us = call->hop_started_us = httpc_now_us();
    if (httpc_is_cancelled(call->client, call)) {
        call_fail(call, HTTPC_CANCELLED, "cancelled");
        return;
    }
    struct url u;
    struct errbuf err = {0};
    if (url_parse(call->url, &u, &err) != ST_OK)
        call_fail(call, HTTPC_BAD_URL, "%s", err.text);
    else if (httpc_timer_set(call->client, &call->deadline,
                             call->started_us + call->timeout_ms * 1000) != ST_OK)
        call_fail(call, HTTPC_INTERNAL, "out of memory");
    else
        start_hop(call, &u);
}

void call_resolved(struct call *call, const struct addresses *addresses, const char *error)
{
    if (error) {
        call_fail(call, HTTPC_DNS, "could not resolve %.120s: %s", call->host, error);
        return;
    }
    call->dns_us = httpc_now_us() - call->hop_started_us;
    struct addresses allowed = {0};
    struct errbuf err = {0};
    for (size_t i = 0; i < addresses->count; i++) {
        struct sockaddr_storage a = addresses->at[i];
        set_port(&a, call->port);
        if (egress_check(call->client->egress, (const struct sockaddr *)&a, &err) == ST_OK)
            allowed.at[allowed.count++] = a;
    }
    if (allowed.count == 0)
        call_fail(call, HTTPC_DENIED, "%.100s: %s", call->host, err.text);
    else
        run_hop(call, &allowed);
}

/* --- redirects --- */

/* Another origin learns nothing that was meant for this one: credentials, cookies, keys in headers
 * of any name. These alone travel on. */
static void drop_private(struct call *call)
{
    static const char *const harmless[] = {"Accept",       "Accept-Language", "Accept-Encoding",
                                           "Content-Type", "Cache-Control",   "User-Agent"};
    size_t kept = 0;
    for (size_t i = 0; i < call->header_count; i++) {
        for (size_t j = 0; j < ARRAY_LEN(harmless); j++) {
            if (str_ieq(call->headers[i].name, harmless[j])) {
                call->headers[kept++] = call->headers[i];
                break;
            }
        }
    }
    call->header_count = kept;
    call->username = call->password = NULL;
}

static void drop_body(struct call *call)
{
    size_t kept = 0;
    for (size_t i = 0; i < call->header_count; i++) {
        if (strncasecmp(call->headers[i].name, "Content-", 8) != 0)
            call->headers[kept++] = call->headers[i];
    }
    call->header_count = kept;
    call->body = NULL;
    call->body_len = 0;
    call->method = "GET";
}

/* RFC 9110 section 15.4, with what all clients do of 301 and 302. */
static bool becomes_get(const struct call *call)
{
    if (call->status == 303)
        return !str_eq(call->method, "GET") && !str_eq(call->method, "HEAD");
    return (call->status == 301 || call->status == 302) && str_eq(call->method, "POST");
}

static void follow(struct call *call)
{
    const char *next = NULL;
    struct url from, to;
    struct errbuf err = {0};
    const char *location = hop_header(call, "Location");
    if (!location || url_resolve(call->url, location, call->arena, &next) != ST_OK ||
        url_parse(call->url, &from, &err) != ST_OK) {
        call_fail(call, HTTPC_BAD_URL, "redirect to an invalid URL");
        return;
    }
    if (url_parse(next, &to, &err) != ST_OK) {
        call_fail(call, HTTPC_BAD_URL, "redirect to an invalid URL: %s", err.text);
        return;
    }
    if (becomes_get(call))
        drop_body(call);
    if (!url_same_origin(&from, &to))
        drop_private(call);
    hop_stop(call);
    hop_release(call);
    call->redirects++;
    start_hop(call, &to);
}

void call_hop_done(struct call *call, CURLcode code)
{
    char text[sizeof(((struct httpc_reply *)NULL)->error)] = "";
    /* The body of a redirect is cut off on purpose: a write error then. */
    if (call->will_redirect && (code == CURLE_OK || code == CURLE_WRITE_ERROR)) {
        if (call->redirects >= call->max_redirects)
            call_fail(call, HTTPC_TOO_MANY_REDIRECTS, "more than %d redirects",
                      call->max_redirects);
        else
            follow(call);
        return;
    }
    enum httpc_failure failure = HTTPC_OK;
    if (code != CURLE_OK)
        failure = hop_failure(call, code, text, sizeof(text));
    if (failure == HTTPC_TIMEOUT)
        call_timed_out(call);
    else
        finish(call, failure, text);
}
