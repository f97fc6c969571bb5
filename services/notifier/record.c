/* The record stage: what became of the attempts, in batches. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/rand.h"
#include "base/str.h"
#include "log/log.h"
#include "queue/check_jobs.h"
#include "services/notifier/notifier.h"
#include "store/channels.h"

enum { ARENA_BYTES = 16 << 20, WAIT_MS = 1000, BACKOFF_MS = 200, BACKOFF_CAP_MS = 5000 };

struct recorder {
    struct notifier *n;
    struct db *db;
    struct redis *redis;
    struct arena *arena;
};

static bool is_test(const struct delivery *d)
{
    return str_eq(d->row.event, EVENT_CHANNEL_TEST);
}

static bool is_last_attempt(const struct delivery *d)
{
    const int64_t max = is_test(d)                ? 1
                        : d->outcome.max_attempts ? d->outcome.max_attempts
                                                  : LIMIT_NOTIFY_ATTEMPTS;
    return d->row.attempts + 1 >= max;
}

static const char *status_after(const struct delivery *d)
{
    switch (d->outcome.verdict) {
    case OUTCOME_DELIVERED:
        return "delivered";
    case OUTCOME_FAILED:
        return "failed";
    case OUTCOME_CANCELLED:
        return "cancelled";
    case OUTCOME_RETRY:
        return is_last_attempt(d) ? "failed" : "pending";
    case OUTCOME_RELEASED:
        break;
    }
    return "pending";
}

static struct outbox_attempt attempt_of(const struct notifier *n, const struct delivery *d)
{
    const struct outcome *o = &d->outcome;
    return (struct outbox_attempt){
        .id = d->row.id,
        .status = status_after(d),
        .wait_ms = o->verdict == OUTCOME_RETRY
                       ? retry_wait_ms(&n->retry, d->row.attempts + 1, o->retry_after_ms)
                       : 0,
        .was_tried = o->verdict != OUTCOME_CANCELLED,
        .error = o->error[0] ? o->error : NULL,
        .response_code = o->response_code,
    };
}

static enum status store(struct recorder *r, struct delivery *const *batch, size_t count)
{
    struct outbox_attempt *attempts = arena_array(r->arena, count, sizeof(*attempts));
    struct uuid *released = arena_array(r->arena, count, sizeof(*released));
    size_t attempt_count = 0;
    size_t released_count = 0;
    if (!attempts || !released)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (batch[i]->outcome.verdict == OUTCOME_RELEASED)
            released[released_count++] = batch[i]->row.id;
        else
            attempts[attempt_count++] = attempt_of(r->n, batch[i]);
    }
    /* The channel first: should only that be stored, the attempt is repeated and met as disabled.
     */
    for (size_t i = 0; i < count; i++) {
        const struct delivery *d = batch[i];
        if (d->outcome.disable_reason && !uuid_is_nil(&d->row.channel_id))
            TRY(channels_disable(r->db, r->arena, &d->row.channel_id, d->outcome.disable_reason));
    }
    if (attempt_count > 0)
        TRY(outbox_record(r->db, r->arena, r->n->owner, attempts, attempt_count));
    if (released_count > 0)
        TRY(outbox_release(r->db, r->arena, r->n->owner, released, released_count));
    return ST_OK;
}

/* Until it is stored, or the service ends: then the claims run out and others send again. */
static enum status store_patiently(struct recorder *r, struct stage *stage,
                                   struct delivery *const *batch, size_t count)
{
    for (int attempt = 0;; attempt++) {
        arena_reset(r->arena);
        const enum status st = store(r, batch, count);
        status_database(st == ST_OK);
        if (st == ST_OK)
            return ST_OK;
        if (attempt == 0)
            log_error("record_failed", kv_status(st), kv_str("error", db_error(r->db)));
        const int64_t wait_ms = 1 + rand_backoff_ms(attempt, BACKOFF_MS, BACKOFF_CAP_MS);
        if (!stage_sleep(stage, wait_ms) || atomic_load(&r->n->is_aborting))
            return st;
    }
}

/* Whoever asked for the test of a channel may be waiting (POST /channels/{id}/test). */
static void tell_done(struct recorder *r, const struct delivery *d)
{
    if (!is_test(d) || d->outcome.verdict == OUTCOME_RELEASED)
        return;
    char text[64];
    const int len = snprintf(text, sizeof(text), "{\"status\":\"%s\"}", status_after(d));
    const enum status st = queue_publish_done(r->redis, CHECK_DONE_CHANNEL, &d->row.id, text,
                                              (size_t)len);
    if (st != ST_OK)
        log_debug("test_not_announced", kv_status(st));
}

static void log_attempt(const struct delivery *d)
{
    const struct outcome *o = &d->outcome;
    if (o->verdict == OUTCOME_RELEASED)
        return;
    LOG_AT(o->verdict == OUTCOME_DELIVERED ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "delivery_attempt",
           kv_uuid("delivery", d->row.id), kv_str("event", d->row.event),
           kv_str("channel_type", d->row.channel_type), kv_str("status", status_after(d)),
           kv_i64("attempt", d->row.attempts + 1), kv_i64("code", o->response_code),
           kv_str("error", o->error));
}

static void finish(struct recorder *r, struct delivery *const *batch, size_t count, bool is_stored)
{
    for (size_t i = 0; i < count; i++) {
        struct delivery *d = batch[i];
        if (is_stored) {
            log_attempt(d);
            status_count(d, d->outcome.verdict == OUTCOME_RELEASED ? "released" : status_after(d));
            tell_done(r, d);
        }
        delivery_free(d);
    }
}

static bool open_stores(struct recorder *r)
{
    struct errbuf err = {0};
    const struct conf *conf = r->n->conf;
    r->arena = arena_new(ARENA_BYTES);
    if (!r->arena || db_new(conf->database_url, "tocsin-notifier record", &r->db, &err) != ST_OK ||
        redis_new(conf->redis_url, LIMIT_REDIS_COMMAND_MS, &r->redis, &err) != ST_OK) {
        log_error("record_not_started", kv_str("error", err.text));
        return false;
    }
    return true;
}

void record_run(struct stage *stage, void *arg)
{
    struct recorder r = {.n = arg};
    void *items[LIMIT_NOTIFY_BATCH];
    struct delivery *batch[LIMIT_NOTIFY_BATCH];
    const bool is_open = open_stores(&r);
    for (;;) {
        const size_t count = bqueue_take(r.n->records, items, ARRAY_LEN(items), WAIT_MS);
        if (count == 0 && bqueue_is_closed(r.n->records))
            break;
        if (count == 0)
            continue;
        for (size_t i = 0; i < count; i++)
            batch[i] = items[i];
        CRASH_AT("notifier.before_record");
        const bool is_stored = is_open && store_patiently(&r, stage, batch, count) == ST_OK;
        finish(&r, batch, count, is_stored);
    }
    arena_free(r.arena);
    db_free(r.db);
    redis_free(r.redis);
}
