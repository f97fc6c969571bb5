/*
 * Incidents: opened and resolved by the recorder as checks go down and recover, acknowledged,
 * commented and resolved by people. What may follow what is model/incident.h's to say.
 */
#ifndef TOCSIN_STORE_INCIDENTS_H
#define TOCSIN_STORE_INCIDENTS_H

#include "base/arena.h"
#include "db/db.h"
#include "net/page.h"

struct incident_event {
    struct uuid id;
    int64_t at_us;
    const char *type;     /* opened, acknowledged, commented, resolved */
    struct uuid user_id;  /* nil: by the system */
    const char *username; /* NULL */
    const char *message;
};

struct incident {
    struct uuid id, check_id; /* check_id is nil once the check is gone */
    const char *check_name;
    const char *status;   /* open, acknowledged, resolved */
    const char *severity; /* info, warning, critical */
    const char *title, *cause;
    int64_t started_us, acknowledged_us, resolved_us; /* 0: not */
    struct uuid acknowledged_by, resolved_by;
    int64_t created_us, updated_us;
    const struct incident_event *events; /* incidents_get only; oldest first, 1000 at most */
    size_t event_count;
};

struct incident_filter {
    const char *const *statuses; /* NULL: any */
    size_t status_count;
    struct uuid check_id;       /* nil: any */
    const char *severity;       /* NULL: any */
    int64_t since_us, until_us; /* of the start, [since, until); 0: open */
};
/* Newest first; page->total is set. */
NODISCARD enum status incidents_list(struct db *db, struct arena *arena, const struct uuid *org_id,
                                     const struct incident_filter *filter, struct page *page,
                                     struct incident **rows, size_t *count);
/* With its events. ST_NOT_FOUND also for another organisation's. */
NODISCARD enum status incidents_get(struct db *db, struct arena *arena, const struct uuid *org_id,
                                    const struct uuid *id, struct incident *out);

/* Who does what to which incident. */
struct incident_deed {
    struct uuid org_id, id;
    struct uuid user_id; /* nil: a key without a user */
    const char *message; /* "" */
};
/* One transaction each. ST_NOT_FOUND; ST_CONFLICT: it is resolved. Acknowledging what is
 * acknowledged changes nothing and is ST_OK. */
NODISCARD enum status incidents_acknowledge(struct db *db, struct arena *arena,
                                            const struct incident_deed *deed);
/* The check keeps its state and has no incident any more, so that the next one comes only after it
 * was up again. */
NODISCARD enum status incidents_resolve(struct db *db, struct arena *arena,
                                        const struct incident_deed *deed);
/* In any state. */
NODISCARD enum status incidents_comment(struct db *db, struct arena *arena,
                                        const struct incident_deed *deed);

#endif
