/* What the routes that take orders of jobs share: who asks, what is refused. */
#ifndef TOCSIN_API_ROUTES_JOB_ORDERS_H
#define TOCSIN_API_ROUTES_JOB_ORDERS_H

#include "net/http.h"
#include "queue/orders.h"

/* The caller, for `count` jobs: of his organisation; tasks of the installation for who runs it. */
NODISCARD enum status order_maker_of(struct req *r, size_t count, struct order_maker *out);
/* Replies to an order that is not valid. */
enum status order_refused(struct req *r, enum status st, const struct field_errors *errors);
/* Whether the checks that jobs name are there, and the caller may run checks. `member` is where the
 * jobs stand in the body: NULL, the body is the one; or a list of them; or, with `is_one`, an
 * object. Answers if not. */
NODISCARD enum status order_checks(struct req *r, const char *member, bool is_one,
                                   const struct task_args *args, size_t count);
/* Whether there is room for so many jobs. Answers if not. */
NODISCARD enum status order_room(struct req *r, const struct job *jobs, size_t count);

#define ORDER_DESCRIPTION                                                                         \
    "Tasks are those that schedules may name, and for admins of the first organisation those of " \
    "the installation. Running checks needs the scope checks:run as well. What was answered is "  \
    "run a moment later, also when Redis is away or loses its memory meanwhile; results "         \
    "are kept for a day at least, those of a group's jobs for an hour."

#endif
