/* The outbox of notifications in PostgreSQL. */
#include "store/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "gen/queries.h"
#include "store/list.h"

/* Ids without their dashes: a webhook id joins parts with dots, a Message-ID is short. */
static void hex_id(const struct uuid *id, char out[33])
{
    str_hex(id->b, sizeof(id->b), out);
}

void delivery_key(const struct delivery_row *row, char out[DELIVERY_KEY_BYTES])
{
    char first[33];
    char last[33] = "check";
    if (uuid_is_nil(&row->incident_id)) {
        hex_id(&row->id, first);
        (void)snprintf(out, DELIVERY_KEY_BYTES, "%s", first);
        return;
    }
    hex_id(&row->incident_id, first);
    if (!uuid_is_nil(&row->channel_id))
        hex_id(&row->channel_id, last);
    (void)snprintf(out, DELIVERY_KEY_BYTES, "%s-%" PRId64 "-%s", first, row->sequence, last);
}

static enum status read_row(const PGresult *r, int row, struct arena *arena, void *out)
{
    struct delivery_row d = {
        .id = row_uuid(r, row, "id"),
        .org_id = row_uuid(r, row, "org_id"),
        .event = row_str(r, row, "event", arena),
        .incident_id = row_uuid(r, row, "incident_id"),
        .check_id = row_uuid(r, row, "check_id"),
        .sequence = row_i64(r, row, "sequence"),
        .channel_id = row_uuid(r, row, "channel_id"),
        .channel_type = row_str(r, row, "channel_type", arena),
        .channel_name = row_str(r, row, "channel_name", arena),
        .target = row_str(r, row, "target", arena),
        .payload = row_str(r, row, "payload", arena),
        .status = row_str(r, row, "status", arena),
        .attempts = row_i64(r, row, "attempts"),
        .last_error = row_str(r, row, "last_error", arena),
        .response_code = row_i64(r, row, "response_code"),
        .created_us = row_time(r, row, "created_at"),
        .finished_us = row_time(r, row, "finished_at"),
    };
    if (!d.event || !d.channel_type || !d.payload || !d.status)
        return ST_NO_MEMORY;
    if (str_eq(d.status, "pending"))
        d.next_us = row_time(r, row, "next_at");
    *(struct delivery_row *)out = d;
    return ST_OK;
}

static enum status read_claimed(const PGresult *r, int row, struct arena *arena, void *out)
{
    struct delivery_row d;
    TRY(read_row(r, row, arena, &d));
    d.was_ours = row_bool(r, row, "was_ours");
    d.channel_enabled = row_bool(r, row, "channel_enabled");
    d.channel_config = row_str(r, row, "channel_config", arena);
    if (!row_is_null(r, row, "channel_secret"))
        TRY(row_bytes(r, row, "channel_secret", arena, &d.sealed, &d.sealed_len));
    *(struct delivery_row *)out = d;
    return ST_OK;
}

enum status outbox_claim(struct db *db, struct arena *arena, const struct outbox_claim *claim,
                         struct delivery_row **rows, size_t *count)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, claim->owner);
    db_arg_i64(&args, claim->lease_ms);
    db_arg_str(&args, claim->channel_type);
    db_arg_i64(&args, (int64_t)claim->limit);
    db_arg_uuids(&args, claim->skip_channels, claim->skip_channel_count);
    db_arg_strs(&args, claim->skip_targets, claim->skip_target_count);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_OUTBOX_CLAIM, &args, &r));
    void *list = NULL;
    TRY(row_read_all(r, arena, read_claimed, sizeof(**rows), &list, count));
    *rows = list;
    return ST_OK;
}

enum status outbox_renew(struct db *db, struct arena *arena, const char *owner, int64_t lease_ms,
                         const struct uuid *ids, size_t count)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, owner);
    db_arg_i64(&args, lease_ms);
    db_arg_uuids(&args, ids, count);
    return db_query(db, &Q_OUTBOX_RENEW, &args, NULL);
}

enum status outbox_release(struct db *db, struct arena *arena, const char *owner,
                           const struct uuid *ids, size_t count)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, owner);
    db_arg_uuids(&args, ids, count);
    return db_query(db, &Q_OUTBOX_RELEASE, &args, NULL);
}

enum status outbox_record(struct db *db, struct arena *arena, const char *owner,
                          const struct outbox_attempt *attempts, size_t count)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, owner);
    db_arg_uuids_of(&args, DB_COLUMN(attempts, count, id));
    db_arg_strs_of(&args, DB_COLUMN(attempts, count, status));
    db_arg_i64s_of(&args, DB_COLUMN(attempts, count, wait_ms));
    db_arg_bools_of(&args, DB_COLUMN(attempts, count, was_tried));
    db_arg_strs_of(&args, DB_COLUMN(attempts, count, error));
    db_arg_i64s_of(&args, DB_COLUMN(attempts, count, response_code));
    return db_query(db, &Q_OUTBOX_RECORD, &args, NULL);
}

enum status outbox_insert_test(struct db *db, struct arena *arena, const struct uuid *org_id,
                               const struct uuid *channel_id, const char *channel_type,
                               const char *payload, const struct uuid *id)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, id);
    db_arg_uuid(&args, org_id);
    db_arg_uuid(&args, channel_id);
    db_arg_str(&args, channel_type);
    db_arg_str(&args, payload);
    return db_query(db, &Q_OUTBOX_INSERT_TEST, &args, NULL);
}

static void filter_args(struct db_args *args, struct arena *arena, const struct uuid *org_id,
                        const struct outbox_filter *filter)
{
    db_args_init(args, arena);
    db_arg_uuid(args, org_id);
    db_arg_str(args, filter->status);
    db_arg_uuid(args, &filter->channel_id);
    db_arg_uuid(args, &filter->incident_id);
    db_arg_uuid(args, &filter->check_id);
}

enum status outbox_list(struct db *db, struct arena *arena, const struct uuid *org_id,
                        const struct outbox_filter *filter, struct page *page,
                        struct delivery_row **rows, size_t *count)
{
    static const struct list_query query = {
        .count = &Q_OUTBOX_COUNT,
        .rows = &Q_OUTBOX_LIST,
        .read = read_row,
        .row_bytes = sizeof(**rows),
        .after = "created_at",
        .sorts = true,
        .counts_rest = true,
    };
    struct db_args args;
    struct list_rows list;
    filter_args(&args, arena, org_id, filter);
    TRY(list_read(db, &query, &args, page, &list));
    *rows = list.v;
    *count = list.count;
    return ST_OK;
}

enum status outbox_get(struct db *db, struct arena *arena, const struct uuid *org_id,
                       const struct uuid *id, struct delivery_row *out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuid(&args, id);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_OUTBOX_GET, &args, &r));
    return read_row(r, 0, arena, out);
}

enum status outbox_retry(struct db *db, struct arena *arena, const struct uuid *org_id,
                         const struct uuid *id)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuid(&args, id);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_OUTBOX_RETRY, &args, &r));
    if (db_affected(r) > 0)
        return ST_OK;
    struct delivery_row row;
    TRY(outbox_get(db, arena, org_id, id, &row));
    return ST_CONFLICT;
}
