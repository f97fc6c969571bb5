/* The scheduler's threads: one that dispatches, one that keeps house. */
#ifndef TOCSIN_SCHEDULER_SCHEDULER_H
#define TOCSIN_SCHEDULER_SCHEDULER_H

#include "conf/conf.h"

struct scheduler;

/* Registers metrics and health once a process, and starts the threads. Stores that are down are no
 * failure. `conf` is borrowed. */
NODISCARD enum status scheduler_start(const struct conf *conf, struct scheduler **out,
                                      struct errbuf *err);
/* Ends both threads, gives the leases back and frees everything. NULL is fine. */
void scheduler_stop(struct scheduler *s);

#endif
