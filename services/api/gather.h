/*
 * Several jobs and one parked request: what the workers say of any of them is kept until the
 * request looks, and wakes it. A message that comes before the request is parked is not lost.
 */
#ifndef TOCSIN_API_GATHER_H
#define TOCSIN_API_GATHER_H

#include "base/status.h"
#include "base/uuid.h"
#include "net/http.h"

struct gathers; /* of the service */
struct gather;  /* of one request */

NODISCARD enum status gathers_new(struct gathers **out);
/* With what requests have left behind that were never answered. NULL is fine. */
void gathers_free(struct gathers *all);

/* For `count` jobs, by their places. */
NODISCARD enum status gather_new(struct gathers *all, size_t count, struct gather **out);
/* NULL is fine. */
void gather_free(struct gather *g);
/* What to park under. */
const struct uuid *gather_key(const struct gather *g);
/* From now on messages about the job are the place's. Before the job is enqueued. */
NODISCARD enum status gather_expect(struct gather *g, size_t place, const struct uuid *job_id);
/* The next message (the caller's to free; terminated), and its place; false: there is none. */
bool gather_take(struct gather *g, size_t *place, char **message);
bool gather_has_messages(struct gather *g);

/* A worker's message: true when the job is one that somebody gathers. From any thread. */
bool gather_hear(struct gathers *all, struct http_server *server, const struct uuid *job_id,
                 const char *message, size_t len);

#endif
