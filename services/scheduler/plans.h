/* A pool of plans, shared by equal ones: a million items have few different schedules. */
#ifndef TOCSIN_SCHEDULER_PLANS_H
#define TOCSIN_SCHEDULER_PLANS_H

#include "services/scheduler/core.h"

struct plans;

/* NULL without memory. */
struct plans *plans_new(void);
/* With all plans that are still in it. NULL is fine. */
void plans_free(struct plans *p);
/* The pool's own plan of this content; one plans_release for each. */
NODISCARD enum status plans_obtain(struct plans *p, const struct sched_plan *plan,
                                   const struct sched_plan **out);
/* NULL is fine. */
void plans_release(struct plans *p, const struct sched_plan *plan);
bool sched_plan_eq(const struct sched_plan *a, const struct sched_plan *b);

#endif
