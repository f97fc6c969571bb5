/*
 * The client's thread: a libuv loop that drives libcurl's multi_socket interface, and one clock for
 * all deadlines.
 */
#include "net/httpc_internal.h"

#include <string.h>

#include "base/str.h"
#include "log/log.h"

static const char *const failure_names[] = {
    [HTTPC_OK] = "ok",
    [HTTPC_BAD_URL] = "bad_url",
    [HTTPC_DENIED] = "denied",
    [HTTPC_DNS] = "dns",
    [HTTPC_CONNECT] = "connect",
    [HTTPC_TLS] = "tls",
    [HTTPC_SEND] = "send",
    [HTTPC_RECEIVE] = "receive",
    [HTTPC_TIMEOUT] = "timeout",
    [HTTPC_TOO_MANY_REDIRECTS] = "too_many_redirects",
    [HTTPC_TOO_LARGE] = "too_large",
    [HTTPC_PROTOCOL] = "protocol",
    [HTTPC_CANCELLED] = "cancelled",
    [HTTPC_INTERNAL] = "internal",
};

const char *httpc_failure_name(enum httpc_failure f)
{
    return (size_t)f < ARRAY_LEN(failure_names) ? failure_names[f] : "internal";
}

int64_t httpc_now_us(void)
{
    /* The real clock on purpose: what happens on the network does not follow a test's clock. */
    return (int64_t)(uv_hrtime() / 1000);
}

/* --- the clock --- */

static void on_clock(uv_timer_t *timer);

static void clock_arm(struct httpc *c)
{
    const struct heap_node *top = heap_top(&c->timers);
    int64_t at = top ? top->at : 0;
    if (at == c->clock_at_us)
        return;
    c->clock_at_us = at;
    if (at == 0) {
        (void)uv_timer_stop(&c->clock);
        return;
    }
    int64_t wait_us = at - httpc_now_us();
    uint64_t ms = wait_us > 0 ? ((uint64_t)wait_us + 999) / 1000 : 0;
    uv_update_time(&c->loop);
    (void)uv_timer_start(&c->clock, on_clock, ms, 0);
}

enum status httpc_timer_set(struct httpc *c, struct timer *t, int64_t at_us)
{
    TRY(heap_put(&c->timers, &t->node, at_us));
    clock_arm(c);
    return ST_OK;
}

void httpc_timer_clear(struct httpc *c, struct timer *t)
{
    heap_remove(&c->timers, &t->node);
    clock_arm(c);
}

static void timer_fire(struct timer *t)
{
    if (t->call) {
        call_timed_out(t->call);
        return;
    }
    t->fn(t->arg);
    free(t);
}

static void on_clock(uv_timer_t *timer)
{
    struct httpc *c = timer->data;
    int64_t now = httpc_now_us();
    for (struct heap_node *top; (top = heap_top(&c->timers)) && top->at <= now;) {
        heap_remove(&c->timers, top);
        timer_fire(container_of(top, struct timer, node));
    }
    c->clock_at_us = 0; /* it fired: whatever is next has to be set anew */
    clock_arm(c);
}

/* --- libcurl on the loop --- */

struct curl_socket {
    uv_poll_t poll;
    curl_socket_t fd;
    struct httpc *client;
};

static void take_finished(struct httpc *c)
{
    int left = 0;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;) {
        if (m->msg != CURLMSG_DONE)
            continue;
        char *private = NULL;
        CURLcode code = m->data.result;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        call_hop_done((struct call *)(void *)private, code);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct curl_socket *s = container_of(poll, struct curl_socket, poll);
    struct httpc *c = s->client;
    /* A poll error is found, with its cause, by whoever reads or writes. */
    int mask = status < 0 ? CURL_CSELECT_IN | CURL_CSELECT_OUT : 0;
    if (events & UV_READABLE)
        mask |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        mask |= CURL_CSELECT_OUT;
    int running = 0;
    (void)curl_multi_socket_action(c->multi, s->fd, mask, &running);
    take_finished(c);
}

