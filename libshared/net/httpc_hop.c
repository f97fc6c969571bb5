/* One hop as libcurl sees it: its options, its callbacks, its times and what its errors mean. */
#include "net/httpc_internal.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

/* A read buffer a request: small where there may be very many of them (10,000 slow targets). */
enum { READ_BYTES = 16384, READ_BYTES_MANY = 2048, MANY_REQUESTS = 1024 };
enum { DISCARD_MIN = 16 << 20, DISCARD_TIMES = 16, ANSWER_HEADERS_MAX = 256 };

/* --- handles --- */

void handle_free(struct handle *h)
{
    if (h->easy)
        curl_easy_cleanup(h->easy);
    if (h->share)
        (void)curl_share_cleanup(h->share);
    free(h);
}

static struct handle *handle_take(struct httpc *c)
{
    struct handle *h = c->pool;
    if (h) {
        c->pool = h->next;
        c->pooled--;
        return h;
    }
    h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    h->easy = curl_easy_init();
    h->share = curl_share_init();
    if (!h->easy || !h->share ||
        curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) != CURLSHE_OK ||
        curl_easy_setopt(h->easy, CURLOPT_SHARE, h->share) != CURLE_OK) {
        handle_free(h);
        return NULL;
    }
    return h;
}

static void handle_give(struct httpc *c, struct handle *h)
{
    if (c->pooled >= HTTPC_POOL) {
        handle_free(h);
        return;
    }
    curl_easy_reset(h->easy); /* leaves the share */
    h->next = c->pool;
    c->pool = h;
    c->pooled++;
}

/* --- the guard --- */

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    (void)purpose;
    struct call *call = arg;
    if (egress_check(call->client->egress, &a->addr, &call->denied) != ST_OK)
        return CURL_SOCKET_BAD;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* The same decision on what the connection really goes to, before a byte of the request is sent. */
static int on_prereq(void *arg, char *ip, char *local_ip, int port, int local_port)
{
    (void)local_ip;
    (void)local_port;
    struct call *call = arg;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    const struct sockaddr *address = NULL;
    if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
        address = (const struct sockaddr *)&v4;
    else if (inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1)
        address = (const struct sockaddr *)&v6;
    if (!address || egress_check(call->client->egress, address, &call->denied) != ST_OK)
        return CURL_PREREQFUNC_ABORT;
    return CURL_PREREQFUNC_OK;
}

/* --- certificates --- */

static int on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct call *call = ssl ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;
    const X509 *leaf = X509_STORE_CTX_get0_cert(store);
    struct tm tm;
    if (call && leaf && ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) == 1)
        call->cert_expires_at_us = (int64_t)timegm(&tm) * 1000000;
    return ok;
}

/* Looked at while it is verified: a certificate that fails is the one whose date matters most. */
static CURLcode on_ssl_context(CURL *easy, void *context, void *arg)
{
    (void)easy;
    SSL_CTX *ctx = context;
    struct call *call = arg;
    call->tls_started_us = httpc_now_us();
    (void)SSL_CTX_set_app_data(ctx, call);
    SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx), on_verify);
    return CURLE_OK;
}

/* --- the answer --- */

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static size_t refuse(struct call *call, const char *why)
{
    call->limit = HTTPC_TOO_LARGE;
    call->limit_text = why;
    return CURL_WRITEFUNC_ERROR;
}

static void read_status_line(struct call *call, const char *line, size_t len)
{
    call->header_places.count = 0;
    buf_reset(&call->head);
    call->status = 0;
    const char *space = memchr(line, ' ', len);
    if (!space || (size_t)(line + len - space) < 4)
        return;
    for (int i = 1; i <= 3; i++) {
        if (space[i] < '0' || space[i] > '9')
            return;
    }
    call->status = (space[1] - '0') * 100 + (space[2] - '0') * 10 + (space[3] - '0');
}

