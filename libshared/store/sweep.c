/* The sweep for missed slots. A step reads a page without locks, then locks and looks again. */
#include "store/sweep.h"

#include <string.h>

#include "base/limits.h"
#include "gen/queries.h"
#include "log/log.h"
#include "store/leases.h"
#include "zone/zone.h"

enum { ARENA_BYTES = 16 << 20 };
/* After a long outage only the newest slots of a check get a row each; the first of those says how
 * many came before. Otherwise a day's outage would end with a day's load of rows. */
enum { CHECK_MISSED_MAX = 100 };
#define OLDEST_MS (7LL * 24 * 3600 * 1000)

/* A check of the page. */
struct overdue {
    struct uuid id;
    int shard;
    struct schedule schedule;
    int64_t phase_ms;
    int64_t horizon_ms; /* slots up to here should have results */
    int64_t timeout_ms;
    bool is_expected;
};

/* A slot without a result, as far as we know. */
struct missed {
    struct uuid check_id;
    int64_t slot_us;
    struct uuid id;
    const char *message;
};

struct step {
    struct sweep *sweep;
    struct arena *arena;
    int64_t now_ms;
    struct overdue *checks;
    size_t count;
    struct missed *missed;
    size_t missed_count;
    const struct overdue **settled;
    struct uuid *settled_ids;
    int64_t *settled_us;
    size_t settled_count;
    size_t written;
};

static int64_t slot_before(const struct overdue *c, int64_t slot_ms)
{
    return slot_ms == INT64_MIN ? slot_ms
                                : schedule_slot_at(&c->schedule, c->phase_ms, slot_ms - 1);
}

static bool read_overdue(const PGresult *r, int row, struct step *st, struct overdue *out)
{
    const char *text = row_str(r, row, "schedule", st->arena);
    *out = (struct overdue){
        .id = row_uuid(r, row, "id"),
        .shard = (int)row_i64(r, row, "shard"),
        .timeout_ms = row_i64(r, row, "timeout_ms"),
        .is_expected = row_bool(r, row, "is_expected"),
    };
    if (!text || schedule_read(text, &out->schedule, NULL) != ST_OK)
        return false; /* written by a newer version: its scheduler will know */
    out->phase_ms = schedule_phase(&out->schedule, uuid_hash(&out->id));
    /* The newest slot may still be run late; the one before it will not. */
    int64_t limit_ms = st->now_ms - out->timeout_ms - st->sweep->grace_ms;
    int64_t newest_ms = schedule_slot_at(&out->schedule, out->phase_ms, limit_ms);
    out->horizon_ms = slot_before(out, newest_ms);
    return row_time(r, row, "settled_to") / 1000 < out->horizon_ms;
}

/* The page's overdue checks; *last is the page's last check, *is_full whether more may follow. */
static enum status read_page(struct db *db, struct step *st, struct uuid *last, bool *is_full)
{
    int64_t shards[LEASE_SHARDS];
    size_t shard_count = 0;
    for (int i = 0; i < LEASE_SHARDS; i++) {
        if (st->sweep->shards[i])
            shards[shard_count++] = i;
    }
    struct db_args args;
    db_args_init(&args, st->arena);
    db_arg_i64s(&args, shards, shard_count);
    db_arg_uuid(&args, &st->sweep->after);
    db_arg_time(&args, (st->now_ms - st->sweep->grace_ms - LIMIT_SCHEDULE_MIN_MS) * 1000);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_SWEEP_PAGE, &args, &r));
    int n = PQntuples(r);
    st->checks = arena_array(st->arena, (size_t)n + 1, sizeof(*st->checks));
    if (!st->checks)
        return ST_NO_MEMORY;
    for (int i = 0; i < n; i++) {
        if (read_overdue(r, i, st, &st->checks[st->count]))
            st->count++;
    }
    *is_full = n > 0 && row_i64(r, 0, "page_count") == SWEEP_PAGE;
    if (n > 0)
        *last = row_uuid(r, 0, "page_last");
    return ST_OK;
}

static const char *reason_of(const struct step *st, const struct overdue *c, int64_t slot_ms,
                             int64_t earlier)
{
    const struct sweep *s = st->sweep;
    bool in_gap = slot_ms > s->gap_from_ms[c->shard] && slot_ms <= s->gap_to_ms[c->shard];
    const char *why = in_gap ? "no scheduler was running at its time"
                             : arena_printf(st->arena, "no worker ran it within %lld s of its time",
                                            (long long)((c->timeout_ms + s->grace_ms) / 1000));
    if (!why || earlier == 0)
        return why;
    return arena_printf(st->arena, "%s; so %lld slots before it", why, (long long)earlier);
}

/* Collects the open slots of one check; ST_OVERLOADED when the step has no room for them. */
static enum status collect(struct step *st, const struct overdue *c, int64_t settled_ms)
{
    int64_t oldest_ms = MAX_OF(settled_ms, st->now_ms - OLDEST_MS);
    int64_t expected = schedule_count(&c->schedule, c->phase_ms, oldest_ms, c->horizon_ms);
    int64_t rows = c->is_expected ? MIN_OF(expected, (int64_t)CHECK_MISSED_MAX) : 0;
    if (st->missed_count + (size_t)rows > SWEEP_MISSED_MAX)
        return ST_OVERLOADED;
    int64_t earlier = expected - rows;
    int64_t slot_ms = c->horizon_ms;
    for (int64_t i = 0; i < rows; i++, slot_ms = slot_before(c, slot_ms)) {
        const char *message = reason_of(st, c, slot_ms, i == rows - 1 ? earlier : 0);
        if (!message)
            return ST_NO_MEMORY;
        st->missed[st->missed_count++] = (struct missed){
            .check_id = c->id,
            .slot_us = slot_ms * 1000,
            .id = uuid_at(slot_ms),
            .message = message,
        };
    }
    st->settled[st->settled_count] = c;
    st->settled_ids[st->settled_count] = c->id;
    st->settled_us[st->settled_count++] = c->horizon_ms * 1000;
    return ST_OK;
}

