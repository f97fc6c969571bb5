/* Putting the scheduler together and taking it apart. */
#include "services/scheduler/scheduler.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "services/scheduler/internal.h"

enum { REDIS_MS = 1000, /* a call that takes longer is repeated */ PAGE_BYTES = 32 << 20 };

static void name_owner(char out[OWNER_BYTES])
{
    char host[64] = "host";
    char id[UUID_TEXT_BYTES];
    struct uuid boot = uuid_new();
    (void)gethostname(host, sizeof(host) - 1);
    uuid_format(&boot, id);
    (void)snprintf(out, OWNER_BYTES, "%s:%ld:%s", host, (long)getpid(), id);
}

static enum status open_stores(struct scheduler *s, struct errbuf *err)
{
    struct dispatching *run = &s->run;
    TRY(db_new(s->conf->database_url, "tocsin-scheduler", &run->db, err));
    TRY(redis_new(s->conf->redis_url, REDIS_MS, &run->redis, err));
    TRY(dispatcher_new(run->redis, &run->dispatcher));
    run->sched = sched_new();
    run->tasks = tasks_new();
    run->arena = arena_new(PAGE_BYTES);
    return run->sched && run->tasks && run->arena ? ST_OK : ST_NO_MEMORY;
}

/* Redis without persistence or with eviction loses work: say so, but go on, as results are in
 * PostgreSQL. */
static void check_durability(struct redis *redis)
{
    struct errbuf err = {{0}};
    if (redis_check_durability(redis, &err) == ST_INVALID)
        log_warn("redis_not_durable", kv_str("advice", err.text));
}

enum status scheduler_start(const struct conf *conf, struct scheduler **out, struct errbuf *err)
{
    struct scheduler *s = calloc(1, sizeof(*s));
    if (!s)
        return ST_NO_MEMORY;
    s->conf = conf;
    (void)pthread_mutex_init(&s->owned.lock, NULL);
    name_owner(s->owner);
    scheduler_metrics_add();
    enum status st = open_stores(s, err);
    if (st == ST_OK) {
        check_durability(s->run.redis);
        st = stage_start("dispatch", scheduler_dispatch_loop, s, &s->dispatch_stage);
    }
    if (st == ST_OK)
        st = stage_start("keeper", scheduler_keeper_loop, s, &s->keeper_stage);
    if (st == ST_OK)
        st = stage_start("relay", scheduler_relay_loop, s, &s->relay_stage);
    if (st != ST_OK) {
        scheduler_stop(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

void scheduler_stop(struct scheduler *s)
{
    if (!s)
        return;
    if (s->keeper_stage)
        stage_stop(s->keeper_stage);
    if (s->relay_stage)
        stage_stop(s->relay_stage);
    stage_join(s->dispatch_stage);
    stage_join(s->keeper_stage);
    stage_join(s->relay_stage);
    scheduler_pass_end(s);
    schedules_cursor_done(&s->run.cursor);
    sched_free(s->run.sched);
    arena_free(s->run.arena);
    dispatcher_free(s->run.dispatcher);
    tasks_free(s->run.tasks);
    redis_free(s->run.redis);
    db_free(s->run.db);
    (void)pthread_mutex_destroy(&s->owned.lock);
    free(s);
}
