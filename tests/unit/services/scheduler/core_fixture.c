/* Loading checks and ticking. */
#include "tests/unit/services/scheduler/core_fixture.h"

#include "base/vec.h"
#include "model/schedule.h"

int64_t core_slot_before(const struct uuid *id, int64_t interval_ms, int64_t at_ms)
{
    const struct schedule s = {.interval_ms = interval_ms};
    return schedule_slot_at(&s, schedule_phase(&s, uuid_hash(id)), at_ms);
}

enum status core_load(struct sched *s, const struct uuid *id, int64_t interval_ms,
                      int64_t settled_ms)
{
    const struct sched_item item = {.id = *id,
                                    .shard = 3,
                                    .plan = {.schedule = {.interval_ms = interval_ms}},
                                    .settled_ms = settled_ms};
    return sched_load(s, &item);
}

enum status core_put(struct sched *s, const struct uuid *id, int64_t interval_ms, int64_t now_ms)
{
    const struct sched_item item = {.id = *id,
                                    .shard = 3,
                                    .plan = {.schedule = {.interval_ms = interval_ms}},
                                    .settled_ms = now_ms};
    return sched_put(s, &item, now_ms);
}

struct sched *core_make_one(void)
{
    struct sched *s = sched_new();
    assert_non_null(s);
    return s;
}

const struct sched_batch *core_tick_at(struct sched *s, int64_t now_ms)
{
    const struct sched_batch *b = NULL;
    assert_int_equal(sched_tick(s, 3, now_ms, &b), ST_OK);
    return b;
}

/* --- calendars, jitter, policies, new checks --- */

struct sched_item core_item_of(const char *text, int64_t settled_ms)
{
    struct sched_item item = {.id = uuid_new(), .shard = 3, .settled_ms = settled_ms};
    assert_int_equal(schedule_parse(text, NULL, &item.plan.schedule, NULL), ST_OK);
    return item;
}
