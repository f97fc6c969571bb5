/*
 * When API keys were used last: collected in memory and written in batches, a key once a minute at
 * most, so that thousands of agents cost a statement every few seconds. What a killed process had
 * not written is lost; nothing depends on it.
 */
#ifndef TOCSIN_STORE_KEY_USES_H
#define TOCSIN_STORE_KEY_USES_H

#include "base/uuid.h"
#include "db/db.h"

struct key_uses;

/* NULL without memory. */
struct key_uses *key_uses_new(void);
/* NULL is fine. */
void key_uses_free(struct key_uses *u);
/* Notes a use; writes what was collected when it is much, or some seconds old. From any thread.
 * A failure to write is logged and costs the batch. */
void key_uses_note(struct key_uses *u, struct db *db, const struct uuid *key);
/* Writes what was collected. */
void key_uses_flush(struct key_uses *u, struct db *db);

#endif
