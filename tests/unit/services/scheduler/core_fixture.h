/* Schedulers without clock, store or thread, for their tests. */
#ifndef TOCSIN_TESTS_UNIT_SERVICES_SCHEDULER_CORE_FIXTURE_H
#define TOCSIN_TESTS_UNIT_SERVICES_SCHEDULER_CORE_FIXTURE_H

/* cmocka wants these four before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/scheduler/core.h"

#define T0 1700000000000LL

/* The last slot before that instant. */
int64_t core_slot_before(const struct uuid *id, int64_t interval_ms, int64_t at_ms);
/* A check of the store, settled up to that slot. */
enum status core_load(struct sched *s, const struct uuid *id, int64_t interval_ms,
                      int64_t settled_ms);
/* A check as somebody edits it. */
enum status core_put(struct sched *s, const struct uuid *id, int64_t interval_ms, int64_t now_ms);
/* Owns all shards. */
struct sched *core_make_one(void);
/* What a tick at that instant asks for; valid till the next. */
const struct sched_batch *core_tick_at(struct sched *s, int64_t now_ms);
/* A check with a schedule in words. */
struct sched_item core_item_of(const char *text, int64_t settled_ms);

#endif
