/* Starting and stopping the server: listening socket, libmicrohttpd's threads, handler threads, and
 * the timer that ends what takes too long. */
#include "net/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"

enum { BACKLOG = 1024, REAP_MS = 250, IDLE_TICK_MS = 1000, STOP_POLL_MS = 5 };
enum { IO_STACK_BYTES = 256 * 1024 };

struct handler_thread {
    struct http_server *server;
    struct stage *stage;
    void *ctx;
};

int http_port(const struct http_server *s)
{
    return s->port;
}

static void handle_requests(struct stage *stage, void *arg)
{
    struct handler_thread *t = arg;
    void *item = NULL;
    (void)stage;
    while (bqueue_take(t->server->queue, &item, 1, -1) == 1) {
        struct exchange *ex = item;
        metric_add(&http_metric_queued, -1);
        if (!http_request_run(ex, t->ctx))
            continue;
        ex->phase = EX_READY;
        MHD_resume_connection(ex->connection);
    }
}

static void handle_batches(struct stage *stage, void *arg)
{
    struct handler_thread *t = arg;
    (void)stage;
    http_batch_run(t->server, t->ctx);
}

/* Cuts off clients that take too long. The lock keeps their sockets from being closed meanwhile. */
static bool reap_slow_clients(struct http_server *s, int64_t now)
{
    (void)pthread_mutex_lock(&s->clients_lock);
    for (struct client *c = s->clients; c; c = c->next) {
        int64_t deadline = atomic_load(&c->deadline_mono_ms);
        if (deadline == 0 || deadline > now)
            continue;
        atomic_store(&c->deadline_mono_ms, 0);
        (void)shutdown(c->fd, SHUT_RDWR);
        log_debug("http_client_too_slow");
    }
    bool any = s->clients != NULL;
    (void)pthread_mutex_unlock(&s->clients_lock);
    return any;
}

static void run_timer(struct stage *stage, void *arg)
{
    struct http_server *s = arg;
    int64_t wait_ms = 0;
    while (stage_sleep(stage, wait_ms)) {
        int64_t now = clock_mono_ms();
        bool has_clients = reap_slow_clients(s, now);
        int64_t next = http_park_tick(s, now);
        wait_ms = has_clients ? REAP_MS : IDLE_TICK_MS;
        if (next - now < wait_ms)
            wait_ms = MAX_OF(next - now, 1);
    }
}

static enum status parse_address(const char *text, int port, struct sockaddr_storage *out,
                                 socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *len = sizeof(*v4);
        return ST_OK;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *len = sizeof(*v6);
        return ST_OK;
    }
    return ST_INVALID;
}

static int bound_port(int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return 0;
    return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port)
                                   : ntohs(((struct sockaddr_in *)&a)->sin_port);
}

static enum status listen_on(const char *address, int port, int *out, struct errbuf *err)
{
    struct sockaddr_storage a;
    socklen_t len = 0;
    if (parse_address(address, port, &a, &len) != ST_OK)
        return err_set(err, ST_INVALID, "%s is no IP address to listen on", address);
    int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, ST_IO, "socket: %s", strerror(errno));
    const int on = 1;
    const int off = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, (struct sockaddr *)&a, len) != 0 || listen(fd, BACKLOG) != 0) {
        enum status st = err_set(err, ST_IO, "cannot listen on %s port %d: %s", address, port,
                                 strerror(errno));
        (void)close(fd);
        return st;
    }
    *out = fd;
    return ST_OK;
}

static void log_library(void *cls, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void log_library(void *cls, const char *fmt, va_list ap)
{
    char text[512];
    (void)cls;
    if (!log_is_on(LOG_LEVEL_DEBUG))
        return;
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    log_debug("http_library", kv_str("message", text));
}

/* Targets are decoded by us, and only after the checks. */
static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *s)
{
    (void)cls, (void)connection;
    return strlen(s);
}

static enum status start_daemon(struct http_server *s, int fd, struct errbuf *err)
{
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                           MHD_USE_ERROR_LOG;
    int threads = s->config.io_threads;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_library, NULL},
        {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)LIMIT_HTTP_CONNECTION_BYTES, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, s->config.connections_max, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)LIMIT_HTTP_IDLE_S, NULL},
        {MHD_OPTION_THREAD_STACK_SIZE, (intptr_t)IO_STACK_BYTES, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escaped, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_on_target, s},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_on_end, s},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)http_on_connection, s},
        /* one thread is not a pool; the last item ends the list early then */
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, http_on_request, s, MHD_OPTION_ARRAY,
                                 options, MHD_OPTION_END);
    return s->daemon ? ST_OK : err_set(err, ST_INTERNAL, "the HTTP server did not start");
}

static enum status start_threads(struct http_server *s, const char *name, int count, stage_fn *fn,
                                 struct handler_thread **out, int *started)
{
    struct handler_thread *threads = calloc((size_t)count, sizeof(*threads));
    if (!threads)
        return ST_NO_MEMORY;
    *out = threads;
    for (int i = 0; i < count; i++) {
        struct handler_thread *t = &threads[i];
        char text[24];
        (void)snprintf(text, sizeof(text), "%s-%d", name, i);
        t->server = s;
        *started = i + 1;
        if (s->config.ctx_new)
            TRY(s->config.ctx_new(s->config.arg, &t->ctx));
        TRY(stage_start(text, fn, t, &t->stage));
    }
    return ST_OK;
}

