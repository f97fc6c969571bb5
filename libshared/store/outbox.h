/*
 * The outbox: deliveries that are due, and the record of those that were made. A row is written in
 * the transaction that made the transition (store/recorder.h) or by a test of a channel; a notifier
 * claims it for a while, sends, and records the attempt. A claim that was not renewed is taken
 * over, hence at least once.
 *
 * `payload` is the "data" object of what receivers get; store/recorder.h says what is in it. A
 * reader takes any member to be absent.
 */
#ifndef TOCSIN_STORE_OUTBOX_H
#define TOCSIN_STORE_OUTBOX_H

#include "base/arena.h"
#include "db/db.h"
#include "net/page.h"

/* The event of POST /channels/{id}/test. Sent even through a disabled channel, and only once. */
#define EVENT_CHANNEL_TEST "channel.test"

struct delivery_row {
    struct uuid id, org_id;
    const char *event;
    struct uuid incident_id, check_id; /* nil: none */
    int64_t sequence;
    struct uuid channel_id; /* nil: the check's own webhook_url */
    const char *channel_type;
    const char *channel_name; /* NULL when channel_id is nil */
    const char *target;       /* URL, where channel_id is nil */
    const char *payload;      /* JSON object */
    const char *status;       /* pending, delivered, failed, cancelled */
    int64_t attempts;
    int64_t next_us;        /* when it is due; 0 once finished */
    const char *last_error; /* NULL */
    int64_t response_code;  /* HTTP or SMTP; 0: none */
    int64_t created_us, finished_us;
    /* only from outbox_claim: */
    bool was_ours; /* the same owner had claimed it, and let its lease run out */
    bool channel_enabled;
    const char *channel_config;  /* JSON object, NULL without a channel */
    const unsigned char *sealed; /* the channel's sealed secrets, or NULL */
    size_t sealed_len;
};

/* Text that names a delivery for good, whoever sends it and however often: the incident, the number
 * of its notification and the channel; for a test, the row itself. At most DELIVERY_KEY_BYTES. */
enum { DELIVERY_KEY_BYTES = 128 };
void delivery_key(const struct delivery_row *row, char out[DELIVERY_KEY_BYTES]);

struct outbox_claim {
    const char *owner; /* of this notifier's life, never reused */
    int64_t lease_ms;
    const char *channel_type; /* only these */
    size_t limit;
    /* Endpoints that have no room now: channel ids (their tests come all the same), and targets of
     * rows without a channel. */
    const struct uuid *skip_channels;
    size_t skip_channel_count;
    const char *const *skip_targets;
    size_t skip_target_count;
};
/* Claims due rows, oldest first; the rows live in the arena. Other claimers do not wait for us, nor
 * we for them. */
NODISCARD enum status outbox_claim(struct db *db, struct arena *arena,
                                   const struct outbox_claim *claim, struct delivery_row **rows,
                                   size_t *count);
/* Prolongs the claims that are still ours. */
NODISCARD enum status outbox_renew(struct db *db, struct arena *arena, const char *owner,
                                   int64_t lease_ms, const struct uuid *ids, size_t count);
/* Gives claims back unsent: another notifier may have them at once. */
NODISCARD enum status outbox_release(struct db *db, struct arena *arena, const char *owner,
                                     const struct uuid *ids, size_t count);

/* What became of one attempt. */
struct outbox_attempt {
    struct uuid id;
    const char *status; /* the new one; "pending": again after wait_ms */
    int64_t wait_ms;
    bool was_tried;        /* counts as an attempt */
    const char *error;     /* NULL: none */
    int64_t response_code; /* 0: none */
};
/* Records attempts in one statement. A row that somebody else holds by now is only touched when we
 * delivered it. */
NODISCARD enum status outbox_record(struct db *db, struct arena *arena, const char *owner,
                                    const struct outbox_attempt *attempts, size_t count);
/* A row of event channel.test for a channel, due now, with the id given. */
NODISCARD enum status outbox_insert_test(struct db *db, struct arena *arena,
                                         const struct uuid *org_id, const struct uuid *channel_id,
                                         const char *channel_type, const char *payload,
                                         const struct uuid *id);

struct outbox_filter {
    const char *status; /* NULL: any; likewise the nil ids */
    struct uuid channel_id, incident_id, check_id;
};
/* Newest first; page->total is set. */
NODISCARD enum status outbox_list(struct db *db, struct arena *arena, const struct uuid *org_id,
                                  const struct outbox_filter *filter, struct page *page,
                                  struct delivery_row **rows, size_t *count);
/* ST_NOT_FOUND also for another organisation's. */
NODISCARD enum status outbox_get(struct db *db, struct arena *arena, const struct uuid *org_id,
                                 const struct uuid *id, struct delivery_row *out);
/* Makes a failed or cancelled delivery due again, for one more attempt at least. ST_CONFLICT when
 * it is pending or delivered, ST_NOT_FOUND. */
NODISCARD enum status outbox_retry(struct db *db, struct arena *arena, const struct uuid *org_id,
                                   const struct uuid *id);

#endif
