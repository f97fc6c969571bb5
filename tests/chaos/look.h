/* Looks into a queue's streams that only a test takes. */
#ifndef TOCSIN_TESTS_CHAOS_LOOK_H
#define TOCSIN_TESTS_CHAOS_LOOK_H

#include "queue/queue.h"

/* Prints which jobs are held by whom: for whoever has to find out why they are stuck. */
void look_print_pending(const struct queue *q, struct redis *r);
/* Consumers that the groups of a queue know. */
int64_t look_count_consumers(const struct queue *q, struct redis *r);

#endif
