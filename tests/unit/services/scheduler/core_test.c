/* The scheduler's core under a fake clock, against a brute-force oracle: every slot once. */
#include "services/scheduler/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "base/vec.h"
#include "model/schedule.h"

#define T0 1700000000000LL

static int64_t slot_before(const struct uuid *id, int64_t interval_ms, int64_t at_ms)
{
    const struct schedule s = {.interval_ms = interval_ms};
    return schedule_slot_at(&s, schedule_phase(&s, uuid_hash(id)), at_ms);
}

static enum status load(struct sched *s, const struct uuid *id, int64_t interval_ms,
                        int64_t settled_ms)
{
    const struct sched_item item = {.id = *id,
                                    .shard = 3,
                                    .plan = {.schedule = {.interval_ms = interval_ms}},
                                    .settled_ms = settled_ms};
    return sched_load(s, &item);
}

static enum status put(struct sched *s, const struct uuid *id, int64_t interval_ms, int64_t now_ms)
{
    const struct sched_item item = {.id = *id,
                                    .shard = 3,
                                    .plan = {.schedule = {.interval_ms = interval_ms}},
                                    .settled_ms = now_ms};
    return sched_put(s, &item, now_ms);
}

static struct sched *make_one(void)
{
    struct sched *s = sched_new();
    assert_non_null(s);
    return s;
}

static const struct sched_batch *tick_at(struct sched *s, int64_t now_ms)
{
    const struct sched_batch *b = NULL;
    assert_int_equal(sched_tick(s, 3, now_ms, &b), ST_OK);
    return b;
}

static void test_one_check(void **state)
{
    struct uuid id = uuid_new();
    int64_t slot = slot_before(&id, 60000, T0) + 60000;
    struct sched *s = make_one();
    assert_int_equal(load(s, &id, 60000, T0), ST_OK);
    assert_true(sched_deadline(s) == SCHED_FOREVER);
    sched_run(s, 3, T0, T0);
    assert_true(sched_deadline(s) == slot);
    assert_null(tick_at(s, slot - 1));
    const struct sched_batch *b = tick_at(s, slot + 5);
    assert_non_null(b);
    assert_true(b->count == 1 && b->tick_ms == slot + 5);
    assert_true(uuid_eq(&b->due[0].id, &id));
    assert_true(b->due[0].slot_ms == slot && b->due[0].prev_ms == slot - 60000);
    /* Not done: the same again, however late it is. */
    assert_ptr_equal(tick_at(s, slot + 500000), b);
    assert_true(b->count == 1 && b->tick_ms == slot + 5);
    sched_done(s, 3);
    assert_true(sched_mark(s, 3) == slot + 5);
    assert_true(sched_deadline(s) == slot + 60000);
    assert_null(tick_at(s, slot + 5));
    sched_remove(s, &id);
    assert_true(sched_count(s) == 0 && sched_deadline(s) == SCHED_FOREVER);
    sched_free(s);
}

static void test_what_is_owed_at_load(void **state)
{
    static const struct {
        const char *name;
        int64_t mark, settled; /* relative to the newest slot; NEVER: none */
        bool is_owed;
    } rows[] = {
        {"nothing known", SCHED_NEVER, -60000, true},
        {"has its result", SCHED_NEVER, 0, false},
        {"made after the slot", SCHED_NEVER, 10, false},
        {"dispatched", 0, -60000, false},
        {"dispatched, a later tick", 3, -60000, false},
        {"not dispatched", -1, -60000, true},
        {"not dispatched, but has its result", -1, 0, false},
    };
    struct uuid id = uuid_new();
    int64_t slot = slot_before(&id, 60000, T0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sched *s = make_one();
        assert_int_equal(load(s, &id, 60000, slot + rows[i].settled), ST_OK);
        sched_run(s, 3, rows[i].mark == SCHED_NEVER ? SCHED_NEVER : slot + rows[i].mark, slot + 20);
        const struct sched_batch *b = tick_at(s, slot + 20);
        if ((b != NULL) != rows[i].is_owed)
            fail_msg("%s", rows[i].name);
        if (b)
            assert_true(b->due[0].slot_ms == slot);
        sched_free(s);
    }
}

