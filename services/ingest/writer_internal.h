/* The two halves of the writer: reading streams (writer.c) and storing batches (batch.c). */
#ifndef TOCSIN_INGEST_WRITER_INTERNAL_H
#define TOCSIN_INGEST_WRITER_INTERNAL_H

#include "base/arena.h"
#include "base/map.h"
#include "base/stage.h"
#include "db/db.h"
#include "obs/metrics.h"
#include "redis/redis.h"
#include "services/ingest/publish.h"
#include "services/ingest/writer.h"

enum { WRITER_BUSY_MS = 300, WRITER_PARTITIONS_MAX = 4096 };

/* A stream entry, borrowed from a reply. */
struct entry {
    const char *id;
    const char *data; /* NULL: it has no frame */
    size_t len;
};

struct shard {
    char key[STREAM_KEY_BYTES];
    char cursor[INGEST_ENTRY_ID_BYTES]; /* the mark as last seen */
    int64_t busy_until_mono_ms;         /* another writer is at it */
    int leftover_checks;
};

struct writer {
    struct stage *stage;
    struct db *db;
    struct redis *redis;
    struct arena *arena; /* of one batch */
    struct map *known;   /* partitions that are there */
    struct shard shards[INGEST_SHARDS];
    bool has_marks;
    int failures;  /* in a row */
    int64_t count; /* entries of the next read */
};

/* Stores what was read from one stream after its cursor, moves the mark and deletes the entries. An
 * entry that cannot be stored is put aside, so that it does not block the rest. Nothing happens
 * when another writer has moved the mark or is about to. ST_UNAVAILABLE and the like: try again. */
NODISCARD enum status writer_take(struct writer *w, int shard, const struct entry *entries,
                                  size_t count);
void batch_metrics_add(void);
extern struct metric writer_stream_length[INGEST_SHARDS];

#endif
