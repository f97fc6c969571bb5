/* The misbehaving web server: a thread that accepts, and one for each connection. */
#include "tests/kit/web.h"

#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/str.h"
#include "tests/kit/kit.h"

enum { REQUEST_BYTES = 65536, PATH_BYTES = 4096, CONNECTIONS = 256 };

struct web {
    int fd;
    int port;
    SSL_CTX *tls;
    int64_t expires_at_s;
    pthread_t thread;
    atomic_size_t requests;
    atomic_int status;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int open[CONNECTIONS]; /* sockets of running connections; -1: free */
    size_t count;
};

struct conn {
    struct web *web;
    int fd;
    SSL *ssl;
    char request[REQUEST_BYTES];
    size_t len;
    char path[PATH_BYTES];
};

/* --- bytes --- */

static bool put(struct conn *c, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = c->ssl ? SSL_write(c->ssl, at, (int)len) : send(c->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static void put_text(struct conn *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put_text(struct conn *c, const char *fmt, ...)
{
    char text[PATH_BYTES + 512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)put(c, text, MIN_OF((size_t)n, sizeof(text) - 1));
}

static ssize_t get(struct conn *c, void *data, size_t len)
{
    return c->ssl ? SSL_read(c->ssl, data, (int)len) : recv(c->fd, data, len, 0);
}

/* Until the other side goes away or the server stops. */
static void wait_for_end(struct conn *c)
{
    char byte;
    while (get(c, &byte, 1) > 0) {
    }
}

static size_t body_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");
    int64_t n = 0;
    char digits[16] = "";
    if (at)
        (void)sscanf(at + 17, " %15[0-9]", digits);
    return str_to_i64(digits, &n) == ST_OK ? (size_t)n : 0;
}

static bool read_request(struct conn *c)
{
    for (;;) {
        char *end = strstr(c->request, "\r\n\r\n");
        if (end && c->len >= (size_t)(end + 4 - c->request) + body_length(c->request))
            break;
        if (c->len + 1 >= sizeof(c->request))
            return false;
        ssize_t n = get(c, c->request + c->len, sizeof(c->request) - 1 - c->len);
        if (n <= 0)
            return false;
        c->len += (size_t)n;
        c->request[c->len] = '\0';
    }
    return sscanf(c->request, "%*s %4095s", c->path) == 1;
}

/* --- answers --- */

static void answer(struct conn *c, int status, const char *body, size_t len)
{
    put_text(c,
             "HTTP/1.1 %d Reason\r\nContent-Type: text/plain\r\nX-Served-By: Kit\r\n"
             "Content-Length: %zu\r\nConnection: close\r\n\r\n",
             status, len);
    bool is_head = str_starts(c->request, "HEAD ");
    if (!is_head)
        (void)put(c, body, len);
}

static void redirect(struct conn *c, int status, const char *location)
{
    put_text(c, "HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nmoved", status,
             location);
}

static void put_many(struct conn *c, const char *unit, size_t bytes)
{
    size_t len = strlen(unit);
    for (size_t sent = 0; sent < bytes; sent += len) {
        if (!put(c, unit, len))
            return;
    }
}

static const char filler[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                             "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static bool serve_broken(struct conn *c, int64_t n)
{
    const char *p = c->path;
    if (str_eq(p, "/silent")) {
        wait_for_end(c);
    } else if (str_eq(p, "/stall")) {
        put_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        wait_for_end(c);
    } else if (str_eq(p, "/endless")) {
        put_text(c, "HTTP/1.1 200 OK\r\n\r\n");
        put_many(c, filler, SIZE_MAX);
    } else if (str_starts(p, "/headers/")) {
        put_text(c, "HTTP/1.1 200 OK\r\n");
        put_many(c, "X-Filler: 0123456789abcdef0123456789abcdef\r\n", (size_t)n);
        put_text(c, "\r\n");
    } else if (str_eq(p, "/garbage")) {
        put_text(c, "SSH-2.0-OpenSSH_9.2\r\n");
    } else if (str_eq(p, "/short")) {
        put_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n12345");
    } else if (str_eq(p, "/reset")) {
        struct linger now = {.l_onoff = 1};
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    } else {
        return str_eq(p, "/close");
    }
    return true;
}

static int64_t number(const char *text)
{
    int64_t n = 0;
    return str_to_i64(text, &n) == ST_OK ? n : 0;
}

static void serve(struct conn *c)
{
    char text[PATH_BYTES];
    const char *last = strrchr(c->path, '/');
    int64_t n = number(last ? last + 1 : "");
    if (serve_broken(c, n))
        return;
    if (str_eq(c->path, "/ok")) {
        answer(c, 200, "hello", 5);
    } else if (str_eq(c->path, "/switch")) {
        answer(c, atomic_load(&c->web->status), "switch", 6);
    } else if (str_starts(c->path, "/status/")) {
        answer(c, (int)n, "status", 6);
    } else if (str_starts(c->path, "/body/")) {
        put_text(c, "HTTP/1.1 200 OK\r\n\r\n");
        put_many(c, filler, (size_t)n);
    } else if (str_eq(c->path, "/echo")) {
        answer(c, 200, c->request, c->len);
    } else if (str_starts(c->path, "/redirect/")) {
        (void)snprintf(text, sizeof(text), "/redirect/%lld", (long long)n - 1);
        redirect(c, 302, n > 1 ? text : "/ok");
    } else if (str_eq(c->path, "/loop")) {
        redirect(c, 301, "/loop");
    } else if (str_starts(c->path, "/to/") && strlen(c->path) > 8) {
        c->path[7] = '\0';
        redirect(c, (int)number(c->path + 4), c->path + 8);
    } else {
        answer(c, 404, "not found", 9);
    }
}

/* --- connections --- */

static void *run_conn(void *arg)
{
    struct conn *c = arg;
    struct web *w = c->web;
    bool is_up = true;
    if (w->tls) {
        c->ssl = SSL_new(w->tls);
        is_up = c->ssl && SSL_set_fd(c->ssl, c->fd) == 1 && SSL_accept(c->ssl) == 1;
    }
    if (is_up && read_request(c)) {
        atomic_fetch_add(&w->requests, 1);
        serve(c);
        if (c->ssl)
            (void)SSL_shutdown(c->ssl);
    }
    SSL_free(c->ssl);
    (void)pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (w->open[i] == c->fd)
            w->open[i] = -1;
    }
    (void)close(c->fd);
    w->count--;
    (void)pthread_cond_signal(&w->ended);
    (void)pthread_mutex_unlock(&w->lock);
    free(c);
    return NULL;
}

static bool enlist(struct web *w, int fd)
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (w->open[i] == -1) {
            w->open[i] = fd;
            w->count++;
            return true;
        }
    }
    return false;
}