static bool add_header(struct call *call, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line)
        return true; /* a folded line or noise: left out */
    const char *value = colon + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    struct header_at at = {.name = call->head.len};
    buf_append(&call->head, line, (size_t)(colon - line));
    buf_char(&call->head, '\0');
    at.value = call->head.len;
    buf_append(&call->head, value, (size_t)(end - value));
    buf_char(&call->head, '\0');
    return !call->head.failed && call->header_places.count < ANSWER_HEADERS_MAX &&
           vec_push(&call->header_places, at) == ST_OK;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct call *call = arg;
    size_t bytes = size * count;
    size_t len = bytes;
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
        read_status_line(call, line, len);
    else if (len == 0)
        call->will_redirect = call->max_redirects > 0 && is_redirect(call->status) &&
                              hop_header(call, "Location") != NULL;
    else if (memchr(line, '\0', len) || !add_header(call, line, len))
        return refuse(call, "the headers of the answer are too large");
    return bytes;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct call *call = arg;
    size_t bytes = size * count;
    if (call->will_redirect)
        return CURL_WRITEFUNC_ERROR;
    size_t most = MAX_OF(call->max_body_bytes * DISCARD_TIMES, (size_t)DISCARD_MIN);
    call->body_total += (int64_t)bytes;
    if ((size_t)call->body_total > most)
        return refuse(call, "the body of the answer is too large");
    size_t room = call->max_body_bytes - call->kept.len;
    buf_append(&call->kept, data, MIN_OF(bytes, room));
    return bytes;
}

const char *hop_header(const struct call *call, const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < call->header_places.count; i++) {
        const struct header_at *at = &call->header_places.at[i];
        if (str_ieq(call->head.data + at->name, name))
            found = call->head.data + at->value;
    }
    return found;
}

/* --- the request --- */

static bool list_add(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = text ? curl_slist_append(*list, text) : NULL;
    if (longer)
        *list = longer;
    return longer != NULL;
}

static bool has_header(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++) {
        if (str_ieq(call->headers[i].name, name))
            return true;
    }
    return false;
}

static bool build_headers(struct call *call)
{
    for (size_t i = 0; i < call->header_count; i++) {
        const struct httpc_header *h = &call->headers[i];
        /* libcurl's notation: "Name;" sends an empty one, "Name:" would leave it out. */
        const char *line = h->value[0] ? arena_printf(call->arena, "%s: %s", h->name, h->value)
                                       : arena_printf(call->arena, "%s;", h->name);
        if (!list_add(&call->header_list, line))
            return false;
    }
    /* Neither a second round trip before the body nor a type that nobody asked for. */
    return list_add(&call->header_list, "Expect:") &&
           (has_header(call, "Content-Type") || list_add(&call->header_list, "Content-Type:"));
}

static bool build_resolve(struct call *call, const struct addresses *addresses)
{
    AUTO_BUF text;
    buf_init(&text, 1024);
    buf_printf(&text, "+%s:%u:", call->host, call->port);
    for (size_t i = 0; i < addresses->count; i++) {
        const struct sockaddr_storage *a = &addresses->at[i];
        char ip[INET6_ADDRSTRLEN];
        bool is_v6 = a->ss_family == AF_INET6;
        const void *bytes = is_v6 ? (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr
                                  : (const void *)&((const struct sockaddr_in *)a)->sin_addr;
        if (!inet_ntop(a->ss_family, bytes, ip, sizeof(ip)))
            return false;
        buf_printf(&text, is_v6 ? "%s[%s]" : "%s%s", i > 0 ? "," : "", ip);
    }
    return buf_status(&text) == ST_OK && list_add(&call->resolve_list, buf_cstr(&text));
}

/* All or nothing: one option that libcurl does not take could be the guard. */
#define SET(option, value) (curl_easy_setopt(easy, CURLOPT_##option, value) == CURLE_OK)

static bool set_transport(struct call *call, CURL *easy)
{
    struct httpc *c = call->client;
    long read_bytes = c->max_requests > MANY_REQUESTS ? READ_BYTES_MANY : READ_BYTES;
    long left_ms = (long)(call->timeout_ms - (httpc_now_us() - call->started_us) / 1000);
    return SET(PRIVATE, call) && SET(ERRORBUFFER, call->curl_error) && SET(NOSIGNAL, 1L) &&
           SET(PROXY, "") && SET(NETRC, (long)CURL_NETRC_IGNORED) &&
           SET(PROTOCOLS_STR, "http,https") && SET(FOLLOWLOCATION, 0L) && SET(PATH_AS_IS, 1L) &&
           SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) && SET(FRESH_CONNECT, 1L) &&
           SET(FORBID_REUSE, 1L) && SET(BUFFERSIZE, read_bytes) &&
           SET(CONNECTTIMEOUT_MS, MAX_OF(left_ms, 1L)) && SET(SSL_SESSIONID_CACHE, 0L) &&
           SET(SSL_VERIFYPEER, call->insecure_tls ? 0L : 1L) &&
           SET(SSL_VERIFYHOST, call->insecure_tls ? 0L : 2L) &&
           SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           SET(SSL_CTX_FUNCTION, on_ssl_context) && SET(SSL_CTX_DATA, call) &&
           (!c->ca_file || SET(CAINFO, c->ca_file)) && SET(OPENSOCKETFUNCTION, on_open_socket) &&
           SET(OPENSOCKETDATA, call) && SET(PREREQFUNCTION, on_prereq) && SET(PREREQDATA, call) &&
           (!call->resolve_list || SET(RESOLVE, call->resolve_list));
}

