/* Starting and stopping the notifier: stages up in the order of the data, down in the same order.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"
#include "net/egress_conf.h"
#include "services/notifier/notifier.h"

enum { ABORT_MS = 3000 /* for what was cut short to be recorded */, LEASE_MIN_MS = 1000 };

#define CHANNEL(name) extern const struct channel_kind channel_kind_##name;
#include "channels/channels.def"
#undef CHANNEL

static const struct channel_kind *const kinds[] = {
#define CHANNEL(name) &channel_kind_##name,
#include "channels/channels.def"
#undef CHANNEL
};
_Static_assert(ARRAY_LEN(kinds) <= CHANNEL_KINDS_MAX, "more channels than places");

const struct channel_kind *channel_kind_at(size_t index)
{
    return index < ARRAY_LEN(kinds) ? kinds[index] : NULL;
}

static void name_owner(struct notifier *n)
{
    char host[48] = "";
    char id[UUID_TEXT_BYTES];
    const struct uuid fresh = uuid_new();
    (void)gethostname(host, sizeof(host) - 1);
    uuid_format(&fresh, id);
    (void)snprintf(n->owner, sizeof(n->owner), "%s:%ld:%s", host, (long)getpid(), id);
}

static enum status prepare(struct notifier *n, struct errbuf *err)
{
    const struct conf *conf = n->conf;
    struct errbuf why = {0};
    name_owner(n);
    n->lease_ms = MAX_OF(conf->worker_lease, (int64_t)LEASE_MIN_MS);
    if (retry_schedule_parse(conf->notify_retry, &n->retry, &why) != ST_OK)
        return err_set(err, ST_INVALID, "TOCSIN_NOTIFY_RETRY: %s", why.text);
    if (conf->secret_key[0] && seal_keys_new(conf->secret_key, &n->seal, &why) != ST_OK)
        return err_set(err, ST_INVALID, "TOCSIN_SECRET_KEY: %s", why.text);
    if (!n->seal)
        log_warn("no_secret_key", kv_str("effect", "channels with a secret cannot be used"));
    TRY(egress_from_conf(conf, &n->egress, err));
    n->endpoints = endpoints_new(LIMIT_NOTIFY_ENDPOINT, LIMIT_NOTIFY_ENDPOINTS);
    return n->endpoints ? ST_OK : ST_NO_MEMORY;
}

static enum status start_channels(struct notifier *n, size_t *room, struct errbuf *err)
{
    *room = 0;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        TRY(kinds[i]->start(n, &n->channel[i].state, err));
        n->channel[i].is_started = true;
        *room += kinds[i]->room(n);
    }
    return ST_OK;
}

static enum status start_stages(struct notifier *n, struct errbuf *err)
{
    size_t room = 0;
    TRY(prepare(n, err));
    TRY(start_channels(n, &room, err));
    n->records = bqueue_new(room);
    if (!n->records)
        return ST_NO_MEMORY;
    TRY(stage_start("record", record_run, n, &n->record));
    TRY(stage_start("claim", claim_run, n, &n->claim));
    return stage_start("wake", wake_run, n, &n->wake);
}

static void release(struct notifier *n)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (n->channel[i].is_started)
            kinds[i]->stop(n->channel[i].state);
    }
    if (n->records)
        bqueue_close(n->records);
    stage_join(n->record);
    bqueue_free(n->records);
    /* The endpoints stay for a last reader of the metrics. */
    egress_free(n->egress);
    seal_keys_free(n->seal);
}

enum status notifier_start(struct notifier *n, struct errbuf *err)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&n->idle, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&n->lock, NULL);
    status_setup(n);
    const enum status st = start_stages(n, err);
    if (st != ST_OK)
        notifier_stop(n, 0);
    return st;
}

static void each_channel(struct notifier *n, void (*call)(const struct channel_kind *, void *))
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (n->channel[i].is_started)
            call(kinds[i], n->channel[i].state);
    }
}

static void drain(const struct channel_kind *kind, void *state)
{
    kind->drain(state);
}

static void cut(const struct channel_kind *kind, void *state)
{
    kind->abort(state);
}

/* Deliveries that end wake the claim stage: from here on they find none. */
static void join_claim(struct notifier *n)
{
    (void)pthread_mutex_lock(&n->lock);
    struct stage *claim = take(&n->claim);
    (void)pthread_mutex_unlock(&n->lock);
    stage_join(claim);
}

void notifier_stop(struct notifier *n, int64_t grace_ms)
{
    stage_join(n->wake);
    n->wake = NULL;
    join_claim(n);
    each_channel(n, drain);
    if (!deliveries_wait_idle(n, grace_ms)) {
        log_warn("grace_is_over", kv_i64("grace_ms", grace_ms));
        atomic_store(&n->is_aborting, true);
        each_channel(n, cut);
        if (!deliveries_wait_idle(n, ABORT_MS))
            log_error("deliveries_left", kv_str("effect", "their claims expire by themselves"));
    }
    release(n);
}
