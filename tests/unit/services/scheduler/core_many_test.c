/* The pure scheduler with many checks and many lives: every slot once, and no herd. */
#include "services/scheduler/core.h"

#include "base/rand.h"
#include "base/vec.h"
#include "tests/unit/services/scheduler/core_fixture.h"

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
    struct sched *s = core_make_one();
    for (int i = 0; i < CHECKS; i++) {
        const struct sim_check *c = &m->checks[i];
        if (c->exists)
            assert_int_equal(core_load(s, &c->id, c->interval_ms, c->since_ms), ST_OK);
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
    int64_t slot = core_slot_before(&c->id, c->interval_ms, c->since_ms);
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
    assert_int_equal(core_put(m->sched, &c->id, interval_ms, m->now_ms), ST_OK);
    assert_int_equal(core_put(m->standby, &c->id, interval_ms, m->now_ms), ST_OK);
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
        owed += core_slot_before(&ids[i], 10000, now) > T0;
    }
    for (int life = 0; life < 10; life++) { /* each dies after one batch */
        struct sched *s = core_make_one();
        for (int i = 0; i < MANY; i++)
            assert_int_equal(core_load(s, &ids[i], 10000, T0 - 10000), ST_OK);
        sched_run(s, 3, mark, now);
        const struct sched_batch *b = core_tick_at(s, now);
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
    struct sched *s = core_make_one();
    size_t in_second = 0, worst = 0, total = 0;
    for (int i = 0; i < MANY; i++) {
        struct uuid id = uuid_new();
        assert_int_equal(core_load(s, &id, INTERVAL, T0), ST_OK);
    }
    sched_run(s, 3, T0, T0);
    int64_t wake = T0 + 3600000;
    for (int64_t now = wake; now < wake + INTERVAL; now += 20) {
        const struct sched_batch *b = NULL;
        while ((b = core_tick_at(s, now))) {
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
    struct sched *s = core_make_one();
    size_t dispatched = 0;
    int64_t last_slot = 0;
    assert_int_equal(core_load(s, &id, 1000, T0), ST_OK);
    sched_run(s, 3, T0, T0);
    static const int steps[] = {5000, -3000, 1000, 1000, 1500, -400, 900, 0, 2000};
    int64_t now = T0;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        now += steps[i];
        const struct sched_batch *b = core_tick_at(s, now);
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

static void test_many_new_checks_are_no_herd(void **state)
{
    enum { MANY = 20000 };
    struct sched *s = core_make_one();
    size_t total = 0;
    sched_run(s, 3, T0, T0);
    for (int i = 0; i < MANY; i++) {
        struct sched_item item = core_item_of("@monthly", T0 + 500);
        item.is_fresh = true;
        assert_int_equal(sched_put(s, &item, T0 + 1000), ST_OK);
    }
    for (int64_t now = T0 + 1000; now < T0 + 12000; now += 20) {
        size_t in_tick = 0;
        const struct sched_batch *b = NULL;
        while ((b = core_tick_at(s, now))) {
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
        cmocka_unit_test(test_every_slot_once),
        cmocka_unit_test(test_death_between_batches),
        cmocka_unit_test(test_no_herd_after_a_long_sleep),
        cmocka_unit_test(test_clock_that_goes_back),
        cmocka_unit_test(test_many_new_checks_are_no_herd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
