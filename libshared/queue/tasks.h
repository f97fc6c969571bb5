/* The arguments of tasks as the schemas of their rows (tasks.c) bind them: for their handlers. */
#ifndef TOCSIN_QUEUE_TASKS_H
#define TOCSIN_QUEUE_TASKS_H

#include "json/schema.h"

struct queue_sleep_args {
    struct in_f64 seconds;
};

struct queue_fail_args {
    struct in_i64 times;     /* not set: always */
    struct in_bool is_final; /* "final": without another try */
    struct in_str message;
};

#endif