static bool set_method(struct call *call, CURL *easy)
{
    if (str_eq(call->method, "HEAD"))
        return SET(NOBODY, 1L);
    bool takes_body = str_eq(call->method, "POST") || str_eq(call->method, "PUT") ||
                      str_eq(call->method, "PATCH");
    if (call->body || takes_body)
        return SET(POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len) &&
               SET(POSTFIELDS, call->body ? call->body : "") && SET(CUSTOMREQUEST, call->method);
    return str_eq(call->method, "GET") ? SET(HTTPGET, 1L) : SET(CUSTOMREQUEST, call->method);
}

static bool set_request(struct call *call, CURL *easy)
{
    struct httpc *c = call->client;
    if (call->username && !(SET(USERNAME, call->username) && SET(PASSWORD, call->password) &&
                            SET(HTTPAUTH, (long)CURLAUTH_BASIC)))
        return false;
    return SET(URL, call->url) && (!c->user_agent || SET(USERAGENT, c->user_agent)) &&
           set_method(call, easy) && SET(HTTPHEADER, call->header_list) &&
           SET(HEADERFUNCTION, on_header) && SET(HEADERDATA, call) && SET(WRITEFUNCTION, on_body) &&
           SET(WRITEDATA, call);
}
#undef SET

enum status hop_start(struct call *call, const struct addresses *addresses)
{
    struct httpc *c = call->client;
    call->handle = handle_take(c);
    if (!call->handle)
        return ST_NO_MEMORY;
    CURL *easy = call->handle->easy;
    if ((addresses && !build_resolve(call, addresses)) || !build_headers(call) ||
        !set_transport(call, easy) || !set_request(call, easy))
        return ST_NO_MEMORY;
    call->connect_started_us = httpc_now_us();
    return curl_multi_add_handle(c->multi, easy) == CURLM_OK ? ST_OK : ST_INTERNAL;
}

void hop_stop(struct call *call)
{
    if (call->handle)
        (void)curl_multi_remove_handle(call->client->multi, call->handle->easy);
}

void hop_release(struct call *call)
{
    if (call->handle)
        handle_give(call->client, call->handle);
    call->handle = NULL;
    curl_slist_free_all(call->header_list);
    curl_slist_free_all(call->resolve_list);
    call->header_list = call->resolve_list = NULL;
}

/* --- what came of it --- */

static int64_t at_us(CURL *easy, CURLINFO info)
{
    curl_off_t v = 0;
    return curl_easy_getinfo(easy, info, &v) == CURLE_OK ? (int64_t)v : 0;
}

