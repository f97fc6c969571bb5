/*
 * webhook: POST requests as Standard Webhooks describes them (headers webhook-id,
 * webhook-timestamp, webhook-signature; body {type, timestamp, data}). Also how a check's own
 * webhook_url is told: with the same headers, only without a signature, as nobody was given a
 * secret.
 */
#include "channels/webhook.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "daemon/daemon.h"
#include "net/httpc.h"
#include "services/notifier/notifier.h"

enum { HEADERS_MAX = 40, BODY_MAX = 256 << 10, REPLY_KEPT = 2048 };

struct hooks {
    struct httpc *client; /* NULL after abort */
};

static enum status start(struct notifier *n, void **state, struct errbuf *err)
{
    static char agent[64];
    (void)snprintf(agent, sizeof(agent), "Tocsin/%s", tocsin_version);
    const struct httpc_config config = {
        .egress = n->egress,
        /* A few more than rooms: a request is only off the client's list after it told us. */
        .max_requests = LIMIT_NOTIFY_WEBHOOKS + 8,
        .user_agent = agent,
        .nameservers = n->conf->nameservers,
    };
    struct hooks *h = calloc(1, sizeof(*h));
    if (!h)
        return ST_NO_MEMORY;
    const enum status st = httpc_start(&config, &h->client);
    if (st != ST_OK) {
        free(h);
        return err_set(err, st, "the HTTP client does not start");
    }
    *state = h;
    return ST_OK;
}

static size_t room(const struct notifier *n)
{
    (void)n;
    return LIMIT_NOTIFY_WEBHOOKS;
}

/* {"type":"check.down","timestamp":"…","data":{…}}: the same bytes' worth at every attempt. */
static void write_body(const struct delivery_row *row, struct buf *body)
{
    struct jw w;
    jw_init(&w, body);
    jw_object(&w);
    jw_kv_str(&w, "type", row->event);
    jw_kv_time_us(&w, "timestamp", row->created_us);
    jw_kv_raw(&w, "data", row->payload);
    jw_end(&w);
}

struct request {
    const struct webhook_config *config; /* NULL: the check's own URL */
    char id[DELIVERY_KEY_BYTES + 8];
    char timestamp[24];
    char signature[WEBHOOK_SIGNATURE_BYTES];
    struct httpc_header headers[HEADERS_MAX];
    size_t count;
};

static void add_header(struct request *q, const char *name, const char *value)
{
    if (q->count < ARRAY_LEN(q->headers) && value)
        q->headers[q->count++] = (struct httpc_header){.name = name, .value = value};
}

static enum status add_headers(struct request *q, const struct delivery *d, const struct buf *body)
{
    const int64_t now_s = clock_wall_ms() / 1000;
    (void)snprintf(q->id, sizeof(q->id), "msg_%s", d->key);
    (void)snprintf(q->timestamp, sizeof(q->timestamp), "%" PRId64, now_s);
    add_header(q, "Content-Type", "application/json");
    add_header(q, "webhook-id", q->id);
    add_header(q, "webhook-timestamp", q->timestamp);
    if (!q->config)
        return ST_OK;
    if (q->config->secret.set) {
        TRY(webhook_sign(q->config->secret.v, q->id, now_s, body->data, body->len, q->signature));
        add_header(q, "webhook-signature", q->signature);
    }
    if (q->config->headers.set && !q->config->headers.null) {
        const char *name = NULL;
        json_t *value = NULL;
        json_object_foreach (q->config->headers.v, name, value) {
            add_header(q, name, json_string_value(value));
        }
    }
    return ST_OK;
}

static const char *find_header(const struct httpc_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        if (str_ieq(reply->headers[i].name, name))
            return reply->headers[i].value;
    }
    return NULL;
}

