/*
 * How a kind of check is executed: its file here starts a probe from the bound configuration and
 * says what the outcome means. Time limits, the egress guard, timings, retries and storing belong
 * to the runner, never to a kind.
 */
#ifndef TOCSIN_WORKER_KINDS_KIND_H
#define TOCSIN_WORKER_KINDS_KIND_H

#include "base/buf.h"
#include "base/limits.h"
#include "kinds/kind.h"
#include "model/check_state.h"
#include "net/httpc.h"

struct probe_result {
    enum result_status status;
    char message[LIMIT_RESULT_MESSAGE];
    int64_t response_us; /* -1: nothing was measured */
    struct buf raw;      /* a JSON object, at most LIMIT_RESULT_RAW_BYTES */
};

struct probe {
    const void *config; /* struct of the kind's schema */
    int64_t timeout_ms;
    struct httpc *http;
    /* the kind's */
    uint64_t handle;
    /* what came of it */
    struct probe_result result;
    bool is_cancelled; /* no result: the worker is stopping */
    /* The runner's: to be called exactly once, from any thread, after the result was filled in. */
    void (*done)(struct probe *p);
};

struct probe_kind {
    const char *name; /* of its struct check_kind */
    /* Starts the probe; must not block. When this returns ST_OK the kind calls p->done, perhaps
     * before it returns. */
    enum status (*start)(struct probe *p);
    /* Makes a started probe end soon; it may have ended already. */
    void (*cancel)(struct probe *p);
};

/* By canonical name; NULL when this worker cannot run it. */
const struct probe_kind *probe_kind_find(const char *name);

/* Sets status and message (printf-like, cut to fit). */
void probe_result_set(struct probe_result *r, enum result_status status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* An error with raw_data {"error": word}: for what failed before there was anything to measure. */
void probe_result_error(struct probe_result *r, const char *word, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
