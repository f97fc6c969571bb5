/*
 * What the ingest writer stores, and the mark that says how far it has read each metrics stream.
 * Mark and samples move in one transaction, so that a crash replays from the mark and never stores
 * twice; rows that are there already (a sender's repeat, a stream read again) are left out.
 */
#ifndef TOCSIN_STORE_SAMPLES_H
#define TOCSIN_STORE_SAMPLES_H

#include <math.h>

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"

enum { INGEST_SHARDS = 4 };
#define INGEST_ENTRY_ID_BYTES 48

/* An integer that was not given; a float that was not given is NaN. */
#define SAMPLE_NONE INT64_MIN

struct disk_sample {
    const char *device, *mount_point, *filesystem; /* "" when not given */
    int64_t total_bytes, used_bytes, available_bytes;
    double usage_percent;
    int64_t inodes_total, inodes_used;
    double inodes_percent;
};

struct network_sample {
    const char *interface;
    int64_t bytes_sent, bytes_recv, packets_sent, packets_recv;
    int64_t errors_in, errors_out, drop_in, drop_out;
    int64_t is_up; /* 0, 1, SAMPLE_NONE */
};

struct process_sample {
    int64_t pid;
    const char *name, *cmdline, *username, *status; /* "" when not given */
    double cpu_percent;
    int64_t memory_bytes;
    double memory_percent;
    int64_t num_threads;
};

/* Values of one host at one instant, in the order of the layout's series, and its tables. */
struct scrape {
    struct uuid host_id;
    int64_t at_us;
    int64_t received_us;
    int64_t layout_id; /* 0: no values */
    const double *values;
    size_t value_count;
    const struct disk_sample *disks;
    size_t disk_count;
    const struct network_sample *networks;
    size_t network_count;
    const struct process_sample *processes;
    size_t process_count;
};

/* All marks, without locks. */
NODISCARD enum status ingest_marks_read(struct db *db, char marks[][INGEST_ENTRY_ID_BYTES]);
/* Inside a transaction: locks and reads one mark. ST_NOT_FOUND: another writer has it. */
NODISCARD enum status ingest_mark_lock(struct db *db, struct arena *arena, int shard,
                                       char out[INGEST_ENTRY_ID_BYTES]);
NODISCARD enum status ingest_mark_set(struct db *db, struct arena *arena, int shard,
                                      const char *entry_id);
/* Makes the partitions that rows at this instant need. Outside a transaction. */
NODISCARD enum status samples_partitions_ensure(struct db *db, struct arena *arena, int64_t at_us,
                                                bool with_tables);

/* What samples_store did. */
struct samples_stored {
    size_t values;  /* of scrapes */
    size_t rows;    /* of all tables */
    size_t repeats; /* rows left out since they were there */
};
/* Inside a transaction: copies what is not there yet and marks the hosts as seen. ST_INVALID: a
 * partition is missing, or PostgreSQL refuses a value (db_error tells). */
NODISCARD enum status samples_store(struct db *db, struct arena *arena,
                                    const struct scrape *scrapes, size_t count,
                                    struct samples_stored *out);

#endif
