/*
 * The recorder: locks the checks of a batch in the order of their ids, inserts the results, folds
 * the new ones into the states and writes what follows from that. Two recorders with overlapping
 * checks wait for each other at the locks and nowhere else, hence no deadlock and nothing twice.
 */
#include "store/recorder.h"

#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/limits.h"
#include "base/str.h"
#include "gen/queries.h"
#include "log/log.h"
#include "store/recorder_batch.h"

enum { ARENA_BYTES = 256 << 20 }; /* a full batch of the largest results, quoted twice */

#define DAY_US (86400LL * 1000000)
#define OLDEST_US (366 * DAY_US)
#define AHEAD_US DAY_US

static int compare_items(const void *a, const void *b)
{
    const struct record *x = &((const struct item *)a)->record;
    const struct record *y = &((const struct item *)b)->record;
    int by_check = uuid_cmp(&x->check_id, &y->check_id);
    if (by_check != 0)
        return by_check;
    if (x->slot_us != y->slot_us)
        return x->slot_us < y->slot_us ? -1 : 1;
    if (x->executed_us != y->executed_us)
        return x->executed_us < y->executed_us ? -1 : 1;
    return 0;
}

/* A text that PostgreSQL takes: UTF-8, cut at a character within the limit. */
static const char *clean_message(const char *message, struct arena *arena)
{
    size_t len = strnlen(message, LIMIT_RESULT_MESSAGE + 1);
    if (len > LIMIT_RESULT_MESSAGE) {
        len = LIMIT_RESULT_MESSAGE;
        while (len > 0 && ((unsigned char)message[len] & 0xc0) == 0x80)
            len--;
    }
    char *copy = arena_strndup(arena, message, len);
    if (copy && !str_is_utf8(copy, len)) {
        for (char *p = copy; *p; p++) {
            if ((unsigned char)*p >= 0x80)
                *p = '?';
        }
    }
    return copy;
}

/* jsonb knows no \u0000; what is too large or no UTF-8 never was one of our workers' results. */
static const char *clean_raw(const char *raw)
{
    size_t len = raw ? strnlen(raw, LIMIT_RESULT_RAW_BYTES + 1) : 0;
    if (len == 0 || len > LIMIT_RESULT_RAW_BYTES || !str_is_utf8(raw, len) ||
        strstr(raw, "\\u0000"))
        return "{}";
    return raw;
}

static bool is_slot_fair(const struct record *r)
{
    int64_t now = clock_wall_us();
    if (r->slot_us > now - OLDEST_US && r->slot_us < now + AHEAD_US)
        return true;
    log_warn("result_refused", kv_uuid("check", r->check_id), kv_i64("slot_us", r->slot_us));
    return false;
}

static enum status take_items(struct batch *b)
{
    b->items = arena_array(b->arena, b->count, sizeof(*b->items));
    if (!b->items)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < b->count; i++) {
        const struct record *r = &b->records[i];
        b->outcomes[i] = (struct record_outcome){0};
        if (!is_slot_fair(r))
            continue;
        const char *message = clean_message(r->message ? r->message : "", b->arena);
        if (!message)
            return ST_NO_MEMORY;
        struct item *item = &b->items[b->item_count++];
        *item = (struct item){
            .record = *r,
            .outcome = &b->outcomes[i],
            .status = result_status_name(r->status),
            .id = uuid_at(r->slot_us / 1000),
        };
        item->record.message = message;
        item->record.raw_json = b->drop_raw ? "{}" : clean_raw(r->raw_json);
    }
    if (b->item_count > 0)
        qsort(b->items, b->item_count, sizeof(*b->items), compare_items);
    return ST_OK;
}

/* --- reading --- */

static enum status read_check(const PGresult *r, int row, struct arena *arena,
                              struct check_row *out)
{
    enum check_state_name state = CHECK_PENDING;
    const char *name = row_str(r, row, "state", arena);
    if (!name)
        return ST_NO_MEMORY;
    if (check_state_parse(name, &state) != ST_OK)
        return ST_CORRUPT;
    out->id = row_uuid(r, row, "id");
    out->org_id = row_uuid(r, row, "org_id");
    out->policy.retries = (int)row_i64(r, row, "retries");
    out->policy.recoveries = (int)row_i64(r, row, "recoveries");
    out->incident_id = row_uuid(r, row, "incident_id");
    out->sequence = row_i64(r, row, "sequence");
    out->last_run_us = row_time(r, row, "last_run_at");
    out->settled_us = row_time(r, row, "settled_to");
    out->state = (struct check_state){
        .state = state,
        .failures = (int)row_i64(r, row, "failures"),
        .successes = (int)row_i64(r, row, "successes"),
        .since_us = row_time(r, row, "since"),
        .last_slot_us = row_time(r, row, "last_slot_at"),
    };
    return ST_OK;
}

