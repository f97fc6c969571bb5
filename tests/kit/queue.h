/* A queue in an empty Redis, for the tests of the job queue: setup and teardown of each case. */
#ifndef TOCSIN_TESTS_KIT_QUEUE_H
#define TOCSIN_TESTS_KIT_QUEUE_H

#include "queue/inspect.h"
#include "tests/kit/kit.h"

struct queue_fixture {
    struct queue *q; /* "default" */
    struct redis *r;
    struct arena *arena;
    struct job_batch batch; /* of the last fetch */
};
int queue_fixture_setup(void **state);
int queue_fixture_teardown(void **state);
#define QUEUE_CASE(name) \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)

/* A job of the task that does nothing, priority 2, three attempts. */
struct job queue_fixture_job(void);
/* Enqueues a job; its id. */
struct uuid queue_fixture_put(struct queue_fixture *f, const struct job *job);
struct queue_info queue_fixture_info(struct queue_fixture *f);
/* Fetches without waiting, as a consumer that has a lease; how many came. */
size_t queue_fixture_fetch(struct queue_fixture *f, const char *consumer, size_t max);
/* Ends the i-th job of the last fetch. */
void queue_fixture_end(struct queue_fixture *f, const char *consumer, size_t i,
                       enum job_state state, const char *text);
/* Housekeeping as if it were `now_ms`. */
size_t queue_fixture_maintain(struct queue_fixture *f, int64_t now_ms);

/* queue_jobs_scan without filters, up to `limit` jobs. */
NODISCARD enum status kit_jobs_list(struct queue *q, struct redis *r, enum job_state state,
                                    const char *cursor, size_t limit, struct arena *arena,
                                    struct job_page *out);
bool kit_queue_is_paused(struct queue *q, struct redis *r);

#endif
