/* What the two halves of the recorder share: the batch, and the step from results to effects. */
#ifndef TOCSIN_STORE_RECORDER_BATCH_H
#define TOCSIN_STORE_RECORDER_BATCH_H

#include "store/recorder.h"

/* One record of the batch and what becomes of it. */
struct item {
    const struct record *record;
    struct record_outcome *outcome;
    const char *message;
    const char *raw;
    struct uuid id;
    struct check_row *check;
};

/* A check as locked, then as folded. */
struct check_row {
    struct uuid id, org_id;
    const char *name;
    struct check_policy policy;
    struct check_state state;
    struct uuid incident_id;      /* the open one, or one that was resolved by hand */
    struct uuid open_incident_id; /* nil: none is open */
    int64_t sequence;
    int64_t settled_us;
    const struct item *last; /* newest result folded in; NULL: none */
    bool has_error;          /* among its new results */
    bool is_touched;         /* has new results */
};

/* A change of state, in the order in which they happened. */
struct change {
    struct check_row *check;
    const struct item *item;
    enum check_state_name from, to;
    int64_t sequence;
    struct uuid incident_id;
    bool opens, resolves; /* an incident */
    bool is_recovery;     /* tell people that it is over */
    bool was_resolved;    /* … though somebody resolved the incident by hand before */
    int64_t resolved_us;  /* of the incident that it opened, when this batch ends it too */
};

struct batch {
    const struct record *records;
    size_t count;
    struct record_outcome *outcomes;
    bool drop_raw; /* the last try for a record that the database refuses */
    struct arena *arena;
    struct item *items; /* by check, then by slot */
    size_t item_count;
    struct check_row *checks; /* by id */
    size_t check_count;
    struct change *changes;
    size_t change_count;
    size_t alerts;
};

/* An array of the arena with one element taken from each row: SoA for unnest. */
#define COLUMN(b, type, n) ((type *)arena_array((b)->arena, MAX_OF(n, (size_t)1), sizeof(type)))

/* Folds the new results into the states, in the order of their slots; the changes are collected. */
NODISCARD enum status recorder_fold(struct batch *b);
/* Writes states, transitions, incidents, their events and the outbox rows. */
NODISCARD enum status recorder_write(struct batch *b, struct db *db);

#endif
