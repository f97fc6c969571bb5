/* The wire between libesmtp and the mail server. */
#include "services/notifier/smtp/line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stage.h"

enum { CHUNK = 16384, LOOK_MS = 100 /* how soon a stop is noticed */ };

/* Bytes on their way in one direction. */
struct pipe {
    char data[CHUNK];
    size_t from, to;
    bool is_ended; /* the sender sends no more */
};

struct smtp_line {
    struct smtp_line_config config;
    int server, listener, client;
    uint16_t port;
    SSL *ssl;         /* NULL: clear text, or libesmtp's own TLS */
    bool wants_write; /* TLS must write before it can read */
    struct starttls_guard guard;
    struct pipe up, down;
    struct stage *stage;
    _Atomic bool is_closing;
    struct errbuf error; /* written by the thread */
};

static bool is_cut(const struct smtp_line *l)
{
    return atomic_load(&l->is_closing) ||
           (l->config.is_aborted && atomic_load(l->config.is_aborted));
}

/* Waits for events on up to two sockets. ST_TIMEOUT at the deadline, ST_STOPPED when cut. */
static enum status wait_for(const struct smtp_line *l, struct pollfd *fds, nfds_t count)
{
    for (;;) {
        const int64_t left = l->config.deadline_mono_ms - clock_mono_ms();
        /* First, for a session that libesmtp gave up by then ended for this reason. */
        if (left <= 0)
            return ST_TIMEOUT;
        if (is_cut(l))
            return ST_STOPPED;
        const int n = poll(fds, count, (int)MIN_OF(left, (int64_t)LOOK_MS));
        if (n > 0)
            return ST_OK;
        if (n < 0 && errno != EINTR)
            return ST_IO;
    }
}

static enum status wait_one(const struct smtp_line *l, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return wait_for(l, &p, 1);
}

static enum status connect_one(struct smtp_line *l, const struct addrinfo *a)
{
    const int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ST_IO;
    l->server = fd;
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        return ST_OK;
    if (errno != EINPROGRESS)
        return ST_UNAVAILABLE;
    TRY(wait_one(l, fd, POLLOUT));
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        errno = error;
        return ST_UNAVAILABLE;
    }
    return ST_OK;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static enum status connect_server(struct smtp_line *l, struct errbuf *err)
{
    const struct smtp_url *u = l->config.url;
    char port[8];
    (void)snprintf(port, sizeof(port), "%u", u->port);
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV | (u->is_ip ? AI_NUMERICHOST : 0)};
    struct addrinfo *list = NULL;
    const int rc = getaddrinfo(u->host, port, &hints, &list);
    if (rc != 0)
        return err_set(err, ST_UNAVAILABLE, "mail server %s: %s", u->host, gai_strerror(rc));

    enum status st = ST_UNAVAILABLE;
    for (const struct addrinfo *a = list; a && st != ST_OK; a = a->ai_next) {
        st = connect_one(l, a);
        if (st == ST_STOPPED || st == ST_TIMEOUT)
            break;
        if (st != ST_OK) {
            (void)err_set(err, st, "mail server %s port %s: %s", u->host, port, strerror(errno));
            close_fd(&l->server);
        }
    }
    freeaddrinfo(list);
    if (st == ST_TIMEOUT)
        return err_set(err, st, "mail server %s port %s: no connection in time", u->host, port);
    if (st != ST_OK)
        close_fd(&l->server);
    return st == ST_IO ? ST_UNAVAILABLE : st;
}

static enum status tls_failed(struct smtp_line *l, struct errbuf *err)
{
    const long verify = SSL_get_verify_result(l->ssl);
    const char *reason = verify != X509_V_OK ? X509_verify_cert_error_string(verify)
                                             : ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return err_set(err, ST_UNAVAILABLE, "mail server %s: TLS: %s", l->config.url->host,
                   reason ? reason : "the connection was closed");
}

static enum status shake_hands(struct smtp_line *l, struct errbuf *err)
{
    l->ssl = SSL_new(l->config.tls);
    if (!l->ssl || SSL_set_fd(l->ssl, l->server) != 1 ||
        SSL_set_max_proto_version(l->ssl, TLS1_3_VERSION) != 1)
        return ST_NO_MEMORY;
    for (;;) {
        ERR_clear_error();
        const int rc = SSL_connect(l->ssl);
        if (rc == 1)
            return ST_OK;
        const int why = SSL_get_error(l->ssl, rc);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return tls_failed(l, err);
        enum status st = wait_one(l, l->server, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT);
        if (st != ST_OK)
            return err_set(err, st, "mail server %s: no TLS in time", l->config.url->host);
    }
}

static enum status listen_local(struct smtp_line *l)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    l->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->listener < 0 || bind(l->listener, (struct sockaddr *)&a, len) != 0 ||
        listen(l->listener, 1) != 0 || getsockname(l->listener, (struct sockaddr *)&a, &len) != 0)
        return ST_UNAVAILABLE;
    l->port = ntohs(a.sin_port);
    return ST_OK;
}