static struct check_row *find_check(const struct batch *b, const struct uuid *id)
{
    size_t low = 0;
    size_t high = b->check_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = uuid_cmp(id, &b->checks[mid].id);
        if (order == 0)
            return &b->checks[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

/* Items whose check is gone leave the batch. */
static void attach_items(struct batch *b)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->item_count; i++) {
        struct item item = b->items[i];
        item.check = find_check(b, &item.record.check_id);
        if (!item.check)
            continue;
        item.org_id = item.check->org_id;
        item.outcome->org_id = item.org_id;
        b->items[kept++] = item;
    }
    b->item_count = kept;
}

static enum status lock_checks(struct batch *b, struct db *db)
{
    struct uuid *ids = ROWS(b, struct uuid, b->item_count);
    if (!ids)
        return ST_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < b->item_count; i++) {
        if (count == 0 || !uuid_eq(&ids[count - 1], &b->items[i].record.check_id))
            ids[count++] = b->items[i].record.check_id;
    }
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids(&args, ids, count);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_RECORDER_LOCK, &args, &r));
    size_t rows = (size_t)PQntuples(r);
    b->checks = ROWS(b, struct check_row, rows);
    if (!b->checks)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < rows; i++)
        TRY(read_check(r, (int)i, b->arena, &b->checks[i]));
    b->check_count = rows;
    attach_items(b);
    return ST_OK;
}

/* Which incidents are open is asked anew under the locks: somebody may have resolved one by hand.
 */
static enum status load_incidents(struct batch *b, struct db *db)
{
    struct uuid *ids = ROWS(b, struct uuid, b->check_count);
    if (!ids)
        return ST_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < b->check_count; i++) {
        if (b->checks[i].has_error || !uuid_is_nil(&b->checks[i].incident_id))
            ids[count++] = b->checks[i].id;
    }
    if (count == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids(&args, ids, count);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_RECORDER_OPEN_INCIDENTS, &args, &r));
    for (int i = 0; i < PQntuples(r); i++) {
        struct uuid check_id = row_uuid(r, i, "check_id");
        struct check_row *check = find_check(b, &check_id);
        if (!check)
            continue;
        check->incident_id = check->open_incident_id = row_uuid(r, i, "id");
        check->state.has_incident = true;
    }
    return ST_OK;
}

/* --- results --- */

static void key_columns(struct db_args *args, struct arena *arena, const struct item *items,
                        size_t n)
{
    db_args_init(args, arena);
    db_arg_uuids_of(args, DB_COLUMN(items, n, record.check_id));
    db_arg_times_of(args, DB_COLUMN(items, n, record.slot_us));
    db_arg_strs_of(args, DB_COLUMN(items, n, record.location));
    db_arg_strs_of(args, DB_COLUMN(items, n, record.trigger));
}

static enum status insert_results(struct batch *b, struct db *db, PGresult **out)
{
    const struct item *items = b->items;
    size_t n = b->item_count;
    struct db_args args;
    key_columns(&args, b->arena, items, n);
    db_arg_uuids_of(&args, DB_COLUMN(items, n, id));
    db_arg_uuids_of(&args, DB_COLUMN(items, n, org_id));
    db_arg_strs_of(&args, DB_COLUMN(items, n, status));
    db_arg_strs_of(&args, DB_COLUMN(items, n, record.message));
    db_arg_i64s_of(&args, DB_COLUMN(items, n, record.response_us));
    db_arg_i64s_of(&args, DB_COLUMN(items, n, record.lag_us));
    db_arg_strs_of(&args, DB_COLUMN(items, n, record.raw_json));
    db_arg_times_of(&args, DB_COLUMN(items, n, record.executed_us));
    return db_query(db, &Q_RECORDER_INSERT_RESULTS, &args, out);
}

/* The rows come back in the order in which they went in, without those that were there already. */
static void mark_new(struct batch *b, const PGresult *inserted)
{
    int rows = PQntuples(inserted);
    int row = 0;
    for (size_t i = 0; i < b->item_count && row < rows; i++) {
        struct item *item = &b->items[i];
        struct uuid id = row_uuid(inserted, row, "id");
        if (!uuid_eq(&id, &item->id))
            continue;
        row++;
        item->outcome->is_new = true;
        item->outcome->id = id;
        if (item->record.status == RESULT_ERROR)
            item->check->has_error = true;
    }
}

