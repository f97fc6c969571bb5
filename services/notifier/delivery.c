/* A delivery's way from claim to record. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth/seal_json.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/str.h"
#include "channels/channel.h"
#include "json/parse.h"
#include "json/secrets.h"
#include "services/notifier/notifier.h"
#include "store/channels.h"

enum { ARENA_BYTES = 2 << 20 };

void outcome_error(struct outcome *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(o->error, sizeof(o->error), fmt, ap);
    va_end(ap);
    /* Others' words may not be UTF-8, but they must fit a text column. */
    if (!str_is_utf8(o->error, strlen(o->error))) {
        for (char *p = o->error; *p; p++) {
            if ((unsigned char)*p >= 0x80)
                *p = '?';
        }
    }
}

static bool copy_row(struct arena *a, const struct delivery_row *row, struct delivery_row *out)
{
    *out = *row;
    out->event = arena_strdup(a, row->event);
    out->channel_type = arena_strdup(a, row->channel_type);
    out->channel_name = arena_strdup(a, row->channel_name);
    out->target = arena_strdup(a, row->target);
    out->payload = arena_strdup(a, row->payload);
    out->status = arena_strdup(a, row->status);
    out->last_error = NULL;
    out->channel_config = arena_strdup(a, row->channel_config);
    out->sealed = (unsigned char *)(row->sealed ? arena_strndup(a, (const char *)row->sealed,
                                                                row->sealed_len)
                                                : NULL);
    return out->event && out->channel_type && out->payload && out->status &&
           (!row->channel_name || out->channel_name) && (!row->target || out->target) &&
           (!row->channel_config || out->channel_config) && (!row->sealed || out->sealed);
}

static void list_add(struct notifier *n, struct delivery *d)
{
    (void)pthread_mutex_lock(&n->lock);
    d->next = n->claimed;
    if (d->next)
        d->next->prev = d;
    n->claimed = d;
    n->claimed_count++;
    (void)pthread_mutex_unlock(&n->lock);
}

static void list_remove(struct notifier *n, struct delivery *d)
{
    (void)pthread_mutex_lock(&n->lock);
    if (d->prev)
        d->prev->next = d->next;
    else
        n->claimed = d->next;
    if (d->next)
        d->next->prev = d->prev;
    if (--n->claimed_count == 0)
        (void)pthread_cond_broadcast(&n->idle);
    (void)pthread_mutex_unlock(&n->lock);
}

enum status delivery_new(struct notifier *n, size_t kind, const struct delivery_row *row,
                         struct delivery **out)
{
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    struct delivery *d = arena ? arena_alloc(arena, sizeof(*d)) : NULL;
    if (!d || !copy_row(arena, row, &d->row))
        return ST_NO_MEMORY;
    d->arena = take(&arena);
    d->notifier = n;
    d->kind = kind;
    d->started_mono_us = clock_mono_us();
    delivery_key(&d->row, d->key);
    list_add(n, d);
    *out = d;
    return ST_OK;
}

/* The configuration as one object, secrets included. */
static enum status open_config(struct delivery *d, json_t **out)
{
    AUTO_JSON open = NULL;
    AUTO_JSON secret = NULL;
    const struct delivery_row *row = &d->row;
    TRY(json_parse(row->channel_config, strlen(row->channel_config), &open, NULL));
    const struct seal_place place = channel_seal_place(&row->channel_id);
    enum status st = seal_json_open(d->notifier->seal, &place, row->sealed, row->sealed_len,
                                    d->arena, &secret);
    if (st == ST_UNAVAILABLE)
        outcome_error(&d->outcome, "no key to open the channel's secret with (TOCSIN_SECRET_KEY)");
    if (st == ST_CORRUPT)
        outcome_error(&d->outcome, "the channel's secret does not open with TOCSIN_SECRET_KEY");
    TRY(st);
    return secrets_join(open, secret, out);
}

enum status delivery_open(struct delivery *d)
{
    if (!d->row.channel_config)
        return ST_OK;
    const struct channel_type *type = channel_type_find(d->row.channel_type);
    AUTO_JSON config = NULL;
    AUTO_FIELD_ERRORS errors = {0};
    void *bound = NULL;
    d->outcome.verdict = OUTCOME_RETRY;
    outcome_error(&d->outcome, "the channel's configuration is not usable");
    if (!type)
        return ST_CORRUPT;
    TRY(open_config(d, &config));
    TRY(channel_type_bind(type, config, d->arena, &bound, &errors));
    d->json = take(&config);
    d->config = bound;
    d->outcome = (struct outcome){0};
    return ST_OK;
}

void delivery_send(struct delivery *d)
{
    struct channel_state *c = &d->notifier->channel[d->kind];
    channel_kind_at(d->kind)->send(c->state, d);
}

void delivery_done(struct delivery *d, const struct outcome *outcome)
{
    struct notifier *n = d->notifier;
    if (outcome != &d->outcome)
        d->outcome = *outcome;
    if (d->outcome.verdict == OUTCOME_DELIVERED)
        CRASH_AT("notifier.after_send");
    endpoint_leave(n->endpoints, d->endpoint, d->outcome.endpoint, clock_mono_ms());
    d->endpoint = NULL;
    /* The queue has room for all that can be under way; closed, it has nobody left to record, and
     * the claim ends by itself. */
    if (bqueue_try_put(n->records, d) != ST_OK)
        delivery_free(d);
}

void delivery_free(struct delivery *d)
{
    struct notifier *n = d->notifier;
    (void)atomic_fetch_sub(&n->channel[d->kind].running, 1);
    struct arena *arena = d->arena; /* d lives in it */
    json_decref(d->json);
    list_remove(n, d);
    arena_free(arena);
    if (!atomic_exchange(&n->wants_room, false))
        return;
    (void)pthread_mutex_lock(&n->lock);
    if (n->claim)
        stage_wake(n->claim);
    (void)pthread_mutex_unlock(&n->lock);
}

bool delivery_is_claimed(struct notifier *n, const struct uuid *id)
{
    (void)pthread_mutex_lock(&n->lock);
    const struct delivery *d = n->claimed;
    while (d && !uuid_eq(&d->row.id, id))
        d = d->next;
    (void)pthread_mutex_unlock(&n->lock);
    return d != NULL;
}

enum status deliveries_claimed(struct notifier *n, struct arena *arena, struct uuid **ids,
                               size_t *count)
{
    (void)pthread_mutex_lock(&n->lock);
    size_t i = 0;
    struct uuid *list = arena_array(arena, n->claimed_count, sizeof(*list));
    for (const struct delivery *d = n->claimed; list && d; d = d->next)
        list[i++] = d->row.id;
    (void)pthread_mutex_unlock(&n->lock);
    if (!list)
        return ST_NO_MEMORY;
    *ids = list;
    *count = i;
    return ST_OK;
}

bool deliveries_wait_idle(struct notifier *n, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&n->lock);
    while (n->claimed_count > 0) {
        if (pthread_cond_timedwait(&n->idle, &n->lock, &until) == ETIMEDOUT)
            break;
    }
    const bool is_idle = n->claimed_count == 0;
    (void)pthread_mutex_unlock(&n->lock);
    return is_idle;
}
