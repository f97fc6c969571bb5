/* What the two halves of the recorder share: the batch, and the step from results to effects. */
#ifndef TOCSIN_STORE_RECORDER_BATCH_H
#define TOCSIN_STORE_RECORDER_BATCH_H

#include "store/recorder.h"

/* One record of the batch and what becomes of it. */
struct item {
    struct record record; /* its message and raw_json fit for PostgreSQL */
    struct record_outcome *outcome;
    const char *status; /* name of record.status */
    struct uuid id, org_id;
    struct check_row *check;
};

/* A check as locked, then as folded. */
struct check_row {
    struct uuid id, org_id;
    struct check_policy policy;
    struct check_state state;
    struct uuid incident_id;      /* the open one, or one that was resolved by hand */
    struct uuid open_incident_id; /* nil: none is open */
    int64_t sequence;
    int64_t last_run_us; /* before; 0: it never ran */
    int64_t settled_us;
    const struct item *last; /* newest result folded in; NULL: none */
    bool has_error;          /* among its new results */
    bool is_touched;         /* has new results */
};

/* A change of state, in the order in which they happened. */
struct change {
    struct uuid check_id, org_id, result_id;
    const char *from, *to; /* names of states */
    const char *message;
    int64_t at_us;
    int64_t sequence;
    struct uuid incident_id;
    bool opens, resolves; /* an incident */
    int64_t resolved_us;  /* of the incident that it opened, when this batch ends it too */
    struct uuid incident_event_id;
    const char *incident_event; /* NULL: none, as when somebody resolved it by hand before */
    const char *news;           /* event that people hear of; NULL: none */
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

/* An array of the arena; of one element at least, for NULL means that there is no room. */
#define ROWS(b, type, n) ((type *)arena_array((b)->arena, MAX_OF(n, (size_t)1), sizeof(type)))

/* Folds the new results into the states, in the order of their slots; the changes are collected. */
NODISCARD enum status recorder_fold(struct batch *b);
/* Writes states, transitions, incidents, their events and the outbox rows. */
NODISCARD enum status recorder_write(struct batch *b, struct db *db);

#endif
