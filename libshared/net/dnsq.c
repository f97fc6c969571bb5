/* Questions to the DNS, each over a c-ares channel of its own. */
#include "net/dnsq.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "log/log.h"
#include "net/httpc_internal.h"

enum {
    TRIES = 3,
    PORT = 53,
    ANSWER_BYTES = 1 << 20,
    CSV_BYTES = DNSQ_SERVERS_MAX * (DNSQ_SERVER_BYTES + 1)
};

/* Lives on the client's thread, but for its making. */
struct dnsq {
    struct httpc *client;
    uint64_t id;
    struct dnsq *next, **self; /* in client->questions */
    dnsq_done_fn *done;
    void *arg;
    bool is_bad_name;
    struct buf message;
    char servers[CSV_BYTES];
    int64_t timeout_ms;
    int64_t started_us;
    struct timer *timer; /* its time limit; once it has ended, its disposal */
    ares_channel channel;
    struct dnsq_socket *sockets;
    uv_timer_t *retry;
    bool is_ended;
};

struct dnsq_socket {
    uv_poll_t poll;
    ares_socket_t fd;
    struct dnsq *q;
    struct dnsq_socket *next;
};

const char *dnsq_failure_name(enum dnsq_failure f)
{
    static const char *const names[] = {
        [DNSQ_OK] = "ok",
        [DNSQ_BAD_NAME] = "bad_name",
        [DNSQ_TIMEOUT] = "timeout",
        [DNSQ_UNREACHABLE] = "unreachable",
        [DNSQ_PROTOCOL] = "protocol",
        [DNSQ_CANCELLED] = "cancelled",
        [DNSQ_INTERNAL] = "internal",
    };
    return (size_t)f < ARRAY_LEN(names) ? names[f] : "internal";
}

/* --- servers --- */

/* Parts "host", "host:port" and "[host]:port". */
static enum status server_split(const char *text, char host[DNSQ_SERVER_BYTES], int64_t *port)
{
    *port = PORT;
    const char *colon = strrchr(text, ':');
    const char *end = NULL;
    if (text[0] == '[') {
        end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return ST_INVALID;
        colon = end[1] == ':' ? end + 1 : NULL;
        text++;
    } else if (colon && strchr(text, ':') != colon) {
        colon = NULL; /* an IPv6 address without brackets has no port */
    }
    if (!end)
        end = colon ? colon : text + strlen(text);
    if (end - text >= DNSQ_SERVER_BYTES)
        return ST_INVALID;
    memcpy(host, text, (size_t)(end - text));
    host[end - text] = '\0';
    if (!colon)
        return ST_OK;
    TRY(str_to_i64(colon + 1, port));
    return *port >= 1 && *port <= 65535 ? ST_OK : ST_INVALID;
}

enum status dnsq_server_parse(const char *text, struct sockaddr_storage *out)
{
    char host[DNSQ_SERVER_BYTES];
    int64_t port = 0;
    TRY(server_split(text, host, &port));
    *out = (struct sockaddr_storage){0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return ST_OK;
    }
    *out = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
        return ST_INVALID;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    return ST_OK;
}

/* As c-ares takes them: "a:53,[b]:53". */
static enum status servers_write(const struct dnsq_request *request, char out[CSV_BYTES])
{
    size_t at = 0;
    if (request->server_count > DNSQ_SERVERS_MAX)
        return ST_INVALID;
    for (size_t i = 0; i < request->server_count; i++) {
        char host[DNSQ_SERVER_BYTES];
        int64_t port = 0;
        TRY(server_split(request->servers[i], host, &port));
        bool is_v6 = strchr(host, ':') != NULL;
        int n = snprintf(out + at, CSV_BYTES - at, "%s%s%s%s:%d", i ? "," : "", is_v6 ? "[" : "",
                         host, is_v6 ? "]" : "", (int)port);
        if (n < 0 || (size_t)n >= CSV_BYTES - at)
            return ST_INVALID;
        at += (size_t)n;
    }
    return ST_OK;
}

/* --- c-ares on the loop --- */

static void arm(struct dnsq *q);

