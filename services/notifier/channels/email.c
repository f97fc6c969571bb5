/* email: a small pool of threads, for libesmtp blocks; each mail is a session of its own. */
#include "channels/email.h"

#include <auth-client.h>

#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"
#include "services/notifier/event.h"
#include "services/notifier/mail/message.h"
#include "services/notifier/notifier.h"
#include "services/notifier/smtp/send.h"

enum {
    THREADS_MAX = 64,
    TAKE_MS = 1000,
    UNCONFIGURED_ATTEMPTS = 5 /* without a mail server: a few, should one be configured meanwhile */
};

struct mails {
    const struct notifier *n;
    bool has_server;
    struct smtp_server server;
    struct mailbox from;
    struct bqueue *queue; /* of struct delivery * */
    struct stage *threads[THREADS_MAX];
    size_t thread_count;
    _Atomic bool is_aborted;
};

static size_t room(const struct notifier *n)
{
    /* One waits for each that is being sent, so that no thread is idle between claims. */
    return (size_t)n->conf->notifier_threads * 2;
}

static enum status make_message(const struct mails *m, struct delivery *d, struct buf *out)
{
    const struct email_config *config = d->config;
    struct event_view event;
    TRY(event_view_make(&d->row, m->n->conf->public_url, d->arena, &event));
    const struct mail_about about = {
        .event = &event,
        .key = d->key,
        .from = &m->from,
        .to = config->to.v,
        .to_count = config->to.count,
        .subject_prefix = config->subject_prefix.set ? config->subject_prefix.v : "",
        .now_s = clock_wall_ms() / 1000,
    };
    mail_message(out, &about);
    return buf_status(out);
}

static void judge(const struct smtp_outcome *sent, struct outcome *o)
{
    static const enum outcome_verdict verdicts[] = {
        [SMTP_SENT] = OUTCOME_DELIVERED,
        [SMTP_RETRY] = OUTCOME_RETRY,
        [SMTP_REFUSED] = OUTCOME_FAILED,
        [SMTP_ABORTED] = OUTCOME_RELEASED,
    };
    o->verdict = verdicts[sent->verdict];
    o->response_code = sent->code;
    outcome_error(o, "%s", sent->error);
}

static void send_one(struct mails *m, struct delivery *d)
{
    struct outcome o = {.verdict = OUTCOME_RETRY, .endpoint = ENDPOINT_UNKNOWN};
    const struct email_config *config = d->config;
    AUTO_BUF message;
    buf_init(&message, LIMIT_MAIL_BYTES);
    if (atomic_load(&m->is_aborted)) {
        o.verdict = OUTCOME_RELEASED;
    } else if (!m->has_server) {
        o.max_attempts = UNCONFIGURED_ATTEMPTS;
        outcome_error(&o, "no mail server is configured (TOCSIN_SMTP_URL)");
    } else if (!config) {
        o.verdict = OUTCOME_FAILED;
        outcome_error(&o, "a mail without a channel");
    } else if (make_message(m, d, &message) != ST_OK) {
        outcome_error(&o, "the mail could not be written");
    } else {
        const struct smtp_mail mail = {
            .from = m->from.address,
            .to = config->to.v,
            .to_count = config->to.count,
            .message = buf_cstr(&message),
            .timeout_ms = m->n->conf->smtp_timeout,
            .is_aborted = &m->is_aborted,
        };
        struct smtp_outcome sent;
        smtp_send(&m->server, &mail, &sent);
        judge(&sent, &o);
    }
    delivery_done(d, &o);
}

static void run(struct stage *stage, void *arg)
{
    struct mails *m = arg;
    while (!stage_is_stopping(stage)) {
        void *item = NULL;
        if (bqueue_take(m->queue, &item, 1, TAKE_MS) == 1)
            send_one(m, item);
        else if (bqueue_is_closed(m->queue))
            return;
    }
}

static void stop(void *state)
{
    struct mails *m = state;
    if (m->queue)
        bqueue_close(m->queue);
    for (size_t i = 0; i < m->thread_count; i++)
        stage_join(m->threads[i]);
    bqueue_free(m->queue);
    if (m->has_server)
        smtp_server_done(&m->server);
    free(m);
}

static enum status prepare(struct mails *m, struct errbuf *err)
{
    const struct conf *conf = m->n->conf;
    struct errbuf why = {0};
    if (mailbox_parse(conf->smtp_from, &m->from, &why) != ST_OK)
        return err_set(err, ST_INVALID, "TOCSIN_SMTP_FROM: %s", why.text);
    if (!conf->smtp_url[0]) {
        log_warn("no_mail_server", kv_str("effect", "mails fail until TOCSIN_SMTP_URL is set"));
        return ST_OK;
    }
    if (smtp_server_init(&m->server, conf->smtp_url, conf->smtp_ca_file, &why) != ST_OK)
        return err_set(err, ST_INVALID, "TOCSIN_SMTP_URL: %s", why.text);
    m->has_server = true;
    return ST_OK;
}

static enum status start_threads(struct mails *m)
{
    const size_t count = MIN_OF((size_t)m->n->conf->notifier_threads, (size_t)THREADS_MAX);
    m->queue = bqueue_new(room(m->n));
    if (!m->queue)
        return ST_NO_MEMORY;
    for (; m->thread_count < count; m->thread_count++)
        TRY(stage_start("mail", run, m, &m->threads[m->thread_count]));
    return ST_OK;
}

static enum status start(struct notifier *n, void **state, struct errbuf *err)
{
    struct mails *m = calloc(1, sizeof(*m));
    if (!m)
        return ST_NO_MEMORY;
    m->n = n;
    auth_client_init();
    enum status st = prepare(m, err);
    if (st == ST_OK)
        st = start_threads(m);
    if (st != ST_OK) {
        stop(m);
        return st;
    }
    *state = m;
    return ST_OK;
}

static void release(struct delivery *d)
{
    const struct outcome o = {.verdict = OUTCOME_RELEASED, .endpoint = ENDPOINT_UNKNOWN};
    delivery_done(d, &o);
}

static void send_email(void *state, struct delivery *d)
{
    struct mails *m = state;
    if (bqueue_try_put(m->queue, d) != ST_OK)
        release(d);
}

static void drain(void *state)
{
    struct mails *m = state;
    void *item = NULL;
    bqueue_close(m->queue);
    while (bqueue_take(m->queue, &item, 1, 0) == 1)
        release(item);
}

static void cut(void *state)
{
    struct mails *m = state;
    atomic_store(&m->is_aborted, true);
}

const struct channel_kind channel_kind_email = {
    .name = "email",
    .start = start,
    .room = room,
    .send = send_email,
    .drain = drain,
    .abort = cut,
    .stop = stop,
};
