/*
 * Requests that are answered several at once: threads of their own take all that wait, and one
 * query then serves them all. What cannot be answered so goes on to the handler threads.
 */
#include "net/http_internal.h"

#include "log/log.h"

struct batch {
    struct http_server *server;
    struct req *waiting[LIMIT_HTTP_BATCH];
    size_t count;
};

static struct exchange *exchange_of(struct req *r)
{
    return container_of(r, struct exchange, req);
}

bool http_batch_takes(const struct http_server *s, const struct route *route)
{
    return s->batch_count > 0 && route->method == M_GET &&
           (route->batch || (route->reads != 0 && s->config.before_batch));
}

/* The reply stands, or what st is becomes it: the connection goes on. */
static void end(struct exchange *ex, enum status st)
{
    http_request_finish(ex, st);
    ex->phase = EX_READY;
    MHD_resume_connection(ex->connection);
}

/* To the handler threads, which find it admitted. */
static void forward(struct exchange *ex)
{
    metric_add(&http_metric_queued, 1);
    const enum status st = bqueue_try_put(ex->server->queue, ex);
    if (st == ST_OK)
        return;
    metric_add(&http_metric_queued, -1);
    metric_inc(&http_metric_refused);
    end(ex, st);
}

/* Keeps those that have no reply yet. */
static void end_answered(struct batch *b)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (b->waiting[i]->status == 0)
            b->waiting[kept++] = b->waiting[i];
        else
            end(exchange_of(b->waiting[i]), ST_OK);
    }
    b->count = kept;
}

/* All that are for the route of the first one. */
static void answer_route(struct batch *b)
{
    const struct route *route = b->waiting[0]->route;
    struct req *same[LIMIT_HTTP_BATCH];
    size_t count = 0;
    size_t kept = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (b->waiting[i]->route == route)
            same[count++] = b->waiting[i];
        else
            b->waiting[kept++] = b->waiting[i];
    }
    b->count = kept;
    const enum status st = route->batch ? route->batch(same, count) : ST_OK;
    for (size_t i = 0; i < count; i++) {
        if (route->batch)
            end(exchange_of(same[i]), same[i]->status == 0 ? st : ST_OK);
        else
            forward(exchange_of(same[i]));
    }
}

static void answer(struct batch *b)
{
    if (b->count > 0 && b->server->config.before_batch) {
        b->server->config.before_batch(b->waiting, b->count);
        end_answered(b);
    }
    while (b->count > 0)
        answer_route(b);
}

void http_batch_run(struct http_server *s, void *ctx)
{
    void *items[LIMIT_HTTP_BATCH];
    for (;;) {
        const size_t n = bqueue_take(s->batch_queue, items, LIMIT_HTTP_BATCH, -1);
        if (n == 0)
            return;
        metric_add(&http_metric_queued, -(int64_t)n);
        struct batch b = {.server = s};
        for (size_t i = 0; i < n; i++) {
            struct exchange *ex = items[i];
            const enum status st = http_request_admit(ex, ctx);
            if (st != ST_OK || ex->req.status != 0)
                end(ex, st);
            else
                b.waiting[b.count++] = &ex->req;
        }
        answer(&b);
    }
}