static void test_edits(void **state)
{
    struct uuid id = uuid_new();
    struct sched *s = make_one();
    sched_run(s, 3, T0, T0);
    assert_int_equal(put(s, &id, 60000, T0), ST_OK);
    int64_t first = sched_deadline(s);
    assert_true(first == slot_before(&id, 60000, T0) + 60000);
    assert_int_equal(put(s, &id, 60000, T0 + 1), ST_OK); /* a new name */
    assert_true(sched_deadline(s) == first);
    assert_int_equal(put(s, &id, 5000, T0 + 2), ST_OK);
    assert_true(sched_deadline(s) == slot_before(&id, 5000, T0 + 2) + 5000);
    assert_true(sched_count(s) == 1);
    assert_true(sched_count_running(s) == 1);
    sched_rest(s, 3);
    assert_true(sched_count(s) == 1 && sched_count_running(s) == 0);
    /* An edit of what rests counts from its moment on. */
    assert_int_equal(put(s, &id, 7000, T0 + 20000), ST_OK);
    sched_run(s, 3, T0 + 2, T0 + 20000);
    assert_true(sched_deadline(s) == slot_before(&id, 7000, T0 + 20000) + 7000);
    sched_free(s);
}

static void test_resting_shards_are_silent(void **state)
{
    struct uuid id = uuid_new();
    const struct sched_batch *b = NULL;
    struct sched *s = make_one();
    assert_int_equal(load(s, &id, 60000, T0), ST_OK);
    assert_int_equal(sched_tick(s, 3, T0 + 60000, &b), ST_OK);
    assert_null(b);
    assert_true(sched_deadline(s) == SCHED_FOREVER);
    sched_run(s, 3, T0, T0 + 1);
    assert_true(sched_is_running(s, 3));
    int64_t slot = sched_deadline(s);
    assert_non_null(tick_at(s, slot));
    /* Given up before it was done: whoever runs it next begins where it began. */
    sched_rest(s, 3);
    assert_null(tick_at(s, slot));
    assert_true(sched_deadline(s) == SCHED_FOREVER);
    sched_run(s, 3, T0, slot + 1);
    b = tick_at(s, slot + 1);
    assert_true(b && b->count == 1 && b->due[0].slot_ms == slot);
    sched_done(s, 3);
    /* … or where another one came to meanwhile. */
    sched_rest(s, 3);
    sched_run(s, 3, slot + 60000, slot + 60001);
    assert_true(sched_deadline(s) == slot + 120000);
    sched_free(s);
}

/* Late by less than SCHED_LATE_MS every slot runs, in its order; of what is older only the newest,
 * if there is none that is late at most. */
static void test_late_slots(void **state)
{
    static const struct {
        int64_t interval_ms, gap_ms; /* since the mark */
        size_t dispatched;           /* of slots up to now */
    } rows[] = {
        {1000, 4000, 4}, {1000, 9000, 9},    {1000, 3600000, 10}, {3000, 9000, 3},
        {8000, 8000, 1}, {60000, 600000, 1}, {2000, 60000, 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int asleep = 0; asleep < 2; asleep++) {
            struct uuid id = uuid_new();
            struct sched *s = make_one();
            int64_t mark = slot_before(&id, rows[i].interval_ms, T0);
            int64_t now = mark + rows[i].gap_ms, last = 0;
            assert_int_equal(load(s, &id, rows[i].interval_ms, mark), ST_OK);
            sched_run(s, 3, mark, asleep ? mark + 1 : now);
            size_t count = 0;
            for (int64_t at = now; at <= now + SCHED_SPREAD_MS / 2; at += 50) {
                const struct sched_batch *b = tick_at(s, at);
                for (size_t k = 0; b && k < b->count; k++) {
                    int64_t slot = b->due[k].slot_ms;
                    assert_true(last == 0 || slot == last + rows[i].interval_ms);
                    count += slot <= now;
                    last = slot;
                }
                sched_done(s, 3);
            }
            if (count != rows[i].dispatched && count != rows[i].dispatched + 1)
                fail_msg("every %lld ms after %lld ms: %zu", (long long)rows[i].interval_ms,
                         (long long)rows[i].gap_ms, count);
            sched_free(s);
        }
    }
}

