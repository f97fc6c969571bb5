/* Queues by name, actions of commands, workers of all queues. */
#include "cli/queues.h"

#include "base/clock.h"
#include "base/str.h"
#include "json/parse.h"

int action_run(struct cli *cli, const struct action *actions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct action *a = &actions[i];
        if (!str_eq(a->name, cli->argument[0]))
            continue;
        if (cli->argument_count < a->arguments_min)
            return cli_usage(cli, "%s wants more: %s", a->name, cli->command->arguments);
        if (cli->argument_count > a->arguments_max)
            return cli_usage(cli, "%s is too much", cli->argument[a->arguments_max]);
        AUTO_REDIS r = cli_redis(cli);
        return r ? a->run(cli, r) : CLI_FAILED;
    }
    return cli_usage(cli, "there is no %s", cli->argument[0]);
}

int queues_pick(struct cli *cli, struct redis *r, const char *only, const char ***names,
                size_t *count)
{
    const enum status st = queue_names(r, cli->arena, names, count);
    if (st != ST_OK)
        return cli_fail_redis("queues", st, r);
    if (!only)
        return CLI_OK;
    for (size_t i = 0; i < *count; i++) {
        if (!str_eq((*names)[i], only))
            continue;
        *names += i;
        *count = 1;
        return CLI_OK;
    }
    return cli_fail("there is no queue %s", only);
}

int queues_open(struct cli *cli, struct redis *r, const char *name, struct queue **out)
{
    const char **names = NULL;
    size_t count = 0;
    const int code = queues_pick(cli, r, name, &names, &count);
    if (code != CLI_OK)
        return code;
    const enum status st = queue_new(name, 0, out);
    return st == ST_OK ? CLI_OK : cli_fail("queue %s: %s", name, status_title(st));
}

/* --- workers --- */

static const char *text_of(const json_t *info, const char *key, struct arena *arena)
{
    return arena_strdup(arena, json_string_value(json_object_get(info, key)));
}

static int64_t number_of(const json_t *info, const char *key)
{
    const json_t *v = json_object_get(info, key);
    return json_is_integer(v) ? (int64_t)json_integer_value(v) : -1;
}

/* A heartbeat of another version may lack anything. */
static void read_heartbeat(struct worker_row *row, struct arena *arena)
{
    AUTO_JSON info = NULL;
    if (!row->info || json_parse(row->info, strlen(row->info), &info, NULL) != ST_OK) {
        row->info = NULL;
        return;
    }
    row->host = text_of(info, "host", arena);
    row->version = text_of(info, "version", arena);
    row->location = text_of(info, "location", arena);
    row->pid = number_of(info, "pid");
    row->running = number_of(info, "running");
    row->concurrency = number_of(info, "concurrency");
    const char *started = json_string_value(json_object_get(info, "started_at"));
    if (!started || time_parse_us(started, &row->started_at_us) != ST_OK)
        row->started_at_us = -1;
}

static enum status add_worker(struct worker_row *rows, size_t *found, const char *queue,
                              const struct worker_view *view, struct arena *arena)
{
    for (size_t i = 0; i < *found; i++) {
        if (!str_eq(rows[i].consumer, view->consumer))
            continue;
        rows[i].queues = arena_printf(arena, "%s,%s", rows[i].queues, queue);
        return rows[i].queues ? ST_OK : ST_NO_MEMORY;
    }
    struct worker_row row = {.consumer = view->consumer,
                             .info = view->info,
                             .queues = queue,
                             .pid = -1,
                             .running = -1,
                             .concurrency = -1,
                             .started_at_us = -1};
    read_heartbeat(&row, arena);
    rows[(*found)++] = row;
    return ST_OK;
}

enum status workers_collect(struct redis *r, const char *const *names, size_t count,
                            struct arena *arena, struct worker_row **out, size_t *found)
{
    struct worker_row *rows = NULL;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        AUTO_QUEUE q = NULL;
        struct worker_view *views = NULL;
        size_t view_count = 0;
        TRY(queue_new(names[i], 0, &q));
        TRY(queue_workers_list(q, r, arena, &views, &view_count));
        struct worker_row *more = arena_array(arena, n + view_count, sizeof(*more));
        if (!more)
            return ST_NO_MEMORY;
        if (n > 0)
            memcpy(more, rows, n * sizeof(*more));
        rows = more;
        for (size_t k = 0; k < view_count; k++)
            TRY(add_worker(rows, &n, names[i], &views[k], arena));
    }
    *out = rows;
    *found = n;
    return ST_OK;
}
