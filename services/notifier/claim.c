/* The claim stage: due outbox rows, as many as there is room for. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/str.h"
#include "log/log.h"
#include "services/notifier/notifier.h"

enum { POLL_MS = 2000, ARENA_BYTES = 64 << 20 };

struct claimer {
    struct notifier *n;
    struct db *db;
    struct arena *arena;
    int64_t renewed_mono_ms;
};

/* Rows that found no place at their endpoint go back at once. */
struct leftover {
    struct uuid *ids;
    size_t count;
};

static bool is_test(const struct delivery_row *row)
{
    return str_eq(row->event, EVENT_CHANNEL_TEST);
}

static bool find_place(struct notifier *n, const struct channel_kind *kind,
                       const struct delivery_row *row, struct endpoint **out)
{
    if (!kind->has_endpoints)
        return true;
    const struct endpoint_name name = {.channel_id = row->channel_id, .target = row->target};
    *out = endpoint_enter(n->endpoints, &name, is_test(row), clock_mono_ms());
    return *out != NULL;
}

static void begin(struct delivery *d)
{
    const struct delivery_row *row = &d->row;
    if (!row->channel_enabled && !is_test(row)) {
        struct outcome cancelled = {.verdict = OUTCOME_CANCELLED, .endpoint = ENDPOINT_UNKNOWN};
        outcome_error(&cancelled, "the channel is disabled");
        delivery_done(d, &cancelled);
        return;
    }
    if (delivery_open(d) != ST_OK) {
        d->outcome.endpoint = ENDPOINT_UNKNOWN;
        delivery_done(d, &d->outcome);
        return;
    }
    delivery_send(d);
}

/* false: it could not be taken on, and goes back. */
static bool take_on(struct notifier *n, size_t kind, const struct delivery_row *row)
{
    struct endpoint *endpoint = NULL;
    struct delivery *d = NULL;
    /* We hung for longer than the lease: the claim renewed it, and it is still on its way. */
    if (row->was_ours && delivery_is_claimed(n, &row->id))
        return true;
    if (!find_place(n, channel_kind_at(kind), row, &endpoint))
        return false;
    (void)atomic_fetch_add(&n->channel[kind].running, 1);
    if (delivery_new(n, kind, row, &d) != ST_OK) {
        (void)atomic_fetch_sub(&n->channel[kind].running, 1);
        endpoint_leave(n->endpoints, endpoint, ENDPOINT_UNKNOWN, clock_mono_ms());
        return false;
    }
    d->endpoint = endpoint;
    begin(d);
    return true;
}

static enum status take_all(struct claimer *c, size_t kind, const struct delivery_row *rows,
                            size_t count)
{
    struct leftover left = {.ids = arena_array(c->arena, count, sizeof(*left.ids))};
    if (!left.ids)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (!take_on(c->n, kind, &rows[i]))
            left.ids[left.count++] = rows[i].id;
    }
    if (left.count == 0)
        return ST_OK;
    atomic_store(&c->n->wants_room, true);
    return outbox_release(c->db, c->arena, c->n->owner, left.ids, left.count);
}

/* Claims for one kind of channel; *has_more: there may be more due, with room left. */
static enum status claim_kind(struct claimer *c, size_t kind, bool *has_more)
{
    struct notifier *n = c->n;
    const struct channel_kind *k = channel_kind_at(kind);
    const size_t running = atomic_load(&n->channel[kind].running);
    const size_t room = k->room(n);
    if (running >= room) {
        atomic_store(&n->wants_room, true);
        return ST_OK;
    }
    struct endpoints_busy busy = {0};
    if (k->has_endpoints)
        TRY(endpoints_busy(n->endpoints, clock_mono_ms(), c->arena, &busy));
    const struct outbox_claim claim = {
        .owner = n->owner,
        .lease_ms = n->lease_ms,
        .channel_type = k->name,
        .limit = MIN_OF(room - running, (size_t)LIMIT_NOTIFY_BATCH),
        .skip_channels = busy.channels,
        .skip_channel_count = busy.channel_count,
        .skip_targets = busy.targets,
        .skip_target_count = busy.target_count,
    };
    struct delivery_row *rows = NULL;
    size_t count = 0;
    TRY(outbox_claim(c->db, c->arena, &claim, &rows, &count));
    if (count > 0)
        CRASH_AT("notifier.after_claim");
    if (busy.channel_count + busy.target_count > 0)
        atomic_store(&n->wants_room, true);
    *has_more = *has_more || count == claim.limit;
    return take_all(c, kind, rows, count);
}

/* Claims outlive the lease only while we say so: should we hang or die, others take over. */
static enum status renew(struct claimer *c)
{
    const int64_t now = clock_mono_ms();
    if (now - c->renewed_mono_ms < c->n->lease_ms / 3)
        return ST_OK;
    struct uuid *ids = NULL;
    size_t count = 0;
    TRY(deliveries_claimed(c->n, c->arena, &ids, &count));
    if (count > 0)
        TRY(outbox_renew(c->db, c->arena, c->n->owner, c->n->lease_ms, ids, count));
    c->renewed_mono_ms = now;
    return ST_OK;
}

static enum status turn(struct claimer *c, bool *has_more)
{
    TRY(renew(c));
    for (size_t kind = 0; channel_kind_at(kind); kind++)
        TRY(claim_kind(c, kind, has_more));
    return ST_OK;
}

void claim_run(struct stage *stage, void *arg)
{
    struct notifier *n = arg;
    struct claimer c = {.n = n, .arena = arena_new(ARENA_BYTES)};
    struct errbuf err = {0};
    if (!c.arena || db_new(n->conf->database_url, "tocsin-notifier claim", &c.db, &err) != ST_OK) {
        log_error("claim_not_started", kv_str("error", err.text));
        status_database(false);
        arena_free(c.arena);
        return;
    }
    const int64_t pause_ms = MIN_OF((int64_t)POLL_MS, MAX_OF(n->lease_ms / 3, 100));
    bool was_ok = true;
    while (!stage_is_stopping(stage)) {
        bool has_more = false;
        arena_reset(c.arena);
        const enum status st = turn(&c, &has_more);
        const bool is_ok = st == ST_OK;
        if (is_ok != was_ok)
            LOG_AT(is_ok ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
                   is_ok ? "claim_recovered" : "claim_failed", kv_status(st),
                   kv_str("error", is_ok ? "" : db_error(c.db)));
        status_database(is_ok);
        was_ok = is_ok;
        if (!is_ok || !has_more)
            (void)stage_sleep(stage, pause_ms);
    }
    arena_free(c.arena);
    db_free(c.db);
}
