/* Incidents in PostgreSQL. */
#include "store/incidents.h"

#include "gen/queries.h"
#include "model/incident.h"
#include "store/list.h"

static enum status read_row(const PGresult *r, int row, struct arena *arena, void *out)
{
    const struct incident i = {
        .id = row_uuid(r, row, "id"),
        .check_id = row_uuid(r, row, "check_id"),
        .check_name = row_str(r, row, "check_name", arena),
        .status = row_str(r, row, "status", arena),
        .severity = row_str(r, row, "severity", arena),
        .title = row_str(r, row, "title", arena),
        .cause = row_str(r, row, "cause", arena),
        .started_us = row_time(r, row, "started_at"),
        .acknowledged_us = row_time(r, row, "acknowledged_at"),
        .resolved_us = row_time(r, row, "resolved_at"),
        .acknowledged_by = row_uuid(r, row, "acknowledged_by"),
        .resolved_by = row_uuid(r, row, "resolved_by"),
        .created_us = row_time(r, row, "created_at"),
        .updated_us = row_time(r, row, "updated_at"),
    };
    if (!i.check_name || !i.status || !i.severity || !i.title || !i.cause)
        return ST_NO_MEMORY;
    *(struct incident *)out = i;
    return ST_OK;
}

static void filter_args(struct db_args *args, struct arena *arena, const struct uuid *org_id,
                        const struct incident_filter *filter)
{
    db_args_init(args, arena);
    db_arg_uuid(args, org_id);
    if (filter->statuses)
        db_arg_strs(args, filter->statuses, filter->status_count);
    else
        db_arg_null(args);
    db_arg_uuid(args, &filter->check_id);
    db_arg_str(args, filter->severity);
    db_arg_time(args, filter->since_us);
    db_arg_time(args, filter->until_us);
}

enum status incidents_list(struct db *db, struct arena *arena, const struct uuid *org_id,
                           const struct incident_filter *filter, struct page *page,
                           struct incident **rows, size_t *count)
{
    static const struct list_query query = {
        .count = &Q_INCIDENT_COUNT,
        .rows = &Q_INCIDENT_LIST,
        .read = read_row,
        .row_bytes = sizeof(**rows),
        .after = "started_at",
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

static enum status read_event(const PGresult *r, int row, struct arena *arena, void *out)
{
    const struct incident_event e = {
        .id = row_uuid(r, row, "id"),
        .at_us = row_time(r, row, "at"),
        .type = row_str(r, row, "type", arena),
        .user_id = row_uuid(r, row, "user_id"),
        .username = row_str(r, row, "username", arena),
        .message = row_str(r, row, "message", arena),
    };
    if (!e.type || !e.message)
        return ST_NO_MEMORY;
    *(struct incident_event *)out = e;
    return ST_OK;
}

static enum status read_events(struct db *db, struct arena *arena, struct incident *incident)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, &incident->id);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_INCIDENT_EVENTS_LIST, &args, &r));
    void *events = NULL;
    TRY(row_read_all(r, arena, read_event, sizeof(*incident->events), &events,
                     &incident->event_count));
    incident->events = events;
    return ST_OK;
}

enum status incidents_get(struct db *db, struct arena *arena, const struct uuid *org_id,
                          const struct uuid *id, struct incident *out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuid(&args, id);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_INCIDENT_GET, &args, &r));
    struct incident incident;
    TRY(read_row(r, 0, arena, &incident));
    TRY(read_events(db, arena, &incident));
    *out = incident;
    return ST_OK;
}

struct deed_call {
    struct arena *arena;
    const struct incident_deed *deed;
};

/* Holds the incident (and first its check's state) until the transaction ends. */
static enum status lock(struct db *db, const struct deed_call *call, enum incident_state *state)
{
    struct db_args args;
    db_args_init(&args, call->arena);
    db_arg_uuid(&args, &call->deed->org_id);
    db_arg_uuid(&args, &call->deed->id);
    TRY(db_query(db, &Q_INCIDENT_LOCK_CHECK, &args, NULL));
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_INCIDENT_LOCK, &args, &r));
    const char *name = row_str(r, 0, "status", call->arena);
    return name ? incident_state_parse(name, state) : ST_NO_MEMORY;
}

static enum status add_event(struct db *db, const struct deed_call *call, const char *type)
{
    const struct uuid id = uuid_new();
    struct db_args args;
    db_args_init(&args, call->arena);
    db_arg_uuid(&args, &id);
    db_arg_uuid(&args, &call->deed->id);
    db_arg_str(&args, type);
    db_arg_uuid(&args, &call->deed->user_id);
    db_arg_str(&args, call->deed->message);
    return db_query(db, &Q_INCIDENT_EVENT_INSERT, &args, NULL);
}

static enum status update(struct db *db, const struct deed_call *call, const struct query *q)
{
    struct db_args args;
    db_args_init(&args, call->arena);
    db_arg_uuid(&args, &call->deed->id);
    db_arg_uuid(&args, &call->deed->user_id);
    return db_query(db, q, &args, NULL);
}

static enum status update_by_id(struct db *db, const struct deed_call *call, const struct query *q)
{
    struct db_args args;
    db_args_init(&args, call->arena);
    db_arg_uuid(&args, &call->deed->id);
    return db_query(db, q, &args, NULL);
}

static enum status acknowledge(struct db *db, void *arg)
{
    const struct deed_call *call = arg;
    enum incident_state state = INCIDENT_OPEN;
    TRY(lock(db, call, &state));
    if (state == INCIDENT_ACKED)
        return ST_OK;
    TRY(incident_move(&state, INCIDENT_ACKED));
    TRY(update(db, call, &Q_INCIDENT_ACKNOWLEDGE));
    return add_event(db, call, "acknowledged");
}

static enum status resolve(struct db *db, void *arg)
{
    const struct deed_call *call = arg;
    enum incident_state state = INCIDENT_OPEN;
    TRY(lock(db, call, &state));
    TRY(incident_move(&state, INCIDENT_RESOLVED));
    TRY(update(db, call, &Q_INCIDENT_RESOLVE));
    TRY(update_by_id(db, call, &Q_INCIDENT_DETACH));
    return add_event(db, call, "resolved");
}

static enum status comment(struct db *db, void *arg)
{
    const struct deed_call *call = arg;
    enum incident_state state = INCIDENT_OPEN;
    TRY(lock(db, call, &state));
    TRY(update_by_id(db, call, &Q_INCIDENT_TOUCH));
    return add_event(db, call, "commented");
}

enum status incidents_acknowledge(struct db *db, struct arena *arena,
                                  const struct incident_deed *deed)
{
    struct deed_call call = {.arena = arena, .deed = deed};
    return db_transact(db, acknowledge, &call);
}

enum status incidents_resolve(struct db *db, struct arena *arena, const struct incident_deed *deed)
{
    struct deed_call call = {.arena = arena, .deed = deed};
    return db_transact(db, resolve, &call);
}

enum status incidents_comment(struct db *db, struct arena *arena, const struct incident_deed *deed)
{
    struct deed_call call = {.arena = arena, .deed = deed};
    return db_transact(db, comment, &call);
}
