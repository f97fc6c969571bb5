/* A worker of checks in this process, with real stores and a real web server to look at. */
#ifndef TOCSIN_TESTS_INTEGRATION_SERVICES_WORKER_CHECKS_FIXTURE_H
#define TOCSIN_TESTS_INTEGRATION_SERVICES_WORKER_CHECKS_FIXTURE_H

#include "services/worker/worker.h"
#include "store/checks.h"
#include "tests/kit/kit.h"

#define SECRET_KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER_KEY "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

enum { WAIT_MS = KIT_PATIENCE_MS };

/* Set between cf_setup and cf_teardown; the worker is that of the case. */
struct checks_fixture {
    struct web *web;
    struct db *db;
    struct redis *redis;
    struct queue *queue;
    struct uuid org;
    struct conf conf;
};

extern struct checks_fixture cf;

/* Starts the worker, and stops it as a daemon would. */
void cf_start(void);
void cf_stop(int64_t grace_ms);
/* Of the program. */
int cf_setup(void **state);
int cf_teardown(void **state);
/* Of each case. */
int cf_start_worker(void **state);
int cf_stop_worker(void **state);
#define CHECK_CASE(name) cmocka_unit_test_setup_teardown(name, cf_start_worker, cf_stop_worker)
/* A website check of a path of our server. */
struct uuid cf_make_check(const char *path, const char *more);
/* Enqueues; `reply` and `id` may be NULL. */
void cf_enqueue(const char *task, const char *args, const char *reply, struct uuid *id);
/* The slot that this minute is. */
int64_t cf_slot_now_ms(void);
/* A job of the scheduler for these checks. */
void cf_schedule(const struct uuid *checks, size_t count, int64_t slot_ms);
/* How many results are stored of the check. */
int64_t cf_results_of(const struct uuid *check);
/* Of the queue of checks. */
struct queue_stats cf_stats(void);
/* Everything that was asked for is done and acknowledged. */
bool cf_is_quiet(void);
/* The payload published for the job; the caller frees it. */
json_t *cf_wait_reply(const struct uuid *job);
/* Asks for a run as the API does. */
void cf_run_by_hand(const struct uuid *check, int64_t slot_us, struct uuid *job);

#endif