/* --- the oracle --- */

enum { CHECKS = 150, MAX_LOG = 400000 };

struct sim_check {
    struct uuid id;
    bool exists;
    int64_t interval_ms;
    int64_t since_ms; /* slots after this are expected */
};
struct log_line {
    struct uuid id;
    int64_t slot_ms;
};
/* Redis, the database and the ledger of what was published. */
struct sim {
    struct sim_check checks[CHECKS];
    int64_t mark_ms;
    struct log_line *log;
    size_t log_count;
    size_t expected;
    int64_t now_ms;
    struct sched *sched, *standby;
};

/* The script: a tick that is known is ignored. */
static void publish(struct sim *m, const struct sched_batch *b)
{
    if (b->tick_ms <= m->mark_ms)
        return;
    m->mark_ms = b->tick_ms;
    for (size_t i = 0; i < b->count; i++) {
        assert_true(m->log_count < MAX_LOG);
        m->log[m->log_count++] = (struct log_line){b->due[i].id, b->due[i].slot_ms};
    }
}

static struct sched *load_all(const struct sim *m)
{
    struct sched *s = make_one();
    for (int i = 0; i < CHECKS; i++) {
        const struct sim_check *c = &m->checks[i];
        if (c->exists)
            assert_int_equal(load(s, &c->id, c->interval_ms, c->since_ms), ST_OK);
    }
    return s;
}

/* The other one goes on, which has followed all changes; in its place comes one that read all. */
static void take_over(struct sim *m)
{
    struct sched *next = m->standby ? m->standby : load_all(m);
    sched_free(m->sched);
    m->sched = next;
    m->standby = load_all(m);
    sched_run(m->sched, 3, m->mark_ms, m->now_ms);
}

/* Ticks until nothing is due; now and then a reply is lost or the scheduler dies on the way. */
static void drain(struct sim *m)
{
    const struct sched_batch *b = NULL;
    for (;;) {
        assert_int_equal(sched_tick(m->sched, 3, m->now_ms, &b), ST_OK);
        if (!b)
            return;
        uint64_t luck = rand_below(20);
        if (luck == 0) { /* dies before publishing */
            take_over(m);
            continue;
        }
        publish(m, b);
        if (luck == 1) { /* dies after publishing */
            take_over(m);
            continue;
        }
        if (luck == 2) /* the reply is lost: once more */
            publish(m, b);
        sched_done(m->sched, 3);
    }
}

/* Slots of a check's present life until now join the expectation. */
static void settle_life(struct sim *m, struct sim_check *c)
{
    if (!c->exists)
        return;
    int64_t slot = slot_before(&c->id, c->interval_ms, c->since_ms);
    for (slot += c->interval_ms; slot <= m->now_ms; slot += c->interval_ms) {
        size_t hits = 0;
        for (size_t i = 0; i < m->log_count; i++)
            hits += m->log[i].slot_ms == slot && uuid_eq(&m->log[i].id, &c->id);
        if (hits != 1)
            fail_msg("a slot of every %lld ms was dispatched %zu times", (long long)c->interval_ms,
                     hits);
        m->expected++;
    }
    c->since_ms = m->now_ms;
}

static void edit(struct sim *m)
{
    struct sim_check *c = &m->checks[rand_below(CHECKS)];
    settle_life(m, c);
    if (c->exists && rand_below(3) == 0) {
        c->exists = false;
        sched_remove(m->sched, &c->id);
        sched_remove(m->standby, &c->id);
        return;
    }
    int64_t interval_ms = 1000 + (int64_t)rand_below(60000);
    if (!c->exists)
        c->since_ms = m->now_ms;
    c->exists = true;
    c->interval_ms = interval_ms;
    assert_int_equal(put(m->sched, &c->id, interval_ms, m->now_ms), ST_OK);
    assert_int_equal(put(m->standby, &c->id, interval_ms, m->now_ms), ST_OK);
}

