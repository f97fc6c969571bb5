/* What the commands about queues, jobs, dead letters and workers share. */
#ifndef TOCSIN_CLI_QUEUES_H
#define TOCSIN_CLI_QUEUES_H

#include "cli/cli.h"
#include "json/write.h"
#include "queue/inspect.h"

enum { CLI_OUTPUT_BYTES = 32 << 20 };

/* One word of a command ("pause"), how many arguments it has with itself, and what it does. */
struct action {
    const char *name;
    int arguments_min, arguments_max;
    int (*run)(struct cli *cli, struct redis *r);
};
/* Finds the action that the first argument names, connects to Redis and runs it. */
int action_run(struct cli *cli, const struct action *actions, size_t count);

/* Names of queues in cli->arena: those there are, or `only` alone when it is one of them (NULL:
 * all). CLI_OK, or CLI_FAILED (said why). */
int queues_pick(struct cli *cli, struct redis *r, const char *only, const char ***names,
                size_t *count);
/* "active", "paused", or what is broken: "p1 is a string". */
static inline const char *queue_state_text(const struct queue_info *info)
{
    if (info->is_broken)
        return info->broken;
    return info->is_paused ? "paused" : "active";
}
/* A queue that there is. */
int queues_open(struct cli *cli, struct redis *r, const char *name, struct queue **out);

/* Which jobs to list; what is NULL or JOB_STATE_COUNT_ matches all. */
struct job_filter {
    const char *queue, *task, *tenant;
    enum job_state state;
    size_t limit;
    bool is_json;
};
int jobs_print_list(struct cli *cli, struct redis *r, const struct job_filter *filter);

/* One job, looked for in all queues. */
struct job_found {
    struct queue *q; /* NULL: not found */
    const char *queue;
    struct job_view view;
};
static inline void job_found_done(struct job_found *f)
{
    queue_free(f->q);
}
#define AUTO_FOUND CLEANUP(job_found_done) struct job_found
/* CLI_OK; CLI_USAGE for an id that is none; CLI_FAILED (said why). */
int jobs_find(struct cli *cli, struct redis *r, const char *id, struct job_found *out);
int jobs_print_one(const struct job_found *found, bool is_json);

/* A job to be made, as texts of the command line; what is NULL is as the task's row says. */
struct job_wish {
    const char *task, *args, *queue;
    const char *delay, *expires, *result_ttl; /* durations */
    const char *dedup, *key, *tenant;
    int64_t priority, attempts, key_limit; /* -1: as usual */
    int64_t wait_ms;                       /* for its end, 0: not at all */
    bool is_json;
};
/* Enqueues it and prints its id, or with wait_ms how it ended: CLI_OK only if it succeeded. */
int job_enqueue(struct cli *cli, struct redis *r, const struct job_wish *wish);

/* Groups and chains from files ("-": standard input) as the API takes them; their jobs go to Redis
 * at once. */
struct group_wish {
    const char *file, *tenant;
    bool is_json;
};
int job_group_enqueue(struct cli *cli, struct redis *r, const struct group_wish *wish);
int job_chain_enqueue(struct cli *cli, struct redis *r, const struct group_wish *wish);
/* How a group stands, with up to `limit` of its jobs. */
int job_group_show(struct cli *cli, struct redis *r, const char *id, size_t limit, bool is_json);
int job_group_cancel(struct cli *cli, struct redis *r, const char *id, bool is_json);

/* A consumer with the queues that it serves. */
struct worker_row {
    const char *consumer;
    const char *info;   /* JSON of its heartbeat, NULL: its lease has ended */
    const char *queues; /* "checks,default" */
    /* from the heartbeat; NULL or -1: not known */
    const char *host, *version, *location;
    int64_t pid, running, concurrency, started_at_us;
};
NODISCARD enum status workers_collect(struct redis *r, const char *const *names, size_t count,
                                      struct arena *arena, struct worker_row **out, size_t *found);

#endif