static enum status start_handlers(struct http_server *s, struct errbuf *err)
{
    if (s->config.handler_threads == 0)
        return route_table_is_inline(s->routes)
                   ? ST_OK
                   : err_set(err, ST_INVALID, "routes that are not inline need handler threads");
    TRY(start_threads(s, "http", s->config.handler_threads, handle_requests, &s->handlers,
                      &s->handler_count));
    if (s->config.batch_threads == 0)
        return ST_OK;
    s->batch_queue = bqueue_new((size_t)MAX_OF(s->config.queue_max, 1));
    if (!s->batch_queue)
        return ST_NO_MEMORY;
    return start_threads(s, "batch", s->config.batch_threads, handle_batches, &s->batchers,
                         &s->batch_count);
}

static void join_threads(struct bqueue *queue, struct handler_thread *threads, int count)
{
    if (queue)
        bqueue_close(queue);
    for (int i = 0; i < count; i++)
        stage_join(threads[i].stage);
}

static void free_threads(struct http_server *s, struct handler_thread *threads, int count)
{
    for (int i = 0; i < count; i++) {
        if (s->config.ctx_free && threads[i].ctx)
            s->config.ctx_free(threads[i].ctx);
    }
    free(threads);
}

/* Joins what was started, in the order that lets every suspended connection go on. NULL-safe in
 * every part, so that a failed start ends here too. */
static void tear_down(struct http_server *s)
{
    /* First those that hand requests on to the others. */
    join_threads(s->batch_queue, s->batchers, s->batch_count);
    join_threads(s->queue, s->handlers, s->handler_count);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    http_linger_free(s->linger);
    stage_join(s->timer);
    free_threads(s, s->batchers, s->batch_count);
    free_threads(s, s->handlers, s->handler_count);
    bqueue_free(s->batch_queue);
    bqueue_free(s->queue);
    http_park_done(&s->park);
    route_table_free(s->routes);
    http_traffic_close(s->traffic);
    cidr_list_done(&s->proxies);
    (void)pthread_mutex_destroy(&s->clients_lock);
    free(s);
}

static enum status start(struct http_server *s, struct errbuf *err)
{
    const struct http_config *c = &s->config;
    if (!str_is_empty(c->traffic_file))
        TRY(http_traffic_open(c->traffic_file, &s->traffic));
    TRY(cidr_list_parse(c->trusted_proxies, "TOCSIN_TRUSTED_PROXIES", &s->proxies, err));
    TRY(route_table_new(c->sets, c->set_count, &s->routes, err));
    TRY(http_park_init(&s->park, (size_t)MAX_OF(c->parked_max, 0)));
    /* Woken requests must always find room: they were admitted before. */
    s->queue = bqueue_new((size_t)MAX_OF(c->queue_max, 1) + (size_t)MAX_OF(c->parked_max, 0));
    if (!s->queue)
        return ST_NO_MEMORY;
    TRY(http_linger_new(&s->linger));
    TRY(start_handlers(s, err));
    TRY(stage_start("http-timer", run_timer, s, &s->timer));
    int fd = -1;
    TRY(listen_on(c->listen, c->port, &fd, err));
    s->port = bound_port(fd);
    enum status st = start_daemon(s, fd, err);
    if (st != ST_OK)
        (void)close(fd);
    return st;
}

enum status http_start(const struct http_config *config, struct http_server **out,
                       struct errbuf *err)
{
    struct http_server *s = calloc(1, sizeof(*s));
    if (!s)
        return ST_NO_MEMORY;
    http_metrics_setup();
    (void)pthread_mutex_init(&s->clients_lock, NULL);
    s->config = *config;
    if (!s->config.server_name)
        s->config.server_name = "Tocsin";
    enum status st = start(s, err);
    if (st != ST_OK) {
        tear_down(s);
        return st;
    }
    log_info("http_listening", kv_str("address", config->listen), kv_i64("port", s->port));
    *out = s;
    return ST_OK;
}

static void wait_until_idle(struct http_server *s, int64_t grace_ms)
{
    const struct timespec pause = {.tv_nsec = STOP_POLL_MS * 1000000L};
    int64_t deadline = clock_mono_ms() + grace_ms;
    while (atomic_load(&s->active) > 0 && clock_mono_ms() < deadline)
        (void)nanosleep(&pause, NULL);
}

void http_stop(struct http_server *s, int64_t grace_ms)
{
    if (!s)
        return;
    atomic_store(&s->is_stopping, true);
    int fd = MHD_quiesce_daemon(s->daemon);
    /* Nobody can connect any more. The descriptor itself lives until the library's threads are
     * gone: each takes it out of its epoll set in its own time, and aborts when it cannot. */
    if (fd >= 0)
        (void)shutdown(fd, SHUT_RDWR);
    http_park_stop(s);
    wait_until_idle(s, grace_ms);
    atomic_store(&s->is_over, true);
    tear_down(s);
    if (fd >= 0)
        (void)close(fd);
}