static void test_every_slot_once(void **state)
{
    struct sim m = {.mark_ms = T0, .now_ms = T0};
    m.log = calloc(MAX_LOG, sizeof(*m.log));
    for (int i = 0; i < CHECKS; i++)
        m.checks[i] = (struct sim_check){.id = uuid_new(),
                                         .exists = i % 5 != 0,
                                         .interval_ms = 1000 + (int64_t)rand_below(90000),
                                         .since_ms = T0};
    take_over(&m);
    for (int i = 0; i < 4000; i++) {
        /* Gaps up to what is late at most: nothing may be skipped. */
        m.now_ms += 1 + (int64_t)rand_below(rand_below(10) == 0 ? 9900 : 200);
        drain(&m);
        if (rand_below(30) == 0)
            edit(&m);
        if (rand_below(100) == 0)
            take_over(&m);
    }
    for (int i = 0; i < CHECKS; i++)
        settle_life(&m, &m.checks[i]);
    assert_true(m.expected == m.log_count);
    assert_true(m.expected > 1000);
    sched_free(m.sched);
    sched_free(m.standby);
    free(m.log);
}

/* --- many at once --- */

static int compare_lines(const void *a, const void *b)
{
    const struct log_line *x = a, *y = b;
    return uuid_cmp(&x->id, &y->id);
}

static void test_death_between_batches(void **state)
{
    enum { MANY = 9000 };
    static struct uuid ids[MANY];
    static struct log_line log[MANY];
    size_t count = 0;
    int64_t now = T0 + 5000;
    int64_t mark = T0; /* half of the checks have a slot in these 5 of 10 s */
    size_t owed = 0;
    for (int i = 0; i < MANY; i++) {
        ids[i] = uuid_new();
        owed += slot_before(&ids[i], 10000, now) > T0;
    }
    for (int life = 0; life < 10; life++) { /* each dies after one batch */
        struct sched *s = make_one();
        for (int i = 0; i < MANY; i++)
            assert_int_equal(load(s, &ids[i], 10000, T0 - 10000), ST_OK);
        sched_run(s, 3, mark, now);
        const struct sched_batch *b = tick_at(s, now);
        if (b) {
            assert_true(b->tick_ms > mark && b->tick_ms <= now);
            assert_true(b->count < SCHED_BATCH_CHECKS + 100);
            mark = b->tick_ms;
            for (size_t i = 0; i < b->count && count < MANY; i++)
                log[count++] = (struct log_line){b->due[i].id, b->due[i].slot_ms};
        }
        sched_free(s);
    }
    assert_true(count == owed);
    qsort(log, count, sizeof(*log), compare_lines);
    for (size_t i = 1; i < count; i++)
        assert_true(uuid_cmp(&log[i - 1].id, &log[i].id) < 0);
}

/* After an hour asleep the newest slot of each check runs once, spread, beside the regular ones. */
static void test_no_herd_after_a_long_sleep(void **state)
{
    enum { MANY = 12000, INTERVAL = 300000 };
    struct sched *s = make_one();
    size_t in_second = 0, worst = 0, total = 0;
    for (int i = 0; i < MANY; i++) {
        struct uuid id = uuid_new();
        assert_int_equal(load(s, &id, INTERVAL, T0), ST_OK);
    }
    sched_run(s, 3, T0, T0);
    int64_t wake = T0 + 3600000;
    for (int64_t now = wake; now < wake + INTERVAL; now += 20) {
        const struct sched_batch *b = NULL;
        while ((b = tick_at(s, now))) {
            in_second += b->count;
            total += b->count;
            sched_done(s, 3);
        }
        if ((now - wake) % 1000 == 980) {
            worst = MAX_OF(worst, in_second);
            in_second = 0;
        }
    }
    /* Regular load is 40 a second, the owed ones add 200 for a minute, those of the last 10 s 400.
     */
    assert_true(worst < 800);
    assert_true(total >= MANY && total <= 2 * MANY);
    sched_free(s);
}

