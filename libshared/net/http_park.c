/* Requests that wait for an event without holding a thread: by key, each with its own deadline,
 * since libmicrohttpd neither times out a suspended connection nor sees it close. */
#include "net/http_internal.h"

#include <string.h>

#include "base/clock.h"
#include "log/log.h"

enum status http_park_init(struct park *p, size_t max)
{
    p->by_key = map_new(max > 0 ? max : 1);
    if (!p->by_key)
        return ST_NO_MEMORY;
    p->max = max;
    heap_init(&p->timers);
    (void)pthread_mutex_init(&p->lock, NULL);
    return ST_OK;
}

void http_park_done(struct park *p)
{
    if (!p->by_key)
        return;
    map_free(p->by_key);
    heap_done(&p->timers);
    (void)pthread_mutex_destroy(&p->lock);
}

static struct exchange *exchange_of(struct req *r)
{
    return container_of(r, struct exchange, req);
}

static enum status add_locked(struct park *p, struct exchange *ex, int64_t at_mono_ms)
{
    if (p->is_stopping)
        return ST_STOPPED;
    if (p->count >= p->max)
        return ST_OVERLOADED;
    if (ex->park_state != PARK_NONE)
        return ST_INTERNAL;
    TRY(heap_put(&p->timers, &ex->park_timer, at_mono_ms));
    ex->park_next = map_get(p->by_key, &ex->park_key, sizeof(ex->park_key));
    enum status st = map_set(p->by_key, &ex->park_key, sizeof(ex->park_key), ex);
    if (st != ST_OK) {
        heap_remove(&p->timers, &ex->park_timer);
        return st;
    }
    ex->park_state = PARK_ARMED;
    p->count++;
    metric_add(&http_metric_parked, 1);
    return ST_OK;
}

/* Out of the timers and of its key's list; its state is the caller's to set. */
static void remove_locked(struct park *p, struct exchange *ex)
{
    heap_remove(&p->timers, &ex->park_timer);
    struct exchange *head = map_get(p->by_key, &ex->park_key, sizeof(ex->park_key));
    if (head == ex && ex->park_next) {
        /* Replacing the value of a key that is there needs no memory. */
        enum status st = map_set(p->by_key, &ex->park_key, sizeof(ex->park_key), ex->park_next);
        if (st != ST_OK)
            abort();
    } else if (head == ex) {
        (void)map_remove(p->by_key, &ex->park_key, sizeof(ex->park_key));
    } else {
        struct exchange **at = &head->park_next;
        while (*at != ex)
            at = &(*at)->park_next;
        *at = ex->park_next;
    }
    ex->park_next = NULL;
    p->count--;
    metric_add(&http_metric_parked, -1);
}

static void wake_locked(struct http_server *s, struct exchange *ex)
{
    remove_locked(&s->park, ex);
    if (ex->park_state == PARK_ARMED) {
        ex->park_state = PARK_WOKEN;
        return;
    }
    ex->park_state = PARK_QUEUED;
    /* The queue has room for all that can be parked, and is closed after the last one left. */
    if (bqueue_try_put(s->queue, ex) != ST_OK) {
        log_error("http_park_lost");
        abort();
    }
    metric_add(&http_metric_queued, 1);
}

enum status req_park(struct req *r, const struct uuid *key, int64_t timeout_ms,
                     http_handler *resume)
{
    struct exchange *ex = exchange_of(r);
    struct park *p = &ex->server->park;
    if (r->may_not_park || (r->route && (r->route->flags & ROUTE_INLINE)))
        return ST_INTERNAL;

    free(take(&ex->wake_data));
    ex->wake_len = 0;
    ex->wake_timed_out = false;
    (void)pthread_mutex_lock(&p->lock);
    ex->park_key = *key;
    ex->resume = resume;
    enum status st = add_locked(p, ex, clock_mono_ms() + MAX_OF(timeout_ms, 0));
    bool is_first = st == ST_OK && heap_top(&p->timers) == &ex->park_timer;
    (void)pthread_mutex_unlock(&p->lock);
    ex->has_parked = ex->has_parked || st == ST_OK;
    if (is_first)
        stage_wake(ex->server->timer);
    return st;
}

void req_unpark(struct req *r)
{
    struct exchange *ex = exchange_of(r);
    struct park *p = &ex->server->park;
    (void)pthread_mutex_lock(&p->lock);
    if (ex->park_state == PARK_ARMED)
        remove_locked(p, ex);
    ex->park_state = PARK_NONE;
    (void)pthread_mutex_unlock(&p->lock);
}

size_t http_wake(struct http_server *s, const struct uuid *key, const void *data, size_t len)
{
    size_t woken = 0;
    (void)pthread_mutex_lock(&s->park.lock);
    for (;;) {
        struct exchange *ex = map_get(s->park.by_key, key, sizeof(*key));
        if (!ex)
            break;
        ex->wake_data = calloc(1, len + 1);
        if (ex->wake_data && len > 0)
            memcpy(ex->wake_data, data, len);
        ex->wake_len = ex->wake_data ? len : 0;
        wake_locked(s, ex);
        woken++;
    }
    (void)pthread_mutex_unlock(&s->park.lock);
    return woken;
}

enum park_state http_park_settle(struct exchange *ex, enum status st)
{
    struct park *p = &ex->server->park;
    if (!ex->has_parked)
        return PARK_NONE;
    if (st != ST_OK || ex->req.status != 0) {
        req_unpark(&ex->req); /* it has an answer after all */
        ex->has_parked = false;
        return PARK_NONE;
    }
    (void)pthread_mutex_lock(&p->lock);
    enum park_state now = ex->park_state;
    if (now == PARK_ARMED)
        ex->park_state = now = PARK_WAITING;
    else
        ex->has_parked = false;
    if (now == PARK_WOKEN)
        ex->park_state = PARK_NONE;
    (void)pthread_mutex_unlock(&p->lock);
    return now;
}

bool http_park_take_queued(struct exchange *ex)
{
    if (!ex->has_parked)
        return false;
    (void)pthread_mutex_lock(&ex->server->park.lock);
    ex->park_state = PARK_NONE;
    (void)pthread_mutex_unlock(&ex->server->park.lock);
    ex->has_parked = false;
    return true;
}

int64_t http_park_tick(struct http_server *s, int64_t now_mono_ms)
{
    int64_t next = INT64_MAX;
    (void)pthread_mutex_lock(&s->park.lock);
    for (;;) {
        struct heap_node *top = heap_top(&s->park.timers);
        if (!top)
            break;
        if (top->at > now_mono_ms) {
            next = top->at;
            break;
        }
        struct exchange *ex = container_of(top, struct exchange, park_timer);
        ex->wake_timed_out = true;
        wake_locked(s, ex);
    }
    (void)pthread_mutex_unlock(&s->park.lock);
    return next;
}

void http_park_stop(struct http_server *s)
{
    (void)pthread_mutex_lock(&s->park.lock);
    s->park.is_stopping = true;
    for (;;) {
        struct heap_node *top = heap_top(&s->park.timers);
        if (!top)
            break;
        struct exchange *ex = container_of(top, struct exchange, park_timer);
        ex->wake_stopped = true;
        wake_locked(s, ex);
    }
    (void)pthread_mutex_unlock(&s->park.lock);
}
