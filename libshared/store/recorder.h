/*
 * The one way a check's result becomes history. A batch is one transaction: insert the results (at
 * most one per check, slot, location and trigger), fold only the new ones into check_state in the
 * order of their slots, insert transitions, open or resolve incidents, write outbox rows for the
 * channels. Storing the same batch again changes nothing. Slots more than a year old or a day ahead
 * are refused.
 *
 * An outbox row's payload is all that a message needs:
 *   event ("check.down", "check.up"), incident_id, sequence, severity, organisation {id, name},
 *   check_id, check_name, kind, target, previous_state, state, message, at, started_at (of the
 *   incident), duration_s (number; null in check.down)
 */
#ifndef TOCSIN_STORE_RECORDER_H
#define TOCSIN_STORE_RECORDER_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"
#include "model/check_state.h"

struct record {
    struct uuid check_id;
    int64_t slot_us;      /* due time: names the run */
    int64_t prev_slot_us; /* the slot before it in the schedule; 0: not from the schedule */
    const char *location;
    const char *trigger; /* "schedule", "manual", "retry" */
    enum result_status status;
    const char *message;  /* cut to LIMIT_RESULT_MESSAGE */
    int64_t response_us;  /* -1: nothing was measured */
    int64_t lag_us;       /* -1: unknown */
    const char *raw_json; /* an object; "{}" at least; at most LIMIT_RESULT_RAW_BYTES */
    int64_t executed_us;
};

struct record_outcome {
    bool is_new;        /* false: there was one already, or the check is gone */
    bool is_soft;       /* not confirmed yet: another try after the retry interval is due */
    struct uuid org_id; /* the check's; nil: check gone */
    struct uuid id;     /* of the stored result (the earlier one's when not new; nil: check gone) */
};

/* Stores up to LIMIT_RECORD_BATCH records; outcomes[i] belongs to records[i]. *alerts: outbox rows
 * written (wake the notifier when > 0). ST_UNAVAILABLE: nothing or everything is stored; try again.
 */
NODISCARD enum status recorder_store(struct db *db, const struct record *records, size_t count,
                                     struct record_outcome *outcomes, size_t *alerts);

#endif