/* Locks the page's checks and works out what is missing of them now. Whoever does not fit into this
 * step any more comes with a later pass. */
static enum status lock_and_collect(struct db *db, struct step *st)
{
    struct uuid *ids = arena_array(st->arena, st->count, sizeof(*ids));
    st->missed = arena_array(st->arena, SWEEP_MISSED_MAX, sizeof(*st->missed));
    st->settled = arena_array(st->arena, st->count, sizeof(*st->settled));
    st->settled_ids = arena_array(st->arena, st->count, sizeof(*st->settled_ids));
    st->settled_us = arena_array(st->arena, st->count, sizeof(*st->settled_us));
    if (!ids || !st->missed || !st->settled || !st->settled_ids || !st->settled_us)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < st->count; i++)
        ids[i] = st->checks[i].id;
    struct db_args args;
    db_args_init(&args, st->arena);
    db_arg_uuids(&args, ids, st->count);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_SWEEP_LOCK, &args, &r));
    size_t at = 0; /* both are in the order of the ids */
    for (int row = 0; row < PQntuples(r); row++) {
        struct uuid id = row_uuid(r, row, "id");
        while (at < st->count && uuid_cmp(&st->checks[at].id, &id) < 0)
            at++;
        int64_t settled_ms = row_time(r, row, "settled_to") / 1000;
        if (at == st->count || !uuid_eq(&st->checks[at].id, &id) ||
            settled_ms >= st->checks[at].horizon_ms)
            continue;
        enum status got = collect(st, &st->checks[at], settled_ms);
        if (got == ST_OVERLOADED)
            break;
        TRY(got);
    }
    return ST_OK;
}

static enum status insert_missed(struct db *db, struct step *st)
{
    size_t n = st->missed_count;
    if (n == 0)
        return ST_OK;
    struct uuid *checks = arena_array(st->arena, n, sizeof(*checks));
    struct uuid *ids = arena_array(st->arena, n, sizeof(*ids));
    int64_t *slots = arena_array(st->arena, n, sizeof(*slots));
    const char **messages = arena_array(st->arena, n, sizeof(*messages));
    if (!checks || !ids || !slots || !messages)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        checks[i] = st->missed[i].check_id;
        slots[i] = st->missed[i].slot_us;
        ids[i] = st->missed[i].id;
        messages[i] = st->missed[i].message;
    }
    struct db_args args;
    db_args_init(&args, st->arena);
    db_arg_uuids(&args, checks, n);
    db_arg_times(&args, slots, n);
    db_arg_uuids(&args, ids, n);
    db_arg_strs(&args, messages, n);
    db_arg_time(&args, st->now_ms * 1000);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_SWEEP_INSERT, &args, &r));
    st->written = (size_t)PQntuples(r);
    return ST_OK;
}

/* Results that came out of their order lie after the slots that were open: settled are they all, up
 * to the next open slot. Else the recorder, which goes on from slot to slot, never met them again.
 */
static enum status pass_stored(struct db *db, struct step *st)
{
    struct db_args args;
    db_args_init(&args, st->arena);
    db_arg_uuids(&args, st->settled_ids, st->settled_count);
    db_arg_times(&args, st->settled_us, st->settled_count);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_SWEEP_STORED, &args, &r));
    for (int row = 0; row < PQntuples(r); row++) {
        size_t i = (size_t)row_i64(r, row, "n") - 1;
        const struct overdue *c = st->settled[i];
        int64_t slot_us = row_time(r, row, "slot_at");
        if (slot_us == schedule_next(&c->schedule, c->phase_ms, st->settled_us[i] / 1000) * 1000)
            st->settled_us[i] = slot_us;
    }
    return ST_OK;
}

static enum status settle(struct db *db, void *arg)
{
    struct step *st = arg;
    st->missed_count = st->settled_count = st->written = 0;
    TRY(lock_and_collect(db, st));
    if (st->settled_count == 0)
        return ST_OK;
    TRY(insert_missed(db, st));
    TRY(pass_stored(db, st));
    struct db_args args;
    db_args_init(&args, st->arena);
    db_arg_uuids(&args, st->settled_ids, st->settled_count);
    db_arg_times(&args, st->settled_us, st->settled_count);
    return db_query(db, &Q_SWEEP_SETTLE, &args, NULL);
}

/* After an outage longer than partitions were made ahead for. */
static enum status ensure_partitions(struct db *db, struct step *st)
{
    for (size_t i = 0; i < st->missed_count; i++) {
        struct db_args args;
        db_args_init(&args, st->arena);
        db_arg_time(&args, st->missed[i].slot_us);
        TRY(db_query(db, &Q_RECORDER_ENSURE_PARTITION, &args, NULL));
    }
    return ST_OK;
}

enum status sweep_step(struct db *db, struct sweep *s, int64_t now_ms, size_t *missed, bool *done)
{
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct step st = {.sweep = s, .arena = arena, .now_ms = now_ms};
    struct uuid last = {0};
    bool is_full = false;
    TRY(read_page(db, &st, &last, &is_full));
    if (st.count > 0) {
        enum status got = db_transact(db, settle, &st);
        if (got == ST_INVALID) {
            TRY(ensure_partitions(db, &st));
            got = db_transact(db, settle, &st);
        }
        TRY(got);
    }
    s->after = is_full ? last : (struct uuid){0};
    *missed = st.written;
    *done = !is_full;
    return ST_OK;
}