/* A clock that stands or went back gives nothing, and nothing twice when it comes again. */
static void test_clock_that_goes_back(void **state)
{
    struct uuid id = uuid_new();
    struct sched *s = make_one();
    size_t dispatched = 0;
    int64_t last_slot = 0;
    assert_int_equal(load(s, &id, 1000, T0), ST_OK);
    sched_run(s, 3, T0, T0);
    static const int steps[] = {5000, -3000, 1000, 1000, 1500, -400, 900, 0, 2000};
    int64_t now = T0;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        now += steps[i];
        const struct sched_batch *b = tick_at(s, now);
        if (!b)
            continue;
        for (size_t k = 0; k < b->count; k++) {
            assert_true(b->due[k].slot_ms > last_slot);
            last_slot = b->due[k].slot_ms;
        }
        dispatched += b->count;
        sched_done(s, 3);
    }
    assert_int_equal(dispatched, 8); /* as many as seconds came for the first time */
    sched_free(s);
}

/* --- calendars, jitter, policies, new checks --- */

static struct sched_item item_of(const char *text, int64_t settled_ms)
{
    struct sched_item item = {.id = uuid_new(), .shard = 3, .settled_ms = settled_ms};
    assert_int_equal(schedule_parse(text, NULL, &item.plan.schedule, NULL), ST_OK);
    return item;
}

static void test_calendar(void **state)
{
    enum { DAY = 86400000 };
    struct sched *s = make_one();
    struct sched_item item = item_of("0 9 * * 1-5", T0); /* T0 is a Tuesday, 22:13:20 */
    assert_int_equal(sched_load(s, &item), ST_OK);
    sched_run(s, 3, T0, T0);
    int64_t wednesday = T0 - T0 % DAY + DAY + 9 * 3600000LL;
    static const int days[] = {0, 1, 2, 5, 6}; /* a weekend in between */
    for (size_t i = 0; i < ARRAY_LEN(days); i++) {
        int64_t slot = wednesday + (int64_t)days[i] * DAY;
        assert_true(sched_deadline(s) == slot);
        const struct sched_batch *b = tick_at(s, slot + 3);
        assert_true(b && b->count == 1 && b->due[0].slot_ms == slot);
        if (i > 0)
            assert_true(b->due[0].prev_ms == wednesday + (int64_t)days[i - 1] * DAY);
        if (i + 1 < ARRAY_LEN(days))
            assert_true(b->due[0].gap_ms == (int64_t)(days[i + 1] - days[i]) * DAY);
        sched_done(s, 3);
    }
    sched_free(s);
}

/* Each slot once, at its time or up to the jitter later, and never past the next one. */
static void test_jitter(void **state)
{
    struct sched *s = make_one();
    struct sched_item item = item_of("* * * * *", T0);
    int64_t last_slot = T0 - T0 % 60000, distinct = 0, last_delay = -1;
    item.plan.jitter_ms = 20000;
    assert_int_equal(sched_load(s, &item), ST_OK);
    sched_run(s, 3, T0, T0);
    for (int64_t now = T0; now < T0 + 100 * 60000; now += 20) {
        if (now % 7 == 0) /* a new owner */
            sched_run(s, 3, sched_mark(s, 3), now);
        const struct sched_batch *b = tick_at(s, now);
        if (!b)
            continue;
        int64_t delay = now - b->due[0].slot_ms;
        assert_true(b->count == 1 && b->due[0].slot_ms == last_slot + 60000);
        assert_true(delay >= 0 && delay <= 20000 + 20);
        distinct += delay != last_delay;
        last_delay = delay;
        last_slot += 60000;
        sched_done(s, 3);
    }
    assert_true(last_slot >= T0 + 98 * 60000 && distinct > 50);
    sched_free(s);
}

