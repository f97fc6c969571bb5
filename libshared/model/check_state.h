/*
 * The state machine of a check: results are folded in, one at a time in the order of their slots;
 * out come the new state and what has to happen (a transition, an incident, notifications). Pure:
 * the recorder loads, folds and stores in one transaction.
 */
#ifndef TOCSIN_MODEL_CHECK_STATE_H
#define TOCSIN_MODEL_CHECK_STATE_H

#include "base/defs.h"
#include "base/status.h"

#define CHECK_STATE_TABLE(X)            \
    X(CHECK_PENDING, "pending")         \
    X(CHECK_UP, "up")                   \
    X(CHECK_DEGRADED, "degraded")       \
    X(CHECK_DOWN, "down")               \
    X(CHECK_UNKNOWN, "unknown")         \
    X(CHECK_MAINTENANCE, "maintenance") \
    X(CHECK_PAUSED, "paused")
enum check_state_name {
#define CHECK_STATE_ENUM(id, name) id,
    CHECK_STATE_TABLE(CHECK_STATE_ENUM)
#undef CHECK_STATE_ENUM
        CHECK_STATE_COUNT_
};
/* Their names in that order; ends with NULL. */
extern const char *const check_state_names[];
const char *check_state_name(enum check_state_name s);
NODISCARD enum status check_state_parse(const char *name, enum check_state_name *out);

enum result_status { RESULT_SUCCESS, RESULT_WARNING, RESULT_ERROR, RESULT_MISSED };
const char *result_status_name(enum result_status s); /* "success" … "missed" */

struct check_policy {
    int retries;    /* failures in a row before DOWN, ≥ 1 */
    int recoveries; /* successes in a row before UP again, ≥ 1 */
};

struct check_state {
    enum check_state_name state;
    int failures, successes;
    int64_t since_us;     /* of the state */
    int64_t last_slot_us; /* newest slot folded in; 0: none */
    bool has_incident;
};

struct check_step {
    bool is_transition; /* state changed; from/to below */
    enum check_state_name from, to;
    bool opens_incident, resolves_incident;
    bool is_late; /* older than what was folded already: stored, but no say */
};

/* Folds one result in. Missed results leave the state alone (the watchdog rule decides about
 * unknown). Success counts as up, warning as degraded (both reset failures), error counts towards
 * down. paused and maintenance stay. */
void check_state_fold(struct check_state *s, const struct check_policy *policy,
                      enum result_status result, int64_t slot_us, int64_t executed_us,
                      struct check_step *step);
/* Soft: failing but not down yet (or recovering but not up yet): the retry interval applies. */
bool check_state_is_soft(const struct check_state *s);

#endif
