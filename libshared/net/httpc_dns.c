/*
 * Names to addresses by c-ares on the client's loop: /etc/hosts first, then the name servers of
 * /etc/resolv.conf, both families, ordered by RFC 6724. libcurl's own resolver would take a thread
 * a name and cannot tell why it failed.
 */
#include "net/httpc_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { TRY_MS = 2000, TRIES = 3 };

/* c-ares's sockets on our loop, freed by the loop. */
struct dns_socket {
    uv_poll_t poll;
    ares_socket_t fd;
    struct httpc *client;
    struct dns_socket *next;
};

static const char *dns_error(int code)
{
    switch (code) {
    case ARES_ENOTFOUND:
        return "the name does not exist";
    case ARES_ENODATA:
        return "the name has no address";
    case ARES_ESERVFAIL:
        return "the name server failed";
    case ARES_EREFUSED:
        return "the name server refused to answer";
    case ARES_ETIMEOUT:
        return "the name servers did not answer";
    case ARES_ECONNREFUSED:
        return "no name server could be reached";
    case ARES_EBADNAME:
        return "the name is not valid";
    default:
        return ares_strerror(code);
    }
}

static void arm(struct httpc *c);

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct dns_socket *s = container_of(poll, struct dns_socket, poll);
    struct httpc *c = s->client;
    ares_socket_t fd = s->fd;
    /* A poll error is c-ares's to find by reading. */
    bool both = status < 0;
    ares_process_fd(c->dns, both || (events & UV_READABLE) ? fd : ARES_SOCKET_BAD,
                    both || (events & UV_WRITABLE) ? fd : ARES_SOCKET_BAD);
    arm(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct httpc *c = timer->data;
    ares_process_fd(c->dns, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm(c);
}

static void arm(struct httpc *c)
{
    struct timeval max = {.tv_sec = TRY_MS / 1000};
    struct timeval tv;
    if (c->lookups == 0) {
        (void)uv_timer_stop(&c->dns_timer);
        return;
    }
    const struct timeval *next = ares_timeout(c->dns, &max, &tv);
    uint64_t ms = (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1;
    (void)uv_timer_start(&c->dns_timer, on_timer, ms, 0);
}

static void socket_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct dns_socket, poll));
}

/* There is one at a time a name server: a list finds them fast enough. */
static struct dns_socket **socket_find(struct httpc *c, ares_socket_t fd)
{
    struct dns_socket **at = &c->dns_sockets;
    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    return at;
}

static struct dns_socket *socket_add(struct httpc *c, ares_socket_t fd)
{
    struct dns_socket *s = calloc(1, sizeof(*s));
    if (!s || uv_poll_init_socket(&c->loop, &s->poll, fd) != 0) {
        free(s); /* the question ends by its time limit */
        return NULL;
    }
    s->fd = fd;
    s->client = c;
    s->next = c->dns_sockets;
    c->dns_sockets = s;
    return s;
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct httpc *c = arg;
    struct dns_socket **at = socket_find(c, fd);
    struct dns_socket *s = *at;
    if (!readable && !writable) {
        if (s) {
            *at = s->next;
            (void)uv_poll_stop(&s->poll);
            uv_close((uv_handle_t *)&s->poll, socket_closed);
        }
        return;
    }
    if (!s)
        s = socket_add(c, fd);
    if (s)
        (void)uv_poll_start(&s->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                            on_readable);
}

enum status dns_open(struct httpc *c, struct errbuf *err)
{
    struct ares_options options = {
        .timeout = TRY_MS,
        .tries = TRIES,
        .lookups = (char *)(uintptr_t) "fb", /* /etc/hosts, then DNS; c-ares only reads it */
        .sock_state_cb = on_socket,
        .sock_state_cb_data = c,
    };
    int rc = ares_init_options(&c->dns, &options,
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                   ARES_OPT_SOCK_STATE_CB);
    if (rc != ARES_SUCCESS)
        return err_set(err, ST_INTERNAL, "resolver: %s", ares_strerror(rc));
    if (c->nameservers[0] && ares_set_servers_ports_csv(c->dns, c->nameservers) != ARES_SUCCESS)
        return err_set(err, ST_INVALID, "name servers: \"%.100s\" are none", c->nameservers);
    return ST_OK;
}

static void copy_addresses(const struct ares_addrinfo *info, struct addresses *out)
{
    for (const struct ares_addrinfo_node *n = info->nodes; n; n = n->ai_next) {
        size_t len = (size_t)n->ai_addrlen;
        if (out->count == HTTPC_ADDRESSES || len > sizeof(out->at[0]))
            continue;
        memcpy(&out->at[out->count++], n->ai_addr, len);
    }
}

static void on_answer(void *arg, int code, int timeouts, struct ares_addrinfo *info)
{
    (void)timeouts;
    struct lookup *l = arg;
    struct call *call = l->call;
    struct addresses addresses = {0};
    if (code == ARES_SUCCESS && info)
        copy_addresses(info, &addresses);
    if (info)
        ares_freeaddrinfo(info);
    l->client->lookups--;
    free(l);
    if (!call)
        return;
    call->lookup = NULL;
    if (code == ARES_SUCCESS && addresses.count == 0)
        code = ARES_ENODATA;
    call_resolved(call, &addresses, code == ARES_SUCCESS ? NULL : dns_error(code));
}

enum status dns_ask(struct call *call)
{
    struct httpc *c = call->client;
    /* Those whose call has ended go on for a few seconds: bounded too. */
    if (c->lookups >= 2 * c->max_requests + 16)
        return ST_OVERLOADED;
    struct lookup *l = calloc(1, sizeof(*l));
    if (!l)
        return ST_NO_MEMORY;
    l->client = c;
    l->call = call;
    (void)str_copy(l->name, sizeof(l->name), call->host);
    call->lookup = l;
    c->lookups++;
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    /* The call may be gone when this returns. */
    ares_getaddrinfo(c->dns, l->name, NULL, &hints, on_answer, l);
    arm(c);
    return ST_OK;
}

void dns_close(struct httpc *c)
{
    if (c->dns)
        ares_destroy(c->dns);
    c->dns = NULL;
}
