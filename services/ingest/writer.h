/*
 * The writer: one thread that takes batches from the metrics streams into PostgreSQL. How far it
 * has read stands in PostgreSQL and moves in the transaction of the copy, so that a crash replays
 * from there and nothing is stored twice. Every replica runs one; a row lock on the mark decides
 * who is at a shard.
 */
#ifndef TOCSIN_INGEST_WRITER_H
#define TOCSIN_INGEST_WRITER_H

#include "conf/conf.h"
#include "base/status.h"

struct writer;

/* Starts the thread. The stores may be down: it goes on trying. The caller stops it. */
NODISCARD enum status writer_start(const struct conf *conf, struct writer **out,
                                   struct errbuf *err);
/* Finishes the batch at hand; what waits stays in the streams. NULL is fine. */
void writer_stop(struct writer *w);
/* Adds the writer's metrics and health to the process's. Once, before threads start. */
void writer_metrics_add(void);

#endif
