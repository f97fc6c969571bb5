/*
 * What happens around every handler, by the request's method and its route's row: preconditions of
 * changes (If-Match), repeats of POSTs (Idempotency-Key), and kept replies.
 */
#ifndef TOCSIN_API_HOOKS_H
#define TOCSIN_API_HOOKS_H

#include "queue/queue.h"
#include "services/api/api.h"

/* http_config.before, .before_batch and .after. */
enum status api_before(struct req *r);
void api_before_batch(struct req **r, size_t count);
enum status api_after(struct req *r);

/* precondition.c: a change or deletion with If-Match happens to that version alone, or is answered
 * with 412. The comparison is the database's, under the row's lock (migrations/0006). End may
 * refuse what was done: it is undone then. */
NODISCARD enum status precondition_begin(struct req *r);
NODISCARD enum status precondition_end(struct req *r);
/* For handlers of things without versions whose effect is not the database's alone, so that it
 * cannot be undone: 412 when nothing may be done. Called when all else was found good. */
NODISCARD enum status precondition_before_effect(struct req *r);

/* idempotency.c: a POST with an Idempotency-Key happens once. Begin may answer with the reply that
 * the first one got, or refuse; end keeps the reply, and may fail where nothing was done then. */
NODISCARD enum status idempotency_begin(struct req *r);
NODISCARD enum status idempotency_end(struct req *r);
/* An id made of the request's Idempotency-Key and of what it is for (`of` may be NULL), the same at
 * every repeat; a fresh one without a key. */
struct uuid idempotency_id(const struct req *r, const struct uuid *of);
/* Gives a job such an id, under which the queue takes it once. */
NODISCARD enum status idempotency_job(struct req *r, const struct uuid *of, struct job *job);
/* The key that seals kept replies, which may hold secrets: made from the one that signs tokens. */
NODISCARD enum status idempotency_seal_new(const struct jwt_key *jwt, struct seal_keys **out);

#endif