static void process(struct dnsq *q, ares_socket_t read_fd, ares_socket_t write_fd)
{
    ares_process_fd(q->channel, read_fd, write_fd);
    if (!q->is_ended)
        arm(q);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct dnsq_socket *s = container_of(poll, struct dnsq_socket, poll);
    bool both = status < 0; /* the error is c-ares's to find by reading */
    process(s->q, both || (events & UV_READABLE) ? s->fd : ARES_SOCKET_BAD,
            both || (events & UV_WRITABLE) ? s->fd : ARES_SOCKET_BAD);
}

static void on_retry(uv_timer_t *timer)
{
    process(timer->data, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void arm(struct dnsq *q)
{
    struct timeval max = {.tv_sec = 1};
    struct timeval tv;
    const struct timeval *next = ares_timeout(q->channel, &max, &tv);
    uint64_t ms = (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1;
    (void)uv_timer_start(q->retry, on_retry, ms, 0);
}

static void socket_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct dnsq_socket, poll));
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dnsq *q = arg;
    struct dnsq_socket **at = &q->sockets;
    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    struct dnsq_socket *s = *at;
    if (!readable && !writable) {
        if (s) {
            *at = s->next;
            (void)uv_poll_stop(&s->poll);
            uv_close((uv_handle_t *)&s->poll, socket_closed);
        }
        return;
    }
    if (!s) {
        s = calloc(1, sizeof(*s));
        if (!s || uv_poll_init_socket(&q->client->loop, &s->poll, fd) != 0) {
            free(s); /* the question ends by its time limit */
            return;
        }
        s->fd = fd;
        s->q = q;
        s->next = q->sockets;
        q->sockets = s;
    }
    (void)uv_poll_start(&s->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                        on_ready);
}

/* --- a question's life --- */

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void question_free(struct dnsq *q)
{
    buf_done(&q->message);
    free(q);
}

/* Tells the owner; what is left to do is dispose. */
static void end(struct dnsq *q, const struct dnsq_reply *reply)
{
    q->is_ended = true;
    *q->self = q->next;
    if (q->next)
        q->next->self = q->self;
    struct dnsq_reply timed = *reply;
    timed.took_us = httpc_now_us() - q->started_us;
    q->done(&timed, q->arg);
}

static void fail(struct dnsq *q, enum dnsq_failure failure, const char *text)
{
    struct dnsq_reply reply = {.failure = failure};
    (void)str_copy(reply.error, sizeof(reply.error), text);
    end(q, &reply);
}

/* Not from inside a callback of c-ares, which would be destroying its caller. */
static void dispose(void *arg)
{
    struct dnsq *q = arg;
    if (q->timer) {
        httpc_timer_clear(q->client, q->timer);
        free(q->timer);
    }
    if (q->channel)
        ares_destroy(q->channel);
    if (q->retry)
        uv_close((uv_handle_t *)q->retry, timer_closed);
    question_free(q);
}

static void on_disposal(void *arg)
{
    struct dnsq *q = arg;
    q->timer = NULL; /* the clock frees it */
    dispose(q);
}

static void on_answer(void *arg, int code, int timeouts, unsigned char *data, int len)
{
    (void)timeouts;
    struct dnsq *q = arg;
    if (q->is_ended)
        return;
    struct dnsq_reply reply = {.failure = DNSQ_OK};
    AUTO_ARENA arena = arena_new_small(ANSWER_BYTES);
    if (code == ARES_ETIMEOUT)
        fail(q, DNSQ_TIMEOUT, "the name server did not answer");
    else if (code == ARES_ECONNREFUSED)
        fail(q, DNSQ_UNREACHABLE, "no name server could be reached");
    else if (code == ARES_ENOMEM || !arena)
        fail(q, DNSQ_INTERNAL, "no memory");
    else if (code != ARES_SUCCESS)
        fail(q, DNSQ_PROTOCOL, ares_strerror(code));
    else if (dns_answer_read(data, (size_t)len, arena, &reply.answer) != ST_OK)
        fail(q, DNSQ_PROTOCOL, "what the name server sent is no DNS answer");
    else
        end(q, &reply);
    /* The timer is on the clock already: it only moves. */
    q->timer->fn = on_disposal;
    enum status st = httpc_timer_set(q->client, q->timer, httpc_now_us());
    if (st != ST_OK)
        log_error("dnsq_dispose", kv_status(st)); /* at its time limit, then */
}