/* Takes what the server has for us. Would-block is ST_OK with nothing read. */
static enum status read_server(struct smtp_line *l, struct pipe *p)
{
    ssize_t n = 0;
    l->wants_write = false;
    if (l->ssl) {
        ERR_clear_error();
        const int got = SSL_read(l->ssl, p->data, CHUNK);
        const int why = got > 0 ? SSL_ERROR_NONE : SSL_get_error(l->ssl, got);
        l->wants_write = why == SSL_ERROR_WANT_WRITE;
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
            return ST_OK;
        n = got > 0 ? got : 0;
    } else {
        n = recv(l->server, p->data, CHUNK, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return ST_OK;
    }
    p->from = 0;
    p->to = n > 0 ? (size_t)n : 0;
    p->is_ended = n <= 0;
    if (!starttls_guard_server(&l->guard, p->data, p->to))
        return err_set(&l->error, ST_MALFORMED,
                       "the mail server sent more than its answer to STARTTLS");
    return ST_OK;
}

static enum status write_server(struct smtp_line *l, struct pipe *p)
{
    ssize_t n = 0;
    if (l->ssl) {
        ERR_clear_error();
        const int put = SSL_write(l->ssl, p->data + p->from, (int)(p->to - p->from));
        const int why = put > 0 ? SSL_ERROR_NONE : SSL_get_error(l->ssl, put);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
            return ST_OK;
        n = put > 0 ? put : -1;
    } else {
        n = send(l->server, p->data + p->from, p->to - p->from, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return ST_OK;
    }
    if (n < 0)
        return ST_IO;
    p->from += (size_t)n;
    return ST_OK;
}

static enum status read_client(struct smtp_line *l, struct pipe *p)
{
    const ssize_t n = recv(l->client, p->data, CHUNK, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return ST_OK;
    p->from = 0;
    p->to = n > 0 ? (size_t)n : 0;
    p->is_ended = n <= 0;
    if (!l->ssl && p->to > 0)
        starttls_guard_client(&l->guard, p->data, p->to);
    return ST_OK;
}

static enum status write_client(struct smtp_line *l, struct pipe *p)
{
    const ssize_t n = send(l->client, p->data + p->from, p->to - p->from, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? ST_OK : ST_IO;
    p->from += (size_t)n;
    return ST_OK;
}

static bool is_empty(const struct pipe *p)
{
    return p->from == p->to;
}

/* One turn: waits until something can move, and moves it. */
static enum status carry(struct smtp_line *l)
{
    struct pollfd fds[2] = {{.fd = l->client}, {.fd = l->server}};
    if (is_empty(&l->up))
        fds[0].events |= POLLIN;
    else
        fds[1].events |= POLLOUT;
    if (is_empty(&l->down))
        fds[1].events |= POLLIN;
    else
        fds[0].events |= POLLOUT;
    if (l->wants_write)
        fds[1].events |= POLLOUT;
    const bool has_more = l->ssl && is_empty(&l->down) && SSL_pending(l->ssl) > 0;
    if (!has_more)
        TRY(wait_for(l, fds, 2));

    const short any = POLLIN | POLLHUP | POLLERR;
    if (!is_empty(&l->down)) {
        if (fds[0].revents)
            TRY(write_client(l, &l->down));
    } else if (has_more || (fds[1].revents & (any | (l->wants_write ? POLLOUT : 0)))) {
        TRY(read_server(l, &l->down));
    }
    if (!is_empty(&l->up))
        return fds[1].revents ? write_server(l, &l->up) : ST_OK;
    return fds[0].revents & any ? read_client(l, &l->up) : ST_OK;
}

static enum status accept_client(struct smtp_line *l)
{
    TRY(wait_one(l, l->listener, POLLIN));
    l->client = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    close_fd(&l->listener);
    const int on = 1;
    (void)setsockopt(l->server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (l->client >= 0)
        (void)setsockopt(l->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return l->client >= 0 ? ST_OK : ST_IO;
}

static void run(struct stage *stage, void *arg)
{
    struct smtp_line *l = arg;
    (void)stage;
    enum status st = accept_client(l);
    while (st == ST_OK && !(l->up.is_ended && is_empty(&l->up)) &&
           !(l->down.is_ended && is_empty(&l->down)))
        st = carry(l);
    if (st == ST_TIMEOUT)
        (void)err_set(&l->error, st, "the mail server took too long");
    else if (st == ST_STOPPED && !atomic_load(&l->is_closing))
        (void)err_set(&l->error, st, "the notifier is shutting down");
    /* libesmtp, which may be waiting for an answer, learns that there will be none. */
    if (l->client >= 0)
        (void)shutdown(l->client, SHUT_RDWR);
    close_fd(&l->listener);
}

static void line_free(struct smtp_line *l)
{
    SSL_free(l->ssl);
    close_fd(&l->server);
    close_fd(&l->listener);
    close_fd(&l->client);
    free(l);
}

enum status smtp_line_open(const struct smtp_line_config *config, struct smtp_line **out,
                           struct errbuf *err)
{
    struct smtp_line *l = calloc(1, sizeof(*l));
    if (!l)
        return ST_NO_MEMORY;
    l->config = *config;
    l->server = l->listener = l->client = -1;
    enum status st = connect_server(l, err);
    if (st == ST_OK && config->url->is_implicit_tls)
        st = shake_hands(l, err);
    if (st == ST_OK)
        st = listen_local(l);
    if (st == ST_OK)
        st = stage_start("smtp-line", run, l, &l->stage);
    if (st != ST_OK) {
        line_free(l);
        return st;
    }
    *out = l;
    return ST_OK;
}

uint16_t smtp_line_port(const struct smtp_line *l)
{
    return l->port;
}

const char *smtp_line_error(struct smtp_line *l)
{
    atomic_store(&l->is_closing, true);
    stage_join(l->stage); /* the text is the thread's until it ended */
    l->stage = NULL;
    return l->error.text;
}

void smtp_line_close(struct smtp_line *l)
{
    if (!l)
        return;
    atomic_store(&l->is_closing, true);
    stage_join(l->stage);
    line_free(l);
}
