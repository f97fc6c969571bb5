/*
 * The arguments of the tasks that run checks, one encode/decode pair:
 *   check.scheduled  {"trigger":"schedule"|"retry","checks":[{"id":"…","slot":ms,"prev":ms},…]}
 * queue checks, p1 check.run        {"check_id":"…","slot_us":n} queue checks, p0 check.adhoc
 * {"kind":"website","config":{…},"secret":"base64url","timeout_ms":n}  queue checks, p0 check.run
 * and check.adhoc carry job.reply = CHECK_DONE_CHANNEL when somebody waits: then the worker
 * publishes
 * "<job id> <JSON of the result>" there (queue_publish_done): for check.run
 * {"result_id":"…"} once it is committed, for check.adhoc the result itself
 * {"status","message","response_time","raw_data","executed_at"}, and {"error":"…"} when it could
 * not be run.
 */
#ifndef TOCSIN_QUEUE_CHECK_JOBS_H
#define TOCSIN_QUEUE_CHECK_JOBS_H

#include "auth/seal.h"
#include "base/buf.h"
#include "queue/queue.h"

#define CHECK_DONE_CHANNEL "tocsin:done"
/* Published (any text) after outbox rows were committed: only wakes the notifier. */
#define OUTBOX_WAKE_CHANNEL "tocsin:wake:outbox"

struct check_due {
    struct uuid check_id;
    int64_t slot_ms;
    int64_t prev_ms; /* 0: none */
};
struct check_scheduled {
    bool is_retry;
    struct check_due due[LIMIT_JOB_CHECKS];
    size_t count;
};
void check_scheduled_encode(const struct check_scheduled *in, struct buf *out);
NODISCARD enum status check_scheduled_decode(const char *args, struct check_scheduled *out,
                                             struct errbuf *err);

struct check_run {
    struct uuid check_id;
    int64_t slot_us;
};
void check_run_encode(const struct check_run *in, struct buf *out);
NODISCARD enum status check_run_decode(const char *args, struct check_run *out, struct errbuf *err);

struct check_adhoc {
    const char *kind;        /* canonical name */
    const char *config_json; /* an object, without its secrets */
    /* Those, sealed (auth/seal_json.h) for {"adhoc", the job's id, "config"}; NULL: none. Redis and
     * the dead letters see no more of them. */
    const unsigned char *sealed;
    size_t sealed_len;
    int64_t timeout_ms;
};
void check_adhoc_encode(const struct check_adhoc *in, struct buf *out);
struct seal_place check_adhoc_seal_place(const struct uuid *job_id);
NODISCARD enum status check_adhoc_decode(const char *args, struct arena *arena,
                                         struct check_adhoc *out, struct errbuf *err);

#endif