static void on_deadline(void *arg)
{
    struct dnsq *q = arg;
    if (httpc_is_stopping(q->client))
        fail(q, DNSQ_CANCELLED, "the client is stopping");
    else
        fail(q, DNSQ_TIMEOUT, "the name server did not answer in time");
    on_disposal(q);
}

static enum status channel_open(struct dnsq *q)
{
    int64_t try_ms = MAX_OF(q->timeout_ms / TRIES, (int64_t)1);
    struct ares_options options = {
        .flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = (int)MIN_OF(try_ms, (int64_t)5000),
        .tries = TRIES,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = q,
    };
    if (ares_init_options(&q->channel, &options,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                              ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS)
        return ST_NO_MEMORY;
    const char *servers = q->servers[0] ? q->servers : q->client->nameservers;
    if (servers[0] && ares_set_servers_ports_csv(q->channel, servers) != ARES_SUCCESS)
        return ST_INVALID;
    q->retry = calloc(1, sizeof(*q->retry));
    if (!q->retry || uv_timer_init(&q->client->loop, q->retry) != 0)
        return ST_NO_MEMORY;
    q->retry->data = q;
    return ST_OK;
}

/* What can go wrong before the question is out. */
static enum status open_all(struct dnsq *q)
{
    if (httpc_is_stopping(q->client))
        return ST_STOPPED;
    TRY(channel_open(q));
    q->timer = calloc(1, sizeof(*q->timer));
    if (!q->timer)
        return ST_NO_MEMORY;
    q->timer->fn = on_deadline;
    q->timer->arg = q;
    return httpc_timer_set(q->client, q->timer, q->started_us + q->timeout_ms * 1000);
}

static void start(void *arg)
{
    struct dnsq *q = arg;
    q->started_us = httpc_now_us();
    q->next = q->client->questions;
    q->self = &q->client->questions;
    if (q->next)
        q->next->self = &q->next;
    q->client->questions = q;
    enum status st = q->is_bad_name ? ST_INVALID : open_all(q);
    if (st == ST_OK) {
        ares_send(q->channel, (const unsigned char *)q->message.data, (int)q->message.len,
                  on_answer, q);
        if (!q->is_ended)
            arm(q);
        return;
    }
    if (q->is_bad_name)
        fail(q, DNSQ_BAD_NAME, "this is no name that can be asked for");
    else
        fail(q, st == ST_STOPPED ? DNSQ_CANCELLED : DNSQ_INTERNAL, status_title(st));
    dispose(q);
}

enum status dnsq_submit(struct httpc *c, const struct dnsq_request *request, dnsq_done_fn *done,
                        void *arg, uint64_t *id)
{
    static _Atomic uint64_t last_id;
    struct dnsq *q = calloc(1, sizeof(*q));
    if (!q)
        return ST_NO_MEMORY;
    q->client = c;
    q->done = done;
    q->arg = arg;
    q->timeout_ms = MAX_OF(request->timeout_ms, (int64_t)1);
    q->id = atomic_fetch_add(&last_id, 1) + 1;
    buf_init(&q->message, 1024);
    q->is_bad_name = dns_question_write(&request->question, &q->message) != ST_OK;
    enum status st = servers_write(request, q->servers);
    *id = q->id;
    if (st == ST_OK)
        st = httpc_later(c, 0, start, q);
    if (st != ST_OK)
        question_free(q);
    return st;
}

struct cancel {
    struct httpc *client;
    uint64_t id;
};

static void cancel_here(void *arg)
{
    struct cancel *wanted = arg;
    struct dnsq *q = wanted->client->questions;
    while (q && q->id != wanted->id)
        q = q->next;
    free(wanted);
    if (!q)
        return;
    fail(q, DNSQ_CANCELLED, "cancelled");
    dispose(q);
}

void dnsq_cancel(struct httpc *c, uint64_t id)
{
    struct cancel *wanted = calloc(1, sizeof(*wanted));
    if (!wanted)
        return; /* it ends by its time limit */
    *wanted = (struct cancel){c, id};
    if (httpc_later(c, 0, cancel_here, wanted) != ST_OK)
        free(wanted); /* stopping: it is being cancelled anyway */
}