/* Ids of the results that were there already. */
static enum status find_earlier(struct batch *b, struct db *db)
{
    struct item *items = ROWS(b, struct item, b->item_count);
    if (!items)
        return ST_NO_MEMORY;
    size_t n = 0;
    for (size_t i = 0; i < b->item_count; i++) {
        if (!b->items[i].outcome->is_new)
            items[n++] = b->items[i];
    }
    if (n == 0)
        return ST_OK;
    struct db_args args;
    key_columns(&args, b->arena, items, n);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_RECORDER_FIND_RESULTS, &args, &r));
    for (int i = 0; i < PQntuples(r); i++) {
        int64_t at = row_i64(r, i, "n");
        if (at >= 1 && (size_t)at <= n)
            items[at - 1].outcome->id = row_uuid(r, i, "id");
    }
    return ST_OK;
}

/* --- the transaction --- */

static enum status store_in_transaction(struct db *db, void *arg)
{
    struct batch *b = arg;
    arena_reset(b->arena);
    b->item_count = b->check_count = b->change_count = b->alerts = 0;
    TRY(take_items(b));
    if (b->item_count == 0)
        return ST_OK;
    TRY(lock_checks(b, db));
    if (b->item_count == 0)
        return ST_OK;

    AUTO_RESULT inserted = NULL;
    TRY(insert_results(b, db, &inserted));
    mark_new(b, inserted);
    if ((size_t)PQntuples(inserted) < b->item_count)
        TRY(find_earlier(b, db));
    TRY(load_incidents(b, db));
    TRY(recorder_fold(b));
    TRY(recorder_write(b, db));
    CRASH_AT("recorder.before_commit");
    return ST_OK;
}

/* Partitions for the days of a batch, each in its own transaction. */
static enum status ensure_partitions(struct batch *b, struct db *db)
{
    int64_t last_day = INT64_MIN;
    arena_reset(b->arena);
    for (size_t i = 0; i < b->count; i++) {
        int64_t slot_us = b->records[i].slot_us;
        if (slot_us / DAY_US == last_day || !is_slot_fair(&b->records[i]))
            continue;
        last_day = slot_us / DAY_US;
        struct db_args args;
        db_args_init(&args, b->arena);
        db_arg_time(&args, slot_us);
        TRY(db_query(db, &Q_RECORDER_ENSURE_PARTITION, &args, NULL));
    }
    return ST_OK;
}

static enum status store(struct db *db, struct batch *b, size_t *alerts)
{
    enum status st = db_transact(db, store_in_transaction, b);
    if (st == ST_INVALID) {
        /* No partition for one of the days, as a rule; that is no case for the common path. */
        TRY(ensure_partitions(b, db));
        st = db_transact(db, store_in_transaction, b);
    }
    if (st == ST_OK)
        *alerts += b->alerts;
    return st;
}

/* One record that the database cannot take must not hold up the others: each alone, and in the end
 * without the details that its worker sent along. */
static enum status store_one_by_one(struct db *db, const struct batch *all, size_t *alerts)
{
    for (size_t i = 0; i < all->count; i++) {
        struct batch one = {.records = &all->records[i],
                            .count = 1,
                            .outcomes = &all->outcomes[i],
                            .arena = all->arena};
        enum status st = store(db, &one, alerts);
        if (st == ST_INVALID) {
            one.drop_raw = true;
            st = store(db, &one, alerts);
        }
        if (st == ST_INVALID) {
            log_error("result_refused", kv_uuid("check", one.records[0].check_id),
                      kv_str("error", db_error(db)));
            all->outcomes[i] = (struct record_outcome){0};
            continue;
        }
        TRY(st);
    }
    return ST_OK;
}

enum status recorder_store(struct db *db, const struct record *records, size_t count,
                           struct record_outcome *outcomes, size_t *alerts)
{
    size_t written = 0;
    *alerts = 0;
    if (count == 0)
        return ST_OK;
    if (count > LIMIT_RECORD_BATCH)
        return ST_TOO_LARGE;
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct batch b = {.records = records, .count = count, .outcomes = outcomes, .arena = arena};
    enum status st = store(db, &b, &written);
    if (st == ST_INVALID)
        st = store_one_by_one(db, &b, &written);
    TRY(st);
    CRASH_AT("recorder.after_commit");
    *alerts = written;
    return ST_OK;
}