static void *run_accept(void *arg)
{
    struct web *w = arg;
    for (;;) {
        int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        struct conn *c = calloc(1, sizeof(*c));
        pthread_t thread;
        (void)pthread_mutex_lock(&w->lock);
        if (c && enlist(w, fd)) {
            c->web = w;
            c->fd = fd;
            if (pthread_create(&thread, NULL, run_conn, c) != 0)
                abort();
            (void)pthread_detach(thread);
        } else {
            free(c);
            (void)close(fd);
        }
        (void)pthread_mutex_unlock(&w->lock);
    }
}

/* --- life --- */

static SSL_CTX *make_tls(int days, int64_t *expires_at_s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_NAME_new();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_true(key && cert && name && ctx);
    time_t end = time(NULL) + (time_t)days * 86400;
    *expires_at_s = end;
    assert_int_equal(X509_set_version(cert, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert), time(NULL) - 30 * 86400));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert), end));
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)"localhost", -1, -1, 0),
                     1);
    assert_int_equal(X509_set_subject_name(cert, name), 1);
    assert_int_equal(X509_set_issuer_name(cert, name), 1);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_NAME_free(name);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

static void start_listening(struct web *w, bool is_v6)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *address = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t len = is_v6 ? sizeof(v6) : sizeof(v4);
    w->fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(w->fd >= 0);
    assert_int_equal(bind(w->fd, address, len), 0);
    assert_int_equal(listen(w->fd, 128), 0);
    assert_int_equal(getsockname(w->fd, address, &len), 0);
    w->port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
}

struct web *web_start(unsigned flags, int days)
{
    struct web *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    for (size_t i = 0; i < CONNECTIONS; i++)
        w->open[i] = -1;
    atomic_store(&w->status, 200);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->ended, NULL);
    if (flags & WEB_TLS)
        w->tls = make_tls(days, &w->expires_at_s);
    start_listening(w, (flags & WEB_IPV6) != 0);
    assert_int_equal(pthread_create(&w->thread, NULL, run_accept, w), 0);
    return w;
}

void web_stop(struct web *w)
{
    (void)shutdown(w->fd, SHUT_RDWR);
    (void)pthread_join(w->thread, NULL);
    (void)close(w->fd);
    (void)pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (w->open[i] != -1)
            (void)shutdown(w->open[i], SHUT_RDWR);
    }
    while (w->count > 0)
        (void)pthread_cond_wait(&w->ended, &w->lock);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_cond_destroy(&w->ended);
    (void)pthread_mutex_destroy(&w->lock);
    SSL_CTX_free(w->tls);
    free(w);
}

int web_port(const struct web *w)
{
    return w->port;
}

size_t web_requests(struct web *w)
{
    return atomic_load(&w->requests);
}

void web_set_status(struct web *w, int status)
{
    atomic_store(&w->status, status);
}

int64_t web_cert_expires_at_s(const struct web *w)
{
    return w->expires_at_s;
}
