/* Jobs that people ask for (queue/orders.h), within a transaction of PostgreSQL: all of them or
 * none, through the outbox. */
#ifndef TOCSIN_STORE_JOB_ORDERS_H
#define TOCSIN_STORE_JOB_ORDERS_H

#include "db/db.h"
#include "queue/orders.h"

/* Whether the organisation has the checks that jobs name. ST_INVALID with what is wrong in
 * `errors`, below `member` (NULL: the document is the one order). *any: one names a check. */
NODISCARD enum status job_orders_judge(struct db *db, struct arena *arena,
                                       const struct uuid *org_id, const char *member,
                                       const struct task_args *args, size_t count, bool *any,
                                       struct field_errors *errors);
/* Whether so many more jobs are taken: ST_OVERLOADED when LIMIT_OUTBOX_WAITING wait to be
 * published, or a queue has no room for its part of them. A Redis that does not answer has room:
 * they wait for it. */
NODISCARD enum status job_orders_admit(struct db *db, struct redis *r, const struct job *jobs,
                                       size_t count);
/* Writes them down, any number, in a transaction (the caller's, if there is one). */
NODISCARD enum status job_orders_add(struct db *db, struct arena *arena, const struct job *jobs,
                                     size_t count);

#endif
