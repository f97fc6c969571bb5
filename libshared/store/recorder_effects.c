/* The second half of the recorder: what the new results do to the states, and the rows about it. */
#include <string.h>

#include "gen/queries.h"
#include "log/log.h"
#include "store/recorder_batch.h"

/* --- folding --- */

static struct change *add_change(struct batch *b, struct check_row *check, const struct item *item,
                                 const struct check_step *step)
{
    struct change *c = &b->changes[b->change_count++];
    *c = (struct change){
        .check_id = check->id,
        .org_id = check->org_id,
        .result_id = item->id,
        .from = check_state_name(step->from),
        .to = check_state_name(step->to),
        .message = item->record.message,
        .at_us = item->record.executed_us,
        .sequence = ++check->sequence,
        .incident_id = check->incident_id,
    };
    return c;
}

/* An incident that this very batch opened is written with its end. */
static void end_incident(struct batch *b, struct change *recovery)
{
    for (size_t i = 0; i < b->change_count; i++) {
        struct change *c = &b->changes[i];
        if (c->opens && uuid_eq(&c->incident_id, &recovery->incident_id)) {
            c->resolved_us = recovery->at_us;
            return;
        }
    }
    recovery->resolves = true;
}

static void tell(struct change *c, const char *news, const char *incident_event)
{
    c->news = news;
    c->incident_event = incident_event;
    if (incident_event)
        c->incident_event_id = uuid_new();
}

static void apply_step(struct batch *b, struct check_row *check, const struct item *item,
                       const struct check_step *step)
{
    struct change *c = add_change(b, check, item, step);
    if (step->opens_incident) {
        c->opens = true;
        c->incident_id = check->incident_id = check->open_incident_id = uuid_new();
        tell(c, "check.down", "opened");
    } else if (step->to != CHECK_DOWN && !uuid_is_nil(&check->incident_id)) {
        bool by_hand = uuid_is_nil(&check->open_incident_id);
        tell(c, "check.up", by_hand ? NULL : "resolved");
        end_incident(b, c);
        check->incident_id = check->open_incident_id = (struct uuid){0};
    }
}

/* Every slot up to settled_to has a result; this one's follows directly. */
static void settle(struct check_row *check, const struct record *r)
{
    if (r->prev_slot_us != 0 && check->settled_us >= r->prev_slot_us &&
        check->settled_us < r->slot_us)
        check->settled_us = r->slot_us;
}

enum status recorder_fold(struct batch *b)
{
    b->changes = arena_array(b->arena, b->item_count, sizeof(*b->changes));
    if (!b->changes)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < b->item_count; i++) {
        struct item *item = &b->items[i];
        const struct record *r = &item->record;
        if (!item->outcome->is_new)
            continue;
        struct check_row *check = item->check;
        struct check_step step;
        settle(check, r);
        check->is_touched = true;
        check_state_fold(&check->state, &check->policy, r->status, r->slot_us, r->executed_us,
                         &step);
        if (step.is_late || r->status == RESULT_MISSED)
            continue;
        check->last = item;
        if (step.is_transition)
            apply_step(b, check, item, &step);
    }
    for (size_t i = 0; i < b->check_count; i++) {
        const struct check_row *check = &b->checks[i];
        if (check->last)
            check->last->outcome->is_soft = check_state_is_soft(&check->state);
    }
    return ST_OK;
}

/* --- writing --- */

struct state_row {
    struct uuid check_id, org_id, incident_id;
    const char *state, *last_status, *last_message;
    int64_t since_us, failures, successes, last_slot_us, last_run_us, last_response_us;
    int64_t settled_us, sequence;
    int64_t run_before_us; /* the run that was the last one; 0: none */
};

static struct state_row state_row(const struct check_row *c)
{
    const struct item *last = c->last;
    return (struct state_row){
        .check_id = c->id,
        .org_id = c->org_id,
        .incident_id = c->incident_id,
        .state = check_state_name(c->state.state),
        .since_us = c->state.since_us,
        .failures = c->state.failures,
        .successes = c->state.successes,
        .last_slot_us = c->state.last_slot_us,
        .last_run_us = last ? last->record.executed_us : 0,
        .last_status = last ? last->status : NULL,
        .last_message = last ? last->record.message : NULL,
        .last_response_us = last ? last->record.response_us : -1,
        .settled_us = c->settled_us,
        .sequence = c->sequence,
        .run_before_us = c->last_run_us,
    };
}

/* Their places were not where the states said. */
static enum status mend_last_runs(struct batch *b, struct db *db, const struct state_row *rows,
                                  size_t n)
{
    struct db_args args;
    log_warn("last_runs_mended", kv_i64("checks", (int64_t)n));
    db_args_init(&args, b->arena);
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, check_id));
    TRY(db_query(db, &Q_RECORDER_FORGET_LAST_RUNS, &args, NULL));
    return db_query(db, &Q_RECORDER_MEND_LAST_RUNS, &args, NULL);
}

/* Of those that ran; the others are dropped from the rows. */
static enum status move_last_runs(struct batch *b, struct db *db, struct state_row *rows,
                                  size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].last_run_us != 0)
            rows[n++] = rows[i];
    }
    if (n == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, check_id));
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, org_id));
    db_arg_times_of(&args, DB_COLUMN(rows, n, run_before_us));
    db_arg_times_of(&args, DB_COLUMN(rows, n, last_run_us));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, state));
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_RECORDER_MOVE_LAST_RUNS, &args, &r));
    return (size_t)db_affected(r) == n ? ST_OK : mend_last_runs(b, db, rows, n);
}