static void judge_failure(const struct httpc_reply *reply, struct outcome *o)
{
    o->verdict = OUTCOME_RETRY;
    o->endpoint = ENDPOINT_FAILS;
    outcome_error(o, "%s: %s", httpc_failure_name(reply->failure), reply->error);
    if (reply->failure == HTTPC_CANCELLED) {
        o->verdict = OUTCOME_RELEASED;
        o->endpoint = ENDPOINT_UNKNOWN;
    } else if (reply->failure == HTTPC_DENIED || reply->failure == HTTPC_BAD_URL) {
        o->verdict = OUTCOME_FAILED;
        o->endpoint = ENDPOINT_UNKNOWN;
    }
}

static void judge_status(const struct httpc_reply *reply, struct outcome *o)
{
    const int status = reply->status;
    o->response_code = status;
    o->endpoint = status >= 500 ? ENDPOINT_FAILS : ENDPOINT_WORKS;
    if (status >= 200 && status < 300) {
        o->verdict = OUTCOME_DELIVERED;
        return;
    }
    if (status == 410) {
        o->verdict = OUTCOME_FAILED;
        o->disable_reason = "the endpoint answered 410 Gone";
        outcome_error(o, "410 Gone: the endpoint wants no more");
        return;
    }
    o->verdict = OUTCOME_RETRY;
    if (status == 429 || status == 503)
        o->retry_after_ms = retry_after_parse_ms(find_header(reply, "Retry-After"),
                                                 clock_wall_ms() / 1000);
    if (status >= 300 && status < 400)
        outcome_error(o, "answered %d: redirects are not followed", status);
    else
        outcome_error(o, "answered %d: %.200s", status, reply->body ? reply->body : "");
    for (char *p = o->error; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    }
}

static void on_done(const struct httpc_reply *reply, void *arg)
{
    struct outcome o = {0};
    /* Headers came and only the body was too long or cut: the receiver has decided all the same. */
    if (reply->failure != HTTPC_OK && (reply->status == 0 || reply->failure == HTTPC_CANCELLED))
        judge_failure(reply, &o);
    else
        judge_status(reply, &o);
    delivery_done(arg, &o);
}

static enum status submit(struct hooks *h, struct delivery *d)
{
    struct request q = {.config = d->config};
    AUTO_BUF body;
    buf_init(&body, BODY_MAX);
    write_body(&d->row, &body);
    TRY(buf_status(&body));
    TRY(add_headers(&q, d, &body));
    double timeout_s = LIMIT_WEBHOOK_TIMEOUT_MS / 1000.0;
    if (q.config && q.config->timeout.set)
        timeout_s = fmin(timeout_s, q.config->timeout.v);
    const struct httpc_request request = {
        .method = "POST",
        .url = q.config ? q.config->url.v : d->row.target,
        .headers = q.headers,
        .header_count = q.count,
        .body = body.data,
        .body_len = body.len,
        .timeout_ms = (int64_t)(timeout_s * 1000),
        .max_body_bytes = REPLY_KEPT,
    };
    if (!request.url)
        return ST_INVALID;
    return httpc_submit(h->client, &request, on_done, d, NULL);
}

static void send_webhook(void *state, struct delivery *d)
{
    const enum status st = submit(state, d);
    if (st == ST_OK)
        return;
    struct outcome o = {.verdict = OUTCOME_RETRY, .endpoint = ENDPOINT_UNKNOWN};
    if (st == ST_OVERLOADED || st == ST_STOPPED)
        o.verdict = OUTCOME_RELEASED;
    outcome_error(&o, "the request could not be made: %s", status_title(st));
    delivery_done(d, &o);
}

static void drain(void *state)
{
    (void)state; /* everything was begun at once */
}

static void cut(void *state)
{
    struct hooks *h = state;
    httpc_stop(take(&h->client));
}

static void stop(void *state)
{
    struct hooks *h = state;
    if (h->client)
        httpc_stop(h->client);
    free(h);
}

const struct channel_kind channel_kind_webhook = {
    .name = "webhook",
    .has_endpoints = true,
    .start = start,
    .room = room,
    .send = send_webhook,
    .drain = drain,
    .abort = cut,
    .stop = stop,
};
