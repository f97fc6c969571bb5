/*
 * Jobs as people ask for them: one, a group of them, a chain. The API and the command line read the
 * same documents with the same tables; what becomes of them is in group.h and, within a
 * transaction, store/job_orders.h.
 */
#ifndef TOCSIN_QUEUE_ORDERS_H
#define TOCSIN_QUEUE_ORDERS_H

#include "queue/queue.h"
#include "queue/task_args.h"

/* Results are kept so long at least; those of a group's members an hour. */
enum { ORDER_RESULT_MS = 24 * 3600 * 1000, ORDER_MEMBER_RESULT_MS = 3600 * 1000 };

struct job_order {
    struct in_str task;
    struct in_json args;
    struct in_str queue;
    struct in_i64 priority, max_attempts;
    struct in_f64 delay, expires; /* seconds */
    struct in_bool takes_previous;
};
struct group_order {
    struct in_list jobs;    /* of struct job_order */
    struct in_obj callback; /* struct job_order */
    struct in_bool lenient;
};
struct chain_order {
    struct in_list jobs; /* of struct job_order */
};
extern const struct schema job_order_schema, group_order_schema, chain_order_schema;

/* Who asks. */
struct order_maker {
    const char *tenant; /* of the jobs; NULL: nobody's */
    bool may_system;    /* tasks of the installation as well */
    bool may_internal;  /* any task at all */
    int64_t now_ms;
    int64_t slot_us; /* of the first job; the next one's is a microsecond later, and so on */
};

/* Makes jobs of orders, in the arena, with what each names of checks in (*args)[i]. `member` is
 * where they stand in the document ("jobs"; NULL: the document is the one order). ST_INVALID with
 * what is wrong in `errors`. */
NODISCARD enum status job_orders_read(const struct order_maker *who, const char *member,
                                      const struct job_order *orders, size_t count,
                                      struct arena *arena, struct job **jobs,
                                      struct task_args **args, struct field_errors *errors);

/* A group as it was asked for: everything in the arena. */
struct group_plan {
    struct uuid id;
    size_t total;
    struct job *jobs;
    struct task_args *args;
    struct job *callback; /* NULL: none */
    struct task_args *callback_args;
    bool is_lenient;
};
/* ST_INVALID with what is wrong in `errors`. */
NODISCARD enum status group_order_read(const struct order_maker *who,
                                       const struct group_order *order, struct arena *arena,
                                       struct group_plan *out, struct field_errors *errors);
/* The chain's jobs, the first with the others as its chain. ST_INVALID with what is wrong in
 * `errors`; ST_TOO_LARGE: all of them together. */
NODISCARD enum status chain_order_read(const struct order_maker *who,
                                       const struct chain_order *order, struct arena *arena,
                                       struct job **jobs, struct task_args **args,
                                       struct field_errors *errors);

/* The queue that keeps the state of groups that were asked for. */
#define GROUP_HOME "default"
/* Writes the group's state down and gives its jobs its name. ST_TOO_LARGE: more than
 * GROUP_QUEUES_MAX queues. */
NODISCARD enum status group_plan_begin(struct redis *r, struct group_plan *plan, int64_t now_ms,
                                       struct arena *arena, const char **name);
/* The same, and enqueues them. When one is refused, all are cancelled and nothing comes of it:
 * ST_OVERLOADED, ST_UNAVAILABLE (some may run). */
NODISCARD enum status group_plan_enqueue(struct redis *r, struct group_plan *plan, int64_t now_ms,
                                         struct arena *arena, const char **name);
#endif
