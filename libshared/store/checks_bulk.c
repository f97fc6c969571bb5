/* The same change of many checks. */
#include "store/checks_bulk.h"

#include "gen/queries.h"

struct work {
    struct arena *arena;
    const struct uuid *org_id, *user_id;
    const struct bulk *bulk;
    struct bulk_item *items;
    struct uuid *ids; /* of the items */
    size_t count;
};

/* --- which --- */

static enum status read_item(const PGresult *r, int row, struct arena *arena, void *out)
{
    struct bulk_item item = {.id = row_uuid(r, row, "id"), .name = row_str(r, row, "name", arena)};
    item.is_refused = !row_bool(r, row, "has_tags"); /* until it turns out to be changed */
    if (!item.name)
        return ST_NO_MEMORY;
    *(struct bulk_item *)out = item;
    return ST_OK;
}

static enum status pick(struct db *db, struct work *w)
{
    static const struct check_filter none;
    const struct bulk *b = w->bulk;
    struct db_args args;
    checks_filter_args(&args, w->arena, w->org_id, b->filter ? b->filter : &none);
    db_arg_strs(&args, b->tags, b->action == BULK_ADD_TAGS ? b->tag_count : 0);
    if (b->ids)
        db_arg_uuids(&args, b->ids, b->id_count);
    else
        db_arg_null(&args);
    db_arg_i64(&args, LIMIT_BULK_CHECKS + 1);
    AUTO_RESULT r = NULL;
    void *list = NULL;
    TRY(db_query(db, &Q_BULK_PICK, &args, &r));
    TRY(row_read_all(r, w->arena, read_item, sizeof(*w->items), &list, &w->count));
    if (w->count > LIMIT_BULK_CHECKS)
        return ST_TOO_LARGE;
    w->items = list;
    w->ids = arena_array(w->arena, MAX_OF(w->count, (size_t)1), sizeof(*w->ids));
    if (!w->ids)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < w->count; i++)
        w->ids[i] = w->items[i].id;
    return ST_OK;
}

/* --- what --- */

static void target_args(struct db_args *args, const struct work *w)
{
    db_args_init(args, w->arena);
    db_arg_uuid(args, w->org_id);
    db_arg_uuids(args, w->ids, w->count);
}

/* Both are in the order of their ids, or nearly: a map would be more than this needs. */
static void mark(struct work *w, const PGresult *changed)
{
    size_t at = 0;
    for (int row = 0; row < PQntuples(changed); row++) {
        struct uuid id = row_uuid(changed, row, "id");
        for (size_t tried = 0; tried < w->count; tried++, at = (at + 1) % w->count) {
            if (!uuid_eq(&w->items[at].id, &id))
                continue;
            w->items[at].is_changed = true;
            break;
        }
    }
}

static enum status change(struct db *db, struct work *w, const struct query *q,
                          const struct db_args *args)
{
    AUTO_RESULT r = NULL;
    TRY(db_query(db, q, args, &r));
    mark(w, r);
    return ST_OK;
}

static enum status enable(struct db *db, struct work *w, bool enabled)
{
    struct db_args args;
    target_args(&args, w);
    db_arg_bool(&args, enabled);
    TRY(change(db, w, &Q_BULK_ENABLE, &args));
    /* What ran all the time keeps its state. */
    size_t n = 0;
    struct uuid *ids = arena_array(w->arena, w->count, sizeof(*ids));
    if (!ids)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < w->count; i++) {
        if (w->items[i].is_changed)
            ids[n++] = w->items[i].id;
    }
    db_args_init(&args, w->arena);
    db_arg_uuid(&args, w->org_id);
    db_arg_uuids(&args, ids, n);
    db_arg_str(&args, enabled ? "pending" : "paused");
    db_arg_str(&args, enabled ? "resumed" : "paused");
    return db_query(db, &Q_CHECK_SET_STATE, &args, NULL);
}

static enum status delete_them(struct db *db, struct work *w)
{
    struct db_args args;
    target_args(&args, w);
    TRY(db_query(db, &Q_CHECK_LOCK_STATES, &args, NULL));
    db_arg_uuid(&args, w->user_id);
    TRY(db_query(db, &Q_CHECK_RESOLVE_INCIDENTS, &args, NULL));
    target_args(&args, w);
    return change(db, w, &Q_BULK_DELETE, &args);
}