static enum status write_states(struct batch *b, struct db *db)
{
    struct state_row *rows = ROWS(b, struct state_row, b->check_count);
    if (!rows)
        return ST_NO_MEMORY;
    size_t n = 0;
    for (size_t i = 0; i < b->check_count; i++) {
        if (b->checks[i].is_touched)
            rows[n++] = state_row(&b->checks[i]);
    }
    if (n == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, check_id));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, state));
    db_arg_times_of(&args, DB_COLUMN(rows, n, since_us));
    db_arg_i64s_of(&args, DB_COLUMN(rows, n, failures));
    db_arg_i64s_of(&args, DB_COLUMN(rows, n, successes));
    db_arg_times_of(&args, DB_COLUMN(rows, n, last_slot_us));
    db_arg_times_of(&args, DB_COLUMN(rows, n, last_run_us));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, last_status));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, last_message));
    db_arg_i64s_of(&args, DB_COLUMN(rows, n, last_response_us));
    db_arg_times_of(&args, DB_COLUMN(rows, n, settled_us));
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, incident_id));
    db_arg_i64s_of(&args, DB_COLUMN(rows, n, sequence));
    TRY(db_query(db, &Q_RECORDER_UPDATE_STATES, &args, NULL));
    return move_last_runs(b, db, rows, n);
}

static enum status write_transitions(struct batch *b, struct db *db)
{
    const struct change *rows = b->changes;
    size_t n = b->change_count;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, check_id));
    db_arg_i64s_of(&args, DB_COLUMN(rows, n, sequence));
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, org_id));
    db_arg_times_of(&args, DB_COLUMN(rows, n, at_us));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, from));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, to));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, message));
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, result_id));
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, incident_id));
    return db_query(db, &Q_RECORDER_INSERT_TRANSITIONS, &args, NULL);
}

static bool resolves(const struct change *c)
{
    return c->resolves;
}

static bool opens(const struct change *c)
{
    return c->opens;
}

static bool has_incident_event(const struct change *c)
{
    return c->incident_event != NULL;
}

static bool has_news(const struct change *c)
{
    return c->news != NULL;
}

/* The changes that a statement is about, in their order. */
static enum status pick(const struct batch *b, bool (*is_wanted)(const struct change *c),
                        const struct change **out, size_t *count)
{
    struct change *rows = ROWS(b, struct change, b->change_count);
    if (!rows)
        return ST_NO_MEMORY;
    size_t n = 0;
    for (size_t i = 0; i < b->change_count; i++) {
        if (is_wanted(&b->changes[i]))
            rows[n++] = b->changes[i];
    }
    *out = rows;
    *count = n;
    return ST_OK;
}

/* The ends of older incidents come first: a check has one open incident at most. */
static enum status resolve_incidents(struct batch *b, struct db *db)
{
    const struct change *rows = NULL;
    size_t n = 0;
    TRY(pick(b, resolves, &rows, &n));
    if (n == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, incident_id));
    db_arg_times_of(&args, DB_COLUMN(rows, n, at_us));
    return db_query(db, &Q_RECORDER_RESOLVE_INCIDENTS, &args, NULL);
}

static enum status insert_incidents(struct batch *b, struct db *db)
{
    const struct change *rows = NULL;
    size_t n = 0;
    TRY(pick(b, opens, &rows, &n));
    if (n == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, incident_id));
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, check_id));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, message));
    db_arg_times_of(&args, DB_COLUMN(rows, n, at_us));
    db_arg_times_of(&args, DB_COLUMN(rows, n, resolved_us));
    return db_query(db, &Q_RECORDER_INSERT_INCIDENTS, &args, NULL);
}

static enum status insert_incident_events(struct batch *b, struct db *db)
{
    const struct change *rows = NULL;
    size_t n = 0;
    TRY(pick(b, has_incident_event, &rows, &n));
    if (n == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, incident_event_id));
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, incident_id));
    db_arg_times_of(&args, DB_COLUMN(rows, n, at_us));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, incident_event));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, message));
    return db_query(db, &Q_RECORDER_INSERT_INCIDENT_EVENTS, &args, NULL);
}

static enum status insert_outbox(struct batch *b, struct db *db)
{
    const struct change *rows = NULL;
    size_t n = 0;
    TRY(pick(b, has_news, &rows, &n));
    if (n == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, check_id));
    db_arg_uuids_of(&args, DB_COLUMN(rows, n, incident_id));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, news));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, from));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, to));
    db_arg_strs_of(&args, DB_COLUMN(rows, n, message));
    db_arg_times_of(&args, DB_COLUMN(rows, n, at_us));
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_RECORDER_INSERT_OUTBOX, &args, &r));
    b->alerts += (size_t)db_affected(r);
    return ST_OK;
}

enum status recorder_write(struct batch *b, struct db *db)
{
    TRY(write_states(b, db));
    if (b->change_count == 0)
        return ST_OK;
    TRY(write_transitions(b, db));
    TRY(resolve_incidents(b, db));
    TRY(insert_incidents(b, db));
    TRY(insert_incident_events(b, db));
    return insert_outbox(b, db);
}
