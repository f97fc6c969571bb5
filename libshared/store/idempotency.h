/*
 * Which POSTs were made under which Idempotency-Key (IETF draft httpapi-idempotency-key-header),
 * and what they were answered. Every function of one key is for one thread at a time.
 */
#ifndef TOCSIN_STORE_IDEMPOTENCY_H
#define TOCSIN_STORE_IDEMPOTENCY_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"

enum { IDEMPOTENCY_FINGERPRINT_BYTES = 32 };

struct idempotency_key {
    struct uuid org_id, owner_id;
    const char *key;
    unsigned char fingerprint[IDEMPOTENCY_FINGERPRINT_BYTES];
};

struct idempotency_record {
    bool is_same;               /* the fingerprint is the one asked with */
    bool is_running;            /* not answered, and within its time */
    int status;                 /* 0: not answered */
    const unsigned char *reply; /* sealed; NULL: not kept */
    size_t reply_len;
};

/* Inside a transaction: whether no other one has this key now. */
NODISCARD enum status idempotency_lock(struct db *db, struct arena *arena,
                                       const struct idempotency_key *key, bool *is_ours);
/* Takes the key; ST_CONFLICT when it is taken: *record says how that one fares. */
NODISCARD enum status idempotency_claim(struct db *db, struct arena *arena,
                                        const struct idempotency_key *key,
                                        struct idempotency_record *record);
/* Takes over a key whose request began and never ended; ST_CONFLICT: somebody else did. */
NODISCARD enum status idempotency_reclaim(struct db *db, struct arena *arena,
                                          const struct idempotency_key *key);
/* What the claimed key's request was answered; reply NULL: not kept. */
NODISCARD enum status idempotency_finish(struct db *db, struct arena *arena,
                                         const struct idempotency_key *key, int status,
                                         const void *reply, size_t reply_len);
/* Gives the key back as if nothing had happened. */
NODISCARD enum status idempotency_forget(struct db *db, struct arena *arena,
                                         const struct idempotency_key *key);

#endif
