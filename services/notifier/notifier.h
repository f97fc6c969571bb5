/*
 * The notifier as a whole. Stages, each a thread or more, joined by bounded queues:
 *     wake     Redis subscription; only hurries the next one
 *     claim    takes due outbox rows, as many as there is room for, and hands each to its channel
 *     send     the channels: webhooks on the HTTP client's thread, mails on a small pool
 *     record   writes what became of the attempts, in batches
 * A delivery passes through them once and is freed by the last one.
 */
#ifndef TOCSIN_NOTIFIER_NOTIFIER_H
#define TOCSIN_NOTIFIER_NOTIFIER_H

#include <pthread.h>
#include <stdatomic.h>

#include "auth/seal.h"
#include "base/arena.h"
#include "base/bqueue.h"
#include "base/limits.h"
#include "base/stage.h"
#include "conf/conf.h"
#include "json/parse.h"
#include "net/egress.h"
#include "services/notifier/endpoints.h"
#include "services/notifier/retry.h"
#include "store/outbox.h"

struct notifier;
struct delivery;

enum outcome_verdict {
    OUTCOME_DELIVERED,
    OUTCOME_RETRY,     /* again later, unless it was the last attempt */
    OUTCOME_FAILED,    /* trying again cannot help */
    OUTCOME_CANCELLED, /* not tried: nobody wants it any more */
    OUTCOME_RELEASED   /* not tried, or not to its end: somebody else may have it at once */
};
struct outcome {
    enum outcome_verdict verdict;
    int64_t response_code;      /* 0: none */
    int64_t retry_after_ms;     /* asked for by the receiver; 0: not */
    int64_t max_attempts;       /* 0: LIMIT_NOTIFY_ATTEMPTS */
    const char *disable_reason; /* a constant: the channel is to be given up; or NULL */
    enum endpoint_verdict endpoint;
    char error[LIMIT_NOTIFY_ERROR_BYTES]; /* "" */
};

/* How a type of channel is sent; services/notifier/channels/<type>.c has one each. */
struct channel_kind {
    const char *name;
    bool has_endpoints; /* each of its channels is a receiver of its own, with limits of its own */
    /* Makes what sending needs, into n->channel[]. */
    enum status (*start)(struct notifier *n, void **state, struct errbuf *err);
    /* Deliveries that may be under way at a time. */
    size_t (*room)(const struct notifier *n);
    /* Takes the delivery over and calls delivery_done once, from any thread, perhaps at once. */
    void (*send)(void *state, struct delivery *d);
    /* Gives back (OUTCOME_RELEASED) what has not been begun. No more sends follow. */
    void (*drain)(void *state);
    /* The grace is over: what is under way must end within a moment. */
    void (*abort)(void *state);
    void (*stop)(void *state);
};
const struct channel_kind *channel_kind_at(size_t index); /* NULL at the end; as channels.def */
enum { CHANNEL_KINDS_MAX = 16 };

struct delivery {
    struct arena *arena;
    struct notifier *notifier;
    size_t kind; /* index of channel_kind_at */
    struct delivery_row row;
    char key[DELIVERY_KEY_BYTES];
    json_t *json;       /* the channel's configuration: what was bound borrows from it */
    const void *config; /* bound by the channel's type; NULL without a channel */
    struct endpoint *endpoint;
    struct outcome outcome;
    int64_t started_mono_us;
    struct delivery *prev, *next; /* all that are claimed */
};

struct channel_state {
    void *state;
    bool is_started;
    _Atomic size_t running;
};

struct notifier {
    const struct conf *conf;
    struct seal_keys *seal;
    struct egress *egress;
    struct retry_schedule retry;
    struct endpoints *endpoints;
    char owner[128]; /* host:pid:uuid */
    int64_t lease_ms;
    struct bqueue *records; /* of struct delivery * */
    struct stage *wake, *claim, *record;
    struct channel_state channel[CHANNEL_KINDS_MAX];
    _Atomic bool wants_room;  /* the claim stage left rows for want of room */
    _Atomic bool is_aborting; /* the grace is over */
    pthread_mutex_t lock;     /* of the list and the count */
    pthread_cond_t idle;
    struct delivery *claimed;
    size_t claimed_count;
};

/* --- delivery.c --- */

/* Copies the row and adds the delivery to those that are claimed. */
NODISCARD enum status delivery_new(struct notifier *n, size_t kind, const struct delivery_row *row,
                                   struct delivery **out);
/* Unseals and binds the configuration. ST_OK, or what went wrong in d->outcome. */
NODISCARD enum status delivery_open(struct delivery *d);
/* Hands it to its channel. */
void delivery_send(struct delivery *d);
/* What became of it: goes to the record stage. */
void delivery_done(struct delivery *d, const struct outcome *outcome);
/* After it was recorded: forgets it. */
void delivery_free(struct delivery *d);
/* Whether it is among those that are claimed. */
bool delivery_is_claimed(struct notifier *n, const struct uuid *id);
/* Ids of all claimed, in the arena. */
NODISCARD enum status deliveries_claimed(struct notifier *n, struct arena *arena, struct uuid **ids,
                                         size_t *count);
/* Waits until none is claimed; false when `ms` have passed. */
bool deliveries_wait_idle(struct notifier *n, int64_t ms);
/* Writes a text (and a number's worth of printf) into an outcome. */
void outcome_error(struct outcome *o, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* --- the stages --- */
stage_fn wake_run;
stage_fn claim_run;
stage_fn record_run;

/* --- service.c --- */
enum status notifier_start(struct notifier *n, struct errbuf *err);
void notifier_stop(struct notifier *n, int64_t grace_ms);

/* --- status.c: health and metrics --- */
void status_setup(struct notifier *n);
void status_database(bool is_ok);
void status_redis(bool is_ok);
void status_count(const struct delivery *d, const char *status);

#endif
