/* Passes: all enabled checks and where they stand, as streams; then the tasks' schedules. */
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"
#include "services/scheduler/internal.h"
#include "zone/zone.h"

enum {
    STEP_MS = 20,    /* leases and ticks wait meanwhile */
    STEP_ROWS = 256, /* between two looks at the clock */
    TEXTS = 64
};

/* A schedule's text that was read: a million checks have few different ones. */
struct text {
    char text[LIMIT_SCHEDULE_TEXT + 2];
    struct schedule schedule;
};

/* A connection of its own, as a stream takes all of one, for as long as the pass takes. */
struct reader {
    struct db *db;
    bool is_streaming;
    struct text texts[TEXTS]; /* by a hash of the text */
};

static void reader_free(struct reader *r)
{
    if (!r)
        return;
    db_rollback(r->db);
    db_free(r->db);
    free(r);
}

static enum status reader_new(const struct conf *conf, struct reader **out)
{
    struct errbuf err;
    struct reader *r = calloc(1, sizeof(*r));
    if (!r)
        return ST_NO_MEMORY;
    enum status st = db_new(conf->database_url, "tocsin-scheduler-reader", &r->db, &err);
    if (st == ST_OK)
        st = db_begin_reading(r->db);
    if (st != ST_OK) {
        reader_free(r);
        return st;
    }
    *out = r;
    return ST_OK;
}

/* --- items --- */

static bool is_shard(int shard)
{
    return shard >= 0 && shard < SCHED_SHARDS;
}

/* The text was accepted when it was written, perhaps by a newer version than this one. */
static bool understand(const struct uuid *id, const char *text, struct schedule *out)
{
    struct errbuf err;
    if (schedule_read(text, out, &err) == ST_OK)
        return true;
    log_error("schedule_not_understood", kv_uuid("check", *id), kv_str("error", err.text));
    return false;
}

bool scheduler_item_of(struct scheduler *s, const struct schedule_row *row, struct sched_item *out)
{
    *out = (struct sched_item){.id = row->id,
                               .shard = row->shard,
                               .settled_ms = row->settled_ms,
                               .is_fresh = row->is_fresh,
                               .is_task = row->task != NULL,
                               .plan = {.jitter_ms = row->jitter_ms,
                                        .catch_up = row->skips_late ? SCHED_SKIP : SCHED_RUN_ONCE}};
    return is_shard(row->shard) && understand(&row->id, row->schedule, &out->plan.schedule) &&
           (!row->task || tasks_put(s->run.tasks, row) == ST_OK);
}

/* Of a shard that runs nothing is read but by the log. */
static void load(struct scheduler *s, const struct sched_item *item)
{
    if (sched_is_running(s->run.sched, item->shard))
        return;
    if (sched_load(s->run.sched, item) != ST_OK)
        log_error("schedule_not_loaded", kv_uuid("check", item->id), kv_status(ST_NO_MEMORY));
}

static bool read_text(struct reader *r, const struct schedule_check *check, struct schedule *out)
{
    uint32_t h = 2166136261U; /* FNV-1a */
    for (const char *p = check->schedule; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619U;
    struct text *known = &r->texts[h % TEXTS];
    if (known->text[0] == '\0' || !str_eq(known->text, check->schedule)) {
        known->text[0] = '\0';
        if (!understand(&check->id, check->schedule, &known->schedule))
            return false;
        memcpy(known->text, check->schedule, sizeof(known->text));
    }
    *out = known->schedule;
    return true;
}

/* --- steps --- */

static enum status take_check(struct scheduler *s, enum db_stream *what)
{
    struct schedule_check check;
    struct reader *r = s->run.pass.reader;
    TRY(schedules_next_check(r->db, STEP_MS, &check, what));
    if (*what != DB_STREAM_ROW || !is_shard(check.shard))
        return ST_OK;
    struct sched_item item = {.id = check.id, .shard = check.shard};
    if (read_text(r, &check, &item.plan.schedule))
        load(s, &item);
    return ST_OK;
}

static enum status take_state(struct scheduler *s, enum db_stream *what)
{
    struct schedule_state state;
    TRY(schedules_next_state(s->run.pass.reader->db, STEP_MS, &state, what));
    if (*what == DB_STREAM_ROW)
        sched_settle(s->run.sched, &state.id, state.settled_ms, state.is_fresh);
    return ST_OK;
}

/* Some rows of the stream that is due; after its last one the next step is. */
static enum status read_stream(struct scheduler *s, struct pass *p)
{
    const bool of_checks = p->step == PASS_CHECKS;
    const int64_t until_ms = clock_mono_ms() + STEP_MS;
    enum db_stream what = DB_STREAM_ROW;
    if (!p->reader->is_streaming) {
        TRY(of_checks ? schedules_checks(p->reader->db) : schedules_states(p->reader->db));
        p->reader->is_streaming = true;
    }
    while (what == DB_STREAM_ROW && clock_mono_ms() < until_ms) {
        for (int i = 0; i < STEP_ROWS && what == DB_STREAM_ROW; i++)
            TRY(of_checks ? take_check(s, &what) : take_state(s, &what));
    }
    if (what != DB_STREAM_END)
        return ST_OK;
    p->reader->is_streaming = false;
    p->step++;
    return ST_OK;
}

static enum status read_tasks(struct scheduler *s, struct pass *p)
{
    struct dispatching *run = &s->run;
    struct schedule_row *rows = NULL;
    struct sched_item item;
    size_t count = 0;
    arena_reset(run->arena);
    TRY(schedules_tasks_page(run->db, run->arena, &p->after, &rows, &count));
    for (size_t i = 0; i < count; i++) {
        if (scheduler_item_of(s, &rows[i], &item))
            load(s, &item);
    }
    if (count == SCHEDULES_PAGE)
        p->after = rows[count - 1].id;
    else
        scheduler_pass_end(s);
    return ST_OK;
}

enum status scheduler_pass_on(struct scheduler *s)
{
    struct pass *p = &s->run.pass;
    enum status st = p->step == PASS_TASKS ? read_tasks(s, p) : read_stream(s, p);
    if (st != ST_OK)
        scheduler_pass_end(s);
    return st;
}

enum status scheduler_pass_begin(struct scheduler *s, enum pass_step first)
{
    struct dispatching *run = &s->run;
    /* The log is read from a moment before the first pass on, so that no change falls between. */
    if (!run->has_cursor)
        TRY(schedules_cursor_init(&run->cursor, run->db));
    run->has_cursor = true;
    TRY(reader_new(s->conf, &run->pass.reader));
    run->pass.step = first;
    return ST_OK;
}

void scheduler_pass_end(struct scheduler *s)
{
    reader_free(s->run.pass.reader);
    s->run.pass = (struct pass){.step = PASS_NONE};
}
