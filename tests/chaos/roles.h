/*
 * The processes that a queue's chaos test kills: workers that use libshared/queue as the product
 * does, and a producer. Each is a fork that never returns and dies with its parent.
 */
#ifndef TOCSIN_TESTS_CHAOS_ROLES_H
#define TOCSIN_TESTS_CHAOS_ROLES_H

#include "queue/queue.h"

enum {
    CHAOS_LEASE_MS = 1000,
    CHAOS_MAINTAIN_MS = 1000, /* as the worker does */
    CHAOS_BATCH = 16,         /* jobs that a worker holds at a time */
    CHAOS_ACK_BATCH = 4,
    CHAOS_BACKLOG = 300, /* jobs waiting, so that every kill meets jobs in hand */
    CHAOS_CALL_MS = 2000
};
#define CHAOS_QUEUE "chaos"

struct chaos {
    const char *redis_url, *conninfo;
    const char *events_path;   /* ledger of what happened to jobs */
    const char *accepted_path; /* ledger of what the producer was promised: record n is job n */
    uint64_t seed;
};

/* Job number n, due now or in a while: the same for the same n, whoever makes it. */
NODISCARD enum status chaos_job(int32_t n, struct job *out);

/* Fetches, takes effect, acknowledges late; SIGTERM makes it give back what it has not begun. With
 * `crash_at`, it ends itself by SIGKILL there. */
_Noreturn void chaos_worker(const struct chaos *c, int incarnation, const char *crash_at);
/* Enqueues job after job, from where its ledger ends, until it is killed. */
_Noreturn void chaos_producer(const struct chaos *c);

#endif