static void test_catch_up(void **state)
{
    static const struct {
        const char *name;
        enum sched_catch_up policy;
        int64_t late_ms;
        bool runs;
    } rows[] = {
        {"run once, an hour late", SCHED_RUN_ONCE, 3600000, true},
        {"run once, a second late", SCHED_RUN_ONCE, 1000, true},
        {"skip, an hour late", SCHED_SKIP, 3600000, false},
        {"skip, a second late", SCHED_SKIP, 1000, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sched_item item = item_of("@daily", 0);
        int64_t slot = T0 - T0 % 86400000;
        int64_t now = slot + rows[i].late_ms;
        item.plan.catch_up = rows[i].policy;
        /* Loaded late, and asleep while loaded. */
        for (int asleep = 0; asleep < 2; asleep++) {
            struct sched *s = make_one();
            assert_int_equal(sched_load(s, &item), ST_OK);
            sched_run(s, 3, slot - 5000, asleep ? slot - 4000 : now);
            size_t count = 0;
            for (int64_t at = now; at < now + SCHED_SPREAD_MS; at += 500) {
                const struct sched_batch *b = tick_at(s, at);
                if (!b)
                    continue;
                assert_true(b->count == 1 && b->due[0].slot_ms == slot);
                count++;
                sched_done(s, 3);
            }
            if (count != rows[i].runs)
                fail_msg("%s: %zu runs", rows[i].name, count);
            sched_free(s);
        }
    }
}

static void test_new_check_runs_at_once(void **state)
{
    struct sched *s = make_one();
    struct sched_item item = item_of("every 1 hour", T0 + 1234);
    item.is_fresh = true;
    sched_run(s, 3, T0, T0);
    assert_int_equal(sched_put(s, &item, T0 + 1500), ST_OK);
    const struct sched_batch *b = tick_at(s, T0 + 1500);
    assert_true(b && b->count == 1);
    assert_true(b->due[0].slot_ms == (T0 + 1234) / 1000 * 1000 && b->due[0].prev_ms == 0);
    sched_done(s, 3);
    assert_int_equal(sched_put(s, &item, T0 + 1600), ST_OK); /* a new name: not again */
    assert_null(tick_at(s, T0 + 2000));
    int64_t first = slot_before(&item.id, 3600000, T0 + 2000) + 3600000;
    assert_true(sched_deadline(s) == first);
    b = tick_at(s, first);
    assert_true(b && b->due[0].slot_ms == first && b->due[0].prev_ms == first - 3600000);
    sched_free(s);
    /* Loaded: only when the last owner cannot have known of it. */
    static const struct {
        int64_t mark;
        bool runs;
    } rows[] = {{SCHED_NEVER, true}, {T0, true}, {T0 + 1234, false}, {T0 + 60000, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        item = item_of("@yearly", T0 + 1234);
        item.is_fresh = true;
        s = make_one();
        assert_int_equal(sched_load(s, &item), ST_OK);
        sched_run(s, 3, rows[i].mark, T0 + 70000);
        assert_true((tick_at(s, T0 + 70000) != NULL) == rows[i].runs);
        sched_free(s);
    }
}

static void test_many_new_checks_are_no_herd(void **state)
{
    enum { MANY = 20000 };
    struct sched *s = make_one();
    size_t total = 0;
    sched_run(s, 3, T0, T0);
    for (int i = 0; i < MANY; i++) {
        struct sched_item item = item_of("@monthly", T0 + 500);
        item.is_fresh = true;
        assert_int_equal(sched_put(s, &item, T0 + 1000), ST_OK);
    }
    for (int64_t now = T0 + 1000; now < T0 + 12000; now += 20) {
        size_t in_tick = 0;
        const struct sched_batch *b = NULL;
        while ((b = tick_at(s, now))) {
            in_tick += b->count;
            sched_done(s, 3);
        }
        assert_true(in_tick <= SCHED_FRESH_RATE / 50 + 2);
        total += in_tick;
    }
    assert_true(total == MANY);
    sched_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_check),
        cmocka_unit_test(test_what_is_owed_at_load),
        cmocka_unit_test(test_edits),
        cmocka_unit_test(test_resting_shards_are_silent),
        cmocka_unit_test(test_late_slots),
        cmocka_unit_test(test_every_slot_once),
        cmocka_unit_test(test_death_between_batches),
        cmocka_unit_test(test_no_herd_after_a_long_sleep),
        cmocka_unit_test(test_clock_that_goes_back),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_catch_up),
        cmocka_unit_test(test_new_check_runs_at_once),
        cmocka_unit_test(test_many_new_checks_are_no_herd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
