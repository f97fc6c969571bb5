/* The second half of the recorder: what the new results do to the states, and the rows about it. */
#include <string.h>

#include "gen/queries.h"
#include "store/recorder_batch.h"

/* --- folding --- */

static struct change *add_change(struct batch *b, struct check_row *check, const struct item *item,
                                 const struct check_step *step)
{
    struct change *c = &b->changes[b->change_count++];
    *c = (struct change){
        .check = check,
        .item = item,
        .from = step->from,
        .to = step->to,
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
            c->resolved_us = recovery->item->record->executed_us;
            return;
        }
    }
    recovery->resolves = true;
}

static void apply_step(struct batch *b, struct check_row *check, const struct item *item,
                       const struct check_step *step)
{
    struct change *c = add_change(b, check, item, step);
    if (step->opens_incident) {
        c->opens = true;
        c->incident_id = check->incident_id = check->open_incident_id = uuid_new();
    } else if (step->to != CHECK_DOWN && !uuid_is_nil(&check->incident_id)) {
        c->is_recovery = true;
        c->was_resolved = uuid_is_nil(&check->open_incident_id);
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
        const struct record *r = item->record;
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

static enum status write_states(struct batch *b, struct db *db)
{
    size_t room = b->check_count, n = 0;
    struct uuid *ids = COLUMN(b, struct uuid, room), *incidents = COLUMN(b, struct uuid, room);
    const char **states = COLUMN(b, const char *, room), **statuses = COLUMN(b, const char *, room),
               **messages = COLUMN(b, const char *, room);
    int64_t *since = COLUMN(b, int64_t, room), *failures = COLUMN(b, int64_t, room),
            *successes = COLUMN(b, int64_t, room), *slots = COLUMN(b, int64_t, room),
            *runs = COLUMN(b, int64_t, room), *responses = COLUMN(b, int64_t, room),
            *settled = COLUMN(b, int64_t, room), *sequences = COLUMN(b, int64_t, room);
    if (!ids || !incidents || !states || !statuses || !messages || !since || !failures ||
        !successes || !slots || !runs || !responses || !settled || !sequences)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < b->check_count; i++) {
        const struct check_row *c = &b->checks[i];
        if (!c->is_touched)
            continue;
        ids[n] = c->id;
        states[n] = check_state_name(c->state.state);
        since[n] = c->state.since_us;
        failures[n] = c->state.failures;
        successes[n] = c->state.successes;
        slots[n] = c->state.last_slot_us;
        runs[n] = c->last ? c->last->record->executed_us : 0;
        statuses[n] = c->last ? result_status_name(c->last->record->status) : NULL;
        messages[n] = c->last ? c->last->message : NULL;
        responses[n] = c->last ? c->last->record->response_us : -1;
        settled[n] = c->settled_us;
        incidents[n] = c->incident_id;
        sequences[n] = c->sequence;
        n++;
    }
    if (n == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids(&args, ids, n);
    db_arg_strs(&args, states, n);
    db_arg_times(&args, since, n);
    db_arg_i64s(&args, failures, n);
    db_arg_i64s(&args, successes, n);
    db_arg_times(&args, slots, n);
    db_arg_times(&args, runs, n);
    db_arg_strs(&args, statuses, n);
    db_arg_strs(&args, messages, n);
    db_arg_i64s(&args, responses, n);
    db_arg_times(&args, settled, n);
    db_arg_uuids(&args, incidents, n);
    db_arg_i64s(&args, sequences, n);
    return db_query(db, &Q_RECORDER_UPDATE_STATES, &args, NULL);
}

static enum status write_transitions(struct batch *b, struct db *db)
{
    size_t n = b->change_count;
    struct uuid *checks = COLUMN(b, struct uuid, n), *orgs = COLUMN(b, struct uuid, n),
                *results = COLUMN(b, struct uuid, n), *incidents = COLUMN(b, struct uuid, n);
    int64_t *sequences = COLUMN(b, int64_t, n), *times = COLUMN(b, int64_t, n);
    const char **from = COLUMN(b, const char *, n), **to = COLUMN(b, const char *, n),
               **reasons = COLUMN(b, const char *, n);
    if (!checks || !orgs || !results || !incidents || !sequences || !times || !from || !to ||
        !reasons)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const struct change *c = &b->changes[i];
        checks[i] = c->check->id;
        sequences[i] = c->sequence;
        orgs[i] = c->check->org_id;
        times[i] = c->item->record->executed_us;
        from[i] = check_state_name(c->from);
        to[i] = check_state_name(c->to);
        reasons[i] = c->item->message;
        results[i] = c->item->id;
        incidents[i] = c->incident_id;
    }
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids(&args, checks, n);
    db_arg_i64s(&args, sequences, n);
    db_arg_uuids(&args, orgs, n);
    db_arg_times(&args, times, n);
    db_arg_strs(&args, from, n);
    db_arg_strs(&args, to, n);
    db_arg_strs(&args, reasons, n);
    db_arg_uuids(&args, results, n);
    db_arg_uuids(&args, incidents, n);
    return db_query(db, &Q_RECORDER_INSERT_TRANSITIONS, &args, NULL);
}

/* The ends of older incidents come first: a check has one open incident at most. */
static enum status resolve_incidents(struct batch *b, struct db *db)
{
    size_t n = 0;
    struct uuid *ids = COLUMN(b, struct uuid, b->change_count);
    int64_t *times = COLUMN(b, int64_t, b->change_count);
    if (!ids || !times)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < b->change_count; i++) {
        if (!b->changes[i].resolves)
            continue;
        ids[n] = b->changes[i].incident_id;
        times[n++] = b->changes[i].item->record->executed_us;
    }
    if (n == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids(&args, ids, n);
    db_arg_times(&args, times, n);
    return db_query(db, &Q_RECORDER_RESOLVE_INCIDENTS, &args, NULL);
}

static enum status insert_incidents(struct batch *b, struct db *db)
{
    size_t n = 0, room = b->change_count;
    struct uuid *ids = COLUMN(b, struct uuid, room), *orgs = COLUMN(b, struct uuid, room),
                *checks = COLUMN(b, struct uuid, room);
    const char **names = COLUMN(b, const char *, room), **causes = COLUMN(b, const char *, room);
    int64_t *started = COLUMN(b, int64_t, room), *resolved = COLUMN(b, int64_t, room);
    if (!ids || !orgs || !checks || !names || !causes || !started || !resolved)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < room; i++) {
        const struct change *c = &b->changes[i];
        if (!c->opens)
            continue;
        ids[n] = c->incident_id;
        orgs[n] = c->check->org_id;
        checks[n] = c->check->id;
        names[n] = c->check->name;
        causes[n] = c->item->message;
        started[n] = c->item->record->executed_us;
        resolved[n] = c->resolved_us;
        n++;
    }
    if (n == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids(&args, ids, n);
    db_arg_uuids(&args, orgs, n);
    db_arg_uuids(&args, checks, n);
    db_arg_strs(&args, names, n);
    db_arg_strs(&args, causes, n);
    db_arg_times(&args, started, n);
    db_arg_times(&args, resolved, n);
    return db_query(db, &Q_RECORDER_INSERT_INCIDENTS, &args, NULL);
}

/* The changes that people hear of: incidents opened, and what was down being up again. */
static bool is_news(const struct change *c)
{
    return c->opens || c->is_recovery;
}

static enum status insert_incident_events(struct batch *b, struct db *db)
{
    size_t n = 0, room = b->change_count;
    struct uuid *ids = COLUMN(b, struct uuid, room), *incidents = COLUMN(b, struct uuid, room);
    const char **types = COLUMN(b, const char *, room), **messages = COLUMN(b, const char *, room);
    int64_t *times = COLUMN(b, int64_t, room);
    if (!ids || !incidents || !types || !messages || !times)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < room; i++) {
        const struct change *c = &b->changes[i];
        bool by_hand = c->is_recovery && c->was_resolved;
        if (!is_news(c) || by_hand)
            continue;
        ids[n] = uuid_new();
        incidents[n] = c->incident_id;
        times[n] = c->item->record->executed_us;
        types[n] = c->opens ? "opened" : "resolved";
        messages[n] = c->item->message;
        n++;
    }
    if (n == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids(&args, ids, n);
    db_arg_uuids(&args, incidents, n);
    db_arg_times(&args, times, n);
    db_arg_strs(&args, types, n);
    db_arg_strs(&args, messages, n);
    return db_query(db, &Q_RECORDER_INSERT_INCIDENT_EVENTS, &args, NULL);
}

static enum status insert_outbox(struct batch *b, struct db *db)
{
    size_t n = 0, room = b->change_count;
    struct uuid *checks = COLUMN(b, struct uuid, room), *incidents = COLUMN(b, struct uuid, room);
    const char **events = COLUMN(b, const char *, room), **from = COLUMN(b, const char *, room),
               **to = COLUMN(b, const char *, room), **messages = COLUMN(b, const char *, room);
    int64_t *times = COLUMN(b, int64_t, room);
    if (!checks || !incidents || !events || !from || !to || !messages || !times)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < room; i++) {
        const struct change *c = &b->changes[i];
        if (!is_news(c))
            continue;
        checks[n] = c->check->id;
        incidents[n] = c->incident_id;
        events[n] = c->opens ? "check.down" : "check.up";
        from[n] = check_state_name(c->from);
        to[n] = check_state_name(c->to);
        messages[n] = c->item->message;
        times[n] = c->item->record->executed_us;
        n++;
    }
    if (n == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, b->arena);
    db_arg_uuids(&args, checks, n);
    db_arg_uuids(&args, incidents, n);
    db_arg_strs(&args, events, n);
    db_arg_strs(&args, from, n);
    db_arg_strs(&args, to, n);
    db_arg_strs(&args, messages, n);
    db_arg_times(&args, times, n);
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
