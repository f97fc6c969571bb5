/* A client that can send anything: raw bytes over a socket, and reading one reply at a time. */
#ifndef TOCSIN_TESTS_INTEGRATION_NET_HTTP_PEER_H
#define TOCSIN_TESTS_INTEGRATION_NET_HTTP_PEER_H

#include "tests/kit/kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PEER_BYTES = 1 << 17, PEER_WAIT_S = KIT_PATIENCE_MS / 1000 };

struct peer {
    int fd;
    size_t len; /* of what is buffered */
    char data[PEER_BYTES + 1];
};

struct peer_reply {
    int status; /* 0: the connection was closed without one */
    char head[4096];
    size_t body_len;
    char body[PEER_BYTES];
};

static inline void peer_open(struct peer *p, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->len = 0;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(p->fd >= 0);
    const struct timeval limit = {.tv_sec = PEER_WAIT_S};
    (void)setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
}

static inline void peer_close(struct peer *p)
{
    (void)close(p->fd);
}

/* The server may close while we send: that is for the reply to tell. */
static inline void peer_send(struct peer *p, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = send(p->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        at += n;
        len -= (size_t)n;
    }
}

static inline void peer_text(struct peer *p, const char *text)
{
    peer_send(p, text, strlen(text));
}

/* false at the end of the stream. A server that stays silent fails the test. */
static inline bool peer_more(struct peer *p)
{
    assert_true(p->len < PEER_BYTES);
    ssize_t n = recv(p->fd, p->data + p->len, PEER_BYTES - p->len, 0);
    if (n < 0 && errno != ECONNRESET)
        fail_msg("no answer within %d s", PEER_WAIT_S);
    if (n <= 0)
        return false;
    p->len += (size_t)n;
    p->data[p->len] = '\0';
    return true;
}

/* The value of a header in the head, copied; "" if absent. */
static inline const char *peer_header(const struct peer_reply *r, const char *name, char *out,
                                      size_t cap)
{
    size_t len = strlen(name);
    out[0] = '\0';
    for (const char *line = strstr(r->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            const char *value = line + 3 + len + strspn(line + 3 + len, " ");
            (void)snprintf(out, cap, "%.*s", (int)strcspn(value, "\r"), value);
            break;
        }
    }
    return out;
}

/* Reads one reply. Bytes after it stay buffered for the next. */
static inline void peer_read(struct peer *p, bool is_head, struct peer_reply *out)
{
    char text[32];
    char *end = NULL;
    out->status = 0;
    out->body_len = 0;
    p->data[p->len] = '\0';
    while (!(end = memmem(p->data, p->len, "\r\n\r\n", 4))) {
        if (!peer_more(p))
            return;
    }
    size_t head = (size_t)(end - p->data) + 4;
    (void)snprintf(out->head, sizeof(out->head), "%.*s", (int)head, p->data);
    assert_int_equal(sscanf(out->head, "HTTP/1.1 %d", &out->status), 1);
    (void)peer_header(out, "Content-Length", text, sizeof(text));
    size_t body = is_head || out->status == 304 ? 0 : strtoul(text, NULL, 10);
    while (p->len < head + body && peer_more(p)) {
    }
    assert_true(p->len >= head + body);
    memcpy(out->body, p->data + head, body);
    out->body[body] = '\0';
    out->body_len = body;
    p->len -= head + body;
    memmove(p->data, p->data + head + body, p->len);
}

/* Whether the server closes the connection, saying nothing more. */
static inline bool peer_is_closed(struct peer *p)
{
    return p->len == 0 && !peer_more(p);
}

/* One request on a connection of its own. */
static inline void peer_ask(int port, const void *data, size_t len, struct peer_reply *out)
{
    static struct peer p;
    peer_open(&p, port);
    peer_send(&p, data, len);
    peer_read(&p, strncmp(data, "HEAD", 4) == 0, out);
    peer_close(&p);
}

#endif