/* libcurl's times all count from the start of the hop and are 0 for what was not reached. */
void hop_phases(const struct call *call, struct httpc_phases *out)
{
    *out = (struct httpc_phases){call->dns_us, -1, -1, -1, -1};
    if (!call->handle)
        return;
    CURL *easy = call->handle->easy;
    int64_t name = at_us(easy, CURLINFO_NAMELOOKUP_TIME_T);
    int64_t connect = at_us(easy, CURLINFO_CONNECT_TIME_T);
    int64_t tls = at_us(easy, CURLINFO_APPCONNECT_TIME_T);
    int64_t first = at_us(easy, CURLINFO_STARTTRANSFER_TIME_T);
    int64_t total = at_us(easy, CURLINFO_TOTAL_TIME_T);
    if (connect <= 0 && call->tls_started_us > 0) {
        /* libcurl counts a connection whose handshake failed as none. */
        out->connect_us = call->tls_started_us - call->connect_started_us;
        return;
    }
    if (connect <= 0)
        return;
    out->connect_us = MAX_OF(connect - name, (int64_t)0);
    if (call->is_tls && tls <= 0)
        return;
    if (call->is_tls)
        out->tls_us = MAX_OF(tls - connect, (int64_t)0);
    if (first <= 0 || call->status == 0)
        return;
    out->wait_us = MAX_OF(first - MAX_OF(tls, connect), (int64_t)0);
    out->transfer_us = MAX_OF(total - first, (int64_t)0);
}

void hop_remote(const struct call *call, char *out, size_t cap)
{
    char *ip = NULL;
    out[0] = '\0';
    if (call->handle &&
        curl_easy_getinfo(call->handle->easy, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK && ip)
        (void)str_copy(out, cap, ip);
}

static const struct {
    CURLcode code;
    enum httpc_failure failure;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, HTTPC_DNS},
    {CURLE_COULDNT_CONNECT, HTTPC_CONNECT},
    {CURLE_OPERATION_TIMEDOUT, HTTPC_TIMEOUT},
    {CURLE_SSL_CONNECT_ERROR, HTTPC_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, HTTPC_TLS},
    {CURLE_SSL_ISSUER_ERROR, HTTPC_TLS},
    {CURLE_SSL_CACERT_BADFILE, HTTPC_TLS},
    {CURLE_SSL_CERTPROBLEM, HTTPC_TLS},
    {CURLE_SSL_CIPHER, HTTPC_TLS},
    {CURLE_SEND_ERROR, HTTPC_SEND},
    {CURLE_RECV_ERROR, HTTPC_RECEIVE},
    {CURLE_GOT_NOTHING, HTTPC_RECEIVE},
    {CURLE_PARTIAL_FILE, HTTPC_RECEIVE},
    {CURLE_URL_MALFORMAT, HTTPC_BAD_URL},
    {CURLE_UNSUPPORTED_PROTOCOL, HTTPC_PROTOCOL},
    {CURLE_WEIRD_SERVER_REPLY, HTTPC_PROTOCOL},
    {CURLE_BAD_CONTENT_ENCODING, HTTPC_PROTOCOL},
};

enum httpc_failure hop_failure(const struct call *call, CURLcode code, char *text, size_t cap)
{
    if (call->denied.text[0]) {
        (void)str_copy(text, cap, call->denied.text);
        return HTTPC_DENIED;
    }
    if (call->limit != HTTPC_OK) {
        (void)str_copy(text, cap, call->limit_text);
        return call->limit;
    }
    enum httpc_failure failure = HTTPC_INTERNAL;
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        if (failures[i].code == code)
            failure = failures[i].failure;
    }
    long os_error = 0;
    (void)curl_easy_getinfo(call->handle->easy, CURLINFO_OS_ERRNO, &os_error);
    const char *why = call->curl_error[0] ? call->curl_error : curl_easy_strerror(code);
    if (failure == HTTPC_CONNECT && os_error != 0) {
        char reason[96];
        (void)snprintf(text, cap, "could not connect to %.120s port %u: %s", call->host, call->port,
                       strerror_r((int)os_error, reason, sizeof(reason)));
    } else {
        (void)str_copy(text, cap, why);
    }
    return failure;
}