static enum status set_text(struct db *db, struct work *w, const struct query *q, const char *text)
{
    struct db_args args;
    target_args(&args, w);
    db_arg_str(&args, text);
    return change(db, w, q, &args);
}

static enum status set_tags(struct db *db, struct work *w, const struct query *q)
{
    struct db_args args;
    target_args(&args, w);
    db_arg_strs(&args, w->bulk->tags, w->bulk->tag_count);
    return change(db, w, q, &args);
}

static enum status set_channels(struct db *db, struct work *w)
{
    const struct bulk *b = w->bulk;
    struct db_args args;
    AUTO_RESULT known = NULL;
    db_args_init(&args, w->arena);
    db_arg_uuid(&args, w->org_id);
    db_arg_uuids(&args, b->channels, b->channel_count);
    TRY(db_query_one(db, &Q_BULK_CHANNELS_KNOWN, &args, &known));
    size_t distinct = 0;
    for (size_t i = 0; i < b->channel_count; i++) {
        size_t j = 0;
        while (j < i && !uuid_eq(&b->channels[i], &b->channels[j]))
            j++;
        distinct += j == i;
    }
    if ((size_t)row_i64(known, 0, "known") != distinct)
        return ST_INVALID;
    db_args_init(&args, w->arena);
    db_arg_uuids(&args, w->ids, w->count);
    TRY(db_query(db, &Q_BULK_CHANNELS_CLEAR, &args, NULL));
    target_args(&args, w);
    db_arg_uuids(&args, b->channels, b->channel_count);
    return change(db, w, &Q_BULK_CHANNELS, &args);
}

static enum status apply(struct db *db, struct work *w)
{
    switch (w->bulk->action) {
    case BULK_PAUSE:
        return enable(db, w, false);
    case BULK_RESUME:
        return enable(db, w, true);
    case BULK_DELETE:
        return delete_them(db, w);
    case BULK_ADD_TAGS:
        return set_tags(db, w, &Q_BULK_ADD_TAGS);
    case BULK_REMOVE_TAGS:
        return set_tags(db, w, &Q_BULK_REMOVE_TAGS);
    case BULK_SET_GROUP:
        return set_text(db, w, &Q_BULK_GROUP, w->bulk->group);
    case BULK_SET_SCHEDULE:
        return set_text(db, w, &Q_BULK_SCHEDULE, w->bulk->schedule);
    case BULK_SET_CHANNELS:
        return set_channels(db, w);
    case BULK_PICK:
    default:
        return ST_OK;
    }
}

static enum status in_transaction(struct db *db, void *arg)
{
    struct work *w = arg;
    TRY(pick(db, w));
    TRY(w->count > 0 ? apply(db, w) : ST_OK);
    for (size_t i = 0; i < w->count; i++)
        w->items[i].is_refused = w->items[i].is_refused && !w->items[i].is_changed;
    return ST_OK;
}

enum status checks_bulk(struct db *db, struct arena *arena, const struct uuid *org_id,
                        const struct uuid *user_id, const struct bulk *bulk,
                        struct bulk_item **items, size_t *count)
{
    struct work w = {.arena = arena, .org_id = org_id, .user_id = user_id, .bulk = bulk};
    TRY(db_transact(db, in_transaction, &w));
    *items = w.items;
    *count = w.count;
    return ST_OK;
}

/* --- words --- */

static enum status read_word(const PGresult *r, int row, struct arena *arena, void *out)
{
    struct check_word word = {.name = row_str(r, row, "name", arena),
                              .count = row_i64(r, row, "count")};
    if (!word.name)
        return ST_NO_MEMORY;
    *(struct check_word *)out = word;
    return ST_OK;
}

enum status checks_words(struct db *db, struct arena *arena, const struct uuid *org_id, bool groups,
                         struct check_word **words, size_t *count)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_str(&args, groups ? "group" : "tag");
    AUTO_RESULT r = NULL;
    void *list = NULL;
    TRY(db_query(db, &Q_CHECK_VALUES, &args, &r));
    TRY(row_read_all(r, arena, read_word, sizeof(**words), &list, count));
    *words = list;
    return ST_OK;
}
