/* tocsin dead: dead letters, that is jobs that will not be tried again by themselves. */
#include <inttypes.h>

#include "base/str.h"
#include "cli/queues.h"

enum { OPTION_ALL, OPTION_QUEUE, OPTION_TASK, OPTION_TENANT, OPTION_LIMIT, OPTION_JSON };
static const struct cli_option options[] = {
    [OPTION_ALL] = {"all", NULL, "requeue: all that can be read, in place of one ID"},
    [OPTION_QUEUE] = {"queue", "QUEUE", "list, requeue --all: only those of this queue"},
    [OPTION_TASK] = {"task", "TASK", "list, requeue --all: only those of this task"},
    [OPTION_TENANT] = {"tenant", "NAME", "list: only those of this tenant"},
    [OPTION_LIMIT] = {"limit", "N", "list: at most so many (default: 50)"},
    [OPTION_JSON] = {"json", NULL, "print JSON"},
};

static int list(struct cli *cli, struct redis *r)
{
    int64_t limit = 50;
    const int code = cli_number(cli, OPTION_LIMIT, 1, LIMIT_JOB_SCAN, &limit);
    if (code != CLI_OK)
        return code;
    const struct job_filter filter = {.queue = cli->option[OPTION_QUEUE],
                                      .task = cli->option[OPTION_TASK],
                                      .tenant = cli->option[OPTION_TENANT],
                                      .state = JOB_DEAD,
                                      .limit = (size_t)limit,
                                      .is_json = cli->option[OPTION_JSON] != NULL};
    return jobs_print_list(cli, r, &filter);
}

/* A job that is a dead letter. */
static int find(struct cli *cli, struct redis *r, struct job_found *found)
{
    const char *id = cli->argument[1];
    const int code = jobs_find(cli, r, id, found);
    if (code != CLI_OK || found->view.state == JOB_DEAD)
        return code;
    return cli_fail("job %s is %s, no dead letter", id, job_view_state(&found->view));
}

static int show(struct cli *cli, struct redis *r)
{
    AUTO_FOUND found = {0};
    const int code = find(cli, r, &found);
    return code == CLI_OK ? jobs_print_one(&found, cli->option[OPTION_JSON] != NULL) : code;
}

static int say(struct cli *cli, int64_t count)
{
    AUTO_BUF out;
    buf_init(&out, 256);
    buf_printf(&out,
               cli->option[OPTION_JSON] ? "{\"requeued\":%" PRId64 "}\n" : "%" PRId64 " requeued\n",
               count);
    return cli_print(&out);
}

static int requeue_all(struct cli *cli, struct redis *r)
{
    const char **names = NULL;
    size_t count = 0;
    int64_t total = 0;
    const int code = queues_pick(cli, r, cli->option[OPTION_QUEUE], &names, &count);
    if (code != CLI_OK)
        return code;
    for (size_t i = 0; i < count; i++) {
        AUTO_QUEUE q = NULL;
        int64_t moved = 0;
        enum status st = queue_new(names[i], 0, &q);
        if (st == ST_OK)
            st = queue_dead_requeue_all(q, r, cli->option[OPTION_TASK], &moved);
        if (st != ST_OK)
            return cli_fail_redis("dead requeue", st, r);
        total += moved;
    }
    return say(cli, total);
}

static int requeue(struct cli *cli, struct redis *r)
{
    const bool has_id = cli->argument_count == 2;
    if (has_id == (cli->option[OPTION_ALL] != NULL))
        return cli_usage(cli, "requeue wants an ID or --all");
    if (!has_id)
        return requeue_all(cli, r);
    AUTO_FOUND found = {0};
    const int code = find(cli, r, &found);
    if (code != CLI_OK)
        return code;
    const enum status st = queue_dead_requeue(found.q, r, &found.view.job.id);
    return st == ST_OK ? say(cli, 1) : cli_fail_redis("dead requeue", st, r);
}

static int run(struct cli *cli)
{
    static const struct action actions[] = {
        {"list", 1, 1, list}, {"show", 2, 2, show}, {"requeue", 1, 2, requeue}};
    return action_run(cli, actions, ARRAY_LEN(actions));
}

const struct command command_dead = {
    .name = "dead",
    .arguments = "list | show ID | requeue ID | requeue --all",
    .summary = "dead letters: list, show, requeue",
    .details = "Requeued jobs begin with their first attempt. To remove dead letters: tocsin queue "
               "purge.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .arguments_min = 1,
    .arguments_max = 2,
    .run = run,
};