static void on_multi_timer(uv_timer_t *timer)
{
    struct httpc *c = timer->data;
    int running = 0;
    (void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_finished(c);
}

static void poll_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct curl_socket, poll));
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket)
{
    (void)easy;
    struct httpc *c = user;
    struct curl_socket *s = socket;
    if (what == CURL_POLL_REMOVE) {
        if (s) {
            (void)uv_poll_stop(&s->poll);
            uv_close((uv_handle_t *)&s->poll, poll_closed);
            (void)curl_multi_assign(c->multi, fd, NULL);
        }
        return 0;
    }
    if (!s) {
        s = calloc(1, sizeof(*s));
        if (!s || uv_poll_init_socket(&c->loop, &s->poll, fd) != 0) {
            free(s);
            return -1;
        }
        s->fd = fd;
        s->client = c;
        (void)curl_multi_assign(c->multi, fd, s);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&s->poll, events, on_poll) == 0 ? 0 : -1;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *user)
{
    (void)multi;
    struct httpc *c = user;
    if (timeout_ms < 0)
        (void)uv_timer_stop(&c->multi_timer);
    else
        (void)uv_timer_start(&c->multi_timer, on_multi_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

/* --- what came in --- */

static void start_laters(struct httpc *c, struct timer *list)
{
    while (list) {
        struct timer *t = list;
        list = t->next;
        if (httpc_timer_set(c, t, t->node.at) != ST_OK) {
            /* No memory to wait in: sooner is better than never. */
            t->fn(t->arg);
            free(t);
        }
    }
}

/* Ends whatever there is; what ends may not add new work, since is_stopping is set. */
static void end_all(struct httpc *c)
{
    for (;;) {
        (void)pthread_mutex_lock(&c->lock);
        size_t at = 0;
        const void *key = NULL;
        size_t len = 0;
        void *call = NULL;
        bool any = map_next(c->calls, &at, &key, &len, &call);
        (void)pthread_mutex_unlock(&c->lock);
        if (!any)
            break;
        call_fail(call, HTTPC_CANCELLED, "the client is stopping");
    }
    for (struct heap_node *top; (top = heap_top(&c->timers)) != NULL;) {
        heap_remove(&c->timers, top);
        timer_fire(container_of(top, struct timer, node));
    }
}

static void on_wake(uv_async_t *wake)
{
    struct httpc *c = wake->data;
    struct httpc_mail mail = httpc_take_mail(c);
    while (mail.calls) {
        struct call *call = mail.calls;
        mail.calls = call->next;
        call_start(call);
    }
    start_laters(c, mail.laters);
    for (struct call *call; (call = httpc_take_cancel(c)) != NULL;) {
        /* One that is in the inbox again by now is found cancelled when it is to start. */
        if (call->state != CALL_WAITING)
            call_fail(call, HTTPC_CANCELLED, "cancelled");
    }
    if (mail.is_stopping) {
        end_all(c);
        uv_stop(&c->loop);
    }
}

/* --- life --- */

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void run(struct stage *stage, void *arg)
{
    (void)stage;
    struct httpc *c = arg;
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    /* Sockets first: libcurl and c-ares let go of theirs through the loop. */
    dns_close(c);
    while (c->pool) {
        struct handle *h = c->pool;
        c->pool = h->next;
        handle_free(h);
    }
    (void)curl_multi_cleanup(c->multi);
    uv_walk(&c->loop, close_handle, NULL);
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
}

static void global_setup(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    (void)ares_library_init(ARES_LIB_INIT_ALL);
}

static enum status multi_open(struct httpc *c)
{
    c->multi = curl_multi_init();
    if (!c->multi)
        return ST_NO_MEMORY;
    (void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    (void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    (void)curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    (void)curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    return ST_OK;
}

static enum status loop_open(struct httpc *c)
{
    if (uv_loop_init(&c->loop) != 0)
        return ST_NO_MEMORY;
    (void)uv_async_init(&c->loop, &c->wake, on_wake);
    (void)uv_timer_init(&c->loop, &c->multi_timer);
    (void)uv_timer_init(&c->loop, &c->dns_timer);
    (void)uv_timer_init(&c->loop, &c->clock);
    c->wake.data = c->multi_timer.data = c->dns_timer.data = c->clock.data = c;
    return ST_OK;
}

static void client_free(struct httpc *c)
{
    heap_done(&c->timers);
    map_free(c->calls);
    free(c->user_agent);
    free(c->ca_file);
    free(c->nameservers);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static enum status client_fill(struct httpc *c, const struct httpc_config *config)
{
    c->egress = config->egress;
    c->max_requests = MAX_OF(config->max_requests, (size_t)1);
    c->inbox_end = &c->inbox;
    heap_init(&c->timers);
    (void)pthread_mutex_init(&c->lock, NULL);
    TRY(str_dup(config->user_agent, &c->user_agent));
    TRY(str_dup(config->ca_file, &c->ca_file));
    TRY(str_dup(config->nameservers ? config->nameservers : "", &c->nameservers));
    c->calls = map_new(c->max_requests);
    return c->calls ? ST_OK : ST_NO_MEMORY;
}

static enum status client_open(struct httpc *c)
{
    struct errbuf err = {0};
    enum status st = multi_open(c);
    if (st == ST_OK)
        st = dns_open(c, &err);
    if (st == ST_OK)
        st = stage_start("httpc", run, c, &c->stage);
    if (st == ST_OK)
        return ST_OK;
    log_error("httpc_start", kv_status(st), kv_str("error", err.text));
    dns_close(c);
    (void)curl_multi_cleanup(c->multi);
    uv_walk(&c->loop, close_handle, NULL);
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    return st;
}

enum status httpc_start(const struct httpc_config *config, struct httpc **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, global_setup);
    struct httpc *c = calloc(1, sizeof(*c));
    if (!c)
        return ST_NO_MEMORY;
    enum status st = client_fill(c, config);
    if (st == ST_OK)
        st = loop_open(c);
    if (st == ST_OK) {
        st = client_open(c);
        if (st != ST_OK)
            (void)uv_loop_close(&c->loop);
    }
    if (st != ST_OK) {
        client_free(c);
        return st;
    }
    *out = c;
    return ST_OK;
}

void httpc_stop(struct httpc *c)
{
    if (!c)
        return;
    (void)pthread_mutex_lock(&c->lock);
    c->is_stopping = true;
    (void)pthread_mutex_unlock(&c->lock);
    (void)uv_async_send(&c->wake);
    stage_join(c->stage);
    (void)uv_loop_close(&c->loop);
    client_free(c);
}

const struct egress *httpc_egress(const struct httpc *c)
{
    return c->egress;
}
