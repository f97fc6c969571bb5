/*
 * What other threads do with the client, and what its loop finds of that: requests, cancellations
 * and timers, under the one lock that the two sides share.
 */
#include "net/httpc_internal.h"

/* --- from other threads --- */

/* *id is written before the loop can see the call: its owner may be told of the end at once. */
static enum status enlist(struct httpc *c, struct call *call, uint64_t *id)
{
    (void)pthread_mutex_lock(&c->lock);
    enum status st = c->is_stopping ? ST_STOPPED : ST_OK;
    if (st == ST_OK) {
        call->id = ++c->next_id;
        st = map_set(c->calls, &call->id, sizeof(call->id), call);
    }
    if (st == ST_OK) {
        if (id)
            *id = call->id;
        *c->inbox_end = call;
        c->inbox_end = &call->next;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return st;
}

enum status httpc_submit(struct httpc *c, const struct httpc_request *request, httpc_done_fn *done,
                         void *arg, uint64_t *id)
{
    if (atomic_fetch_add(&c->running, 1) >= c->max_requests) {
        atomic_fetch_sub(&c->running, 1);
        return ST_OVERLOADED;
    }
    struct call *call = NULL;
    enum status st = call_new(c, request, &call);
    if (st == ST_OK) {
        call->done = done;
        call->arg = arg;
        st = enlist(c, call, id);
    }
    if (st != ST_OK) {
        call_free(call);
        atomic_fetch_sub(&c->running, 1);
        return st;
    }
    (void)uv_async_send(&c->wake);
    return ST_OK;
}

void httpc_cancel(struct httpc *c, uint64_t id)
{
    (void)pthread_mutex_lock(&c->lock);
    struct call *call = map_get(c->calls, &id, sizeof(id));
    if (call && !call->cancel_asked) {
        call->cancel_asked = true;
        call->cancel_next = c->cancels;
        c->cancels = call;
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (call)
        (void)uv_async_send(&c->wake);
}

enum status httpc_later(struct httpc *c, int64_t delay_ms, void (*fn)(void *), void *arg)
{
    struct timer *t = calloc(1, sizeof(*t));
    if (!t)
        return ST_NO_MEMORY;
    t->fn = fn;
    t->arg = arg;
    t->node.at = httpc_now_us() + MAX_OF(delay_ms, (int64_t)0) * 1000;
    (void)pthread_mutex_lock(&c->lock);
    enum status st = c->is_stopping ? ST_STOPPED : ST_OK;
    if (st == ST_OK) {
        t->next = c->laters;
        c->laters = t;
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (st != ST_OK) {
        free(t);
        return st;
    }
    (void)uv_async_send(&c->wake);
    return ST_OK;
}

size_t httpc_running(struct httpc *c)
{
    return atomic_load(&c->running);
}

/* --- on the loop --- */

struct httpc_mail httpc_take_mail(struct httpc *c)
{
    (void)pthread_mutex_lock(&c->lock);
    struct httpc_mail mail = {c->inbox, c->laters, c->is_stopping};
    c->inbox = NULL;
    c->inbox_end = &c->inbox;
    c->laters = NULL;
    (void)pthread_mutex_unlock(&c->lock);
    return mail;
}

struct call *httpc_take_cancel(struct httpc *c)
{
    (void)pthread_mutex_lock(&c->lock);
    struct call *call = c->cancels;
    if (call)
        c->cancels = call->cancel_next;
    (void)pthread_mutex_unlock(&c->lock);
    return call;
}

bool httpc_is_cancelled(struct httpc *c, const struct call *call)
{
    (void)pthread_mutex_lock(&c->lock);
    bool asked = call->cancel_asked;
    (void)pthread_mutex_unlock(&c->lock);
    return asked;
}

bool httpc_is_stopping(struct httpc *c)
{
    (void)pthread_mutex_lock(&c->lock);
    bool is_stopping = c->is_stopping;
    (void)pthread_mutex_unlock(&c->lock);
    return is_stopping;
}

void httpc_forget(struct httpc *c, struct call *call)
{
    (void)pthread_mutex_lock(&c->lock);
    (void)map_remove(c->calls, &call->id, sizeof(call->id));
    for (struct call **at = &c->cancels; *at; at = &(*at)->cancel_next) {
        if (*at == call) {
            *at = call->cancel_next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    atomic_fetch_sub(&c->running, 1);
}
