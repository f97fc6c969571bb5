/* Jobs of a priority, and what the queue holds: beside the fixture of tests/kit/queue.h. */
#ifndef TOCSIN_TESTS_INTEGRATION_QUEUE_FIXTURE_H
#define TOCSIN_TESTS_INTEGRATION_QUEUE_FIXTURE_H

#include "tests/kit/queue.h"

/* How many jobs wait, are in hand, are delayed, are dead letters. */
#define assert_stats(f, waiting_, pending_, delayed_, dead_) \
    do {                                                     \
        struct queue_stats s_ = fx_stats(f);                 \
        assert_int_equal(s_.waiting, waiting_);              \
        assert_int_equal(s_.pending, pending_);              \
        assert_int_equal(s_.delayed, delayed_);              \
        assert_int_equal(s_.dead, dead_);                    \
    } while (0)

/* A job that is tried three times, not yet enqueued. */
struct job fx_make_job(int priority);
/* The same, enqueued. */
struct uuid fx_put(struct queue_fixture *f, int priority);
/* Without waiting and without a lease; how many came. */
size_t fx_fetch(struct queue_fixture *f, const char *consumer, size_t max);
struct queue_stats fx_stats(struct queue_fixture *f);

#endif
