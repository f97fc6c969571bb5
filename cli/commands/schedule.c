/* tocsin schedule: when tasks run, in the database; and what a text means, without any server. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "cli/schedules.h"
#include "json/parse.h"
#include "json/write.h"
#include "queue/queue.h"
#include "store/users.h"
#include "zone/zone.h"

enum { COUNT_DEFAULT = 5, LIST_DEFAULT = 50, LIST_MAX = 10000 };
enum {
    OPTION_TASK,
    OPTION_ARGS,
    OPTION_SCHEDULE,
    OPTION_TIME_ZONE,
    OPTION_QUEUE,
    OPTION_PRIORITY,
    OPTION_JITTER,
    OPTION_CATCH_UP,
    OPTION_OVERLAP,
    OPTION_EXPIRES,
    OPTION_NAME,
    OPTION_PAUSED,
    OPTION_LIMIT,
    OPTION_YES,
    OPTION_COUNT,
    OPTION_FROM,
    OPTION_JSON
};
static const struct cli_option options[] = {
    [OPTION_TASK] = {"task", "TASK", "create, update, list: the task, as in check.run"},
    [OPTION_ARGS] = {"args", "JSON", "create, update: its arguments, an object"},
    [OPTION_SCHEDULE] = {"schedule", "TEXT", "create, update: when, as in next"},
    [OPTION_TIME_ZONE] = {"time-zone", "ZONE", "create, update: of a cron text that names none"},
    [OPTION_QUEUE] = {"queue", "QUEUE", "create, update, list: where its jobs go"},
    [OPTION_PRIORITY] = {"priority", "N", "create, update: 0 (first) to 3"},
    [OPTION_JITTER] = {"jitter", "TIME", "create, update: runs are up to so late, as in 30s"},
    [OPTION_CATCH_UP] = {"catch-up", "HOW", "create, update: run_once (default) or skip"},
    [OPTION_OVERLAP] = {"overlap", "HOW", "create, update: skip (default), queue or allow"},
    [OPTION_EXPIRES] = {"expires", "TIME",
                        "create, update: a run that has not begun after this is dropped"},
    [OPTION_NAME] = {"name", "NAME", "update: another name"},
    [OPTION_PAUSED] = {"paused", NULL, "create: do not run yet; list: only paused ones"},
    [OPTION_LIMIT] = {"limit", "N", "list: how many, the newest (default: 50)"},
    [OPTION_YES] = {"yes", NULL, "delete: do not ask"},
    [OPTION_COUNT] = {"count", "N", "next: how many runs, 1 to 100 (default: 5)"},
    [OPTION_FROM] = {"from", "TIME",
                     "next: after this time, as in 2026-03-28T12:00:00Z (default: now)"},
    [OPTION_JSON] = {"json", NULL, "Print JSON"},
};

/* --- next --- */

static void print_text(struct buf *out, const int64_t *at, size_t n)
{
    char text[TIME_TEXT_BYTES];
    for (size_t i = 0; i < n; i++) {
        time_format_ms(at[i], text);
        buf_printf(out, "%s\n", text);
    }
}

static void print_json(struct buf *out, const char *schedule, const int64_t *at, size_t n)
{
    struct jw w;
    char text[TIME_TEXT_BYTES];
    jw_init(&w, out);
    jw_object(&w);
    jw_kv_str(&w, "schedule", schedule);
    jw_key(&w, "next_runs");
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        time_format_ms(at[i], text);
        jw_str(&w, text);
    }
    jw_end(&w);
    jw_end(&w);
    buf_char(out, '\n');
}

static int next(struct cli *cli, const char *text)
{
    int64_t count = COUNT_DEFAULT;
    int64_t from_us = clock_wall_us();
    int64_t at[LIMIT_SCHEDULE_PREVIEW];
    struct schedule s;
    struct errbuf err = {""};
    const int code = cli_number(cli, OPTION_COUNT, 1, LIMIT_SCHEDULE_PREVIEW, &count);
    if (code != CLI_OK)
        return code;
    const char *given = cli->option[OPTION_FROM];
    if (given && time_parse_us(given, &from_us) != ST_OK)
        return cli_usage(cli, "--from must be a time such as 2026-03-28T12:00:00Z");
    if (schedule_read(text, &s, &err) != ST_OK)
        return cli_fail("%s", err.text);
    size_t n = schedule_preview(&s, 0, from_us / 1000, at, (size_t)count);

    AUTO_BUF out;
    buf_init(&out, 1 << 16);
    if (cli->option[OPTION_JSON])
        print_json(&out, text, at, n);
    else
        print_text(&out, at, n);
    return cli_print(&out);
}

/* --- what the options ask for --- */

/* "" is no value: back to the default. */
static const char *or_null(const char *text)
{
    return str_is_empty(text) ? NULL : text;
}

static int one_of(const struct cli *cli, size_t option, const char *const *choices,
                  const char **out)
{
    const char *given = cli->option[option];
    for (size_t i = 0; given && choices[i]; i++) {
        if (str_eq(given, choices[i])) {
            *out = choices[i];
            return CLI_OK;
        }
    }
    return given ? cli_usage(cli, "--%s: there is no %s", options[option].name, given) : CLI_OK;
}

static int duration(const struct cli *cli, size_t option, int64_t max_ms, int64_t *out)
{
    const char *given = cli->option[option];
    int64_t ms = 0;
    if (!given)
        return CLI_OK;
    if (given[0] != '\0' && (conf_parse_ms(given, &ms) != ST_OK || ms < 0 || ms > max_ms))
        return cli_usage(cli, "--%s: a time like 500ms, 10s, 5m, 2h", options[option].name);
    *out = ms;
    return CLI_OK;
}

static int apply(const struct cli *cli, struct task_schedule *s)
{
    const char *const *given = cli->option;
    if (given[OPTION_TASK])
        s->task = given[OPTION_TASK];
    if (given[OPTION_SCHEDULE])
        s->schedule = given[OPTION_SCHEDULE];
    if (given[OPTION_TIME_ZONE])
        s->time_zone = or_null(given[OPTION_TIME_ZONE]);
    if (given[OPTION_QUEUE])
        s->queue = or_null(given[OPTION_QUEUE]);
    if (given[OPTION_NAME])
        s->name = given[OPTION_NAME];
    int code = one_of(cli, OPTION_CATCH_UP, task_schedule_catch_ups, &s->catch_up);
    if (code == CLI_OK)
        code = one_of(cli, OPTION_OVERLAP, task_schedule_overlaps, &s->overlap);
    if (code == CLI_OK)
        code = duration(cli, OPTION_JITTER, LIMIT_SCHEDULE_JITTER_MS, &s->jitter_ms);
    if (code == CLI_OK)
        code = duration(cli, OPTION_EXPIRES, LIMIT_SCHEDULE_EXPIRES_MS, &s->expires_ms);
    if (code == CLI_OK && given[OPTION_PRIORITY] && given[OPTION_PRIORITY][0] == '\0')
        s->priority = -1;
    else if (code == CLI_OK)
        code = cli_number(cli, OPTION_PRIORITY, 0, QUEUE_PRIORITIES - 1, &s->priority);
    return code;
}

/* The options as a schedule that is good; CLI_FAILED (said why). */
static int wanted(struct cli *cli, struct db *db, struct task_schedule *s)
{
    AUTO_FIELD_ERRORS errors = {0};
    AUTO_JSON args = NULL;
    struct errbuf err = {""};
    const char *text = cli->option[OPTION_ARGS];
    int code = apply(cli, s);
    if (code != CLI_OK)
        return code;
    if (str_is_empty(s->name) || strlen(s->name) > SCHEDULE_NAME_BYTES || str_has_control(s->name))
        return cli_usage(cli, "a name has 1 to %d bytes, and no control characters",
                         SCHEDULE_NAME_BYTES);
    if (text && json_parse(text, strlen(text), &args, &err) != ST_OK)
        return cli_usage(cli, "--args: %s", err.text);
    if (!args && (cli->option[OPTION_TASK] || !s->args))
        args = s->args ? json_load_kept(s->args) : json_object();
    const enum status st = task_schedule_judge(db, cli->arena, args, s, &errors);
    return st == ST_INVALID ? schedules_say_errors(&errors)
           : st == ST_OK    ? CLI_OK
                            : cli_fail_db("schedule", st, db);
}

/* --- actions --- */

struct at {
    struct cli *cli;
    struct db *db;
    struct task_schedule_viewer viewer;
};

static int failed(const struct at *at, enum status st, const char *name)
{
    if (st == ST_NOT_FOUND)
        return cli_fail("there is no schedule %s", name);
    if (st == ST_CONFLICT)
        return cli_fail("there is a schedule of that name");
    if (st == ST_OVERLOADED)
        return cli_fail("there are %d schedules, and may be no more", LIMIT_SCHEDULES_ORG);
    return cli_fail_db("schedule", st, at->db);
}

/* By id, or by name. */
static int find(const struct at *at, struct task_schedule *out)
{
    const char *text = at->cli->argument[1];
    struct uuid id;
    enum status st = ST_OK;
    if (uuid_parse(text, &id) != ST_OK)
        st = task_schedule_find(at->db, at->cli->arena, &at->viewer, text, &id);
    if (st == ST_OK)
        st = task_schedule_get(at->db, at->cli->arena, &at->viewer, &id, out);
    return st == ST_OK ? CLI_OK : failed(at, st, text);
}

static int show_one(const struct at *at, const struct task_schedule *s)
{
    return schedules_print_one(at->cli, s, at->cli->option[OPTION_JSON] != NULL);
}

static int list(const struct at *at)
{
    const struct cli *cli = at->cli;
    int64_t limit = LIST_DEFAULT;
    const int code = cli_number(cli, OPTION_LIMIT, 1, LIST_MAX, &limit);
    if (code != CLI_OK)
        return code;
    const struct task_schedule_filter filter = {
        .task = cli->option[OPTION_TASK],
        .queue = cli->option[OPTION_QUEUE],
        .has_enabled = cli->option[OPTION_PAUSED] != NULL,
    };
    struct page page = {.limit = limit};
    struct task_schedule *rows = NULL;
    size_t count = 0;
    const enum status st = task_schedules_list(at->db, cli->arena, &at->viewer, &filter, &page,
                                               &rows, &count);
    if (st != ST_OK)
        return failed(at, st, "");
    return schedules_print_list(at->cli, rows, count, cli->option[OPTION_JSON] != NULL);
}

static int show(const struct at *at)
{
    struct task_schedule s;
    const int code = find(at, &s);
    return code == CLI_OK ? show_one(at, &s) : code;
}

static int create(const struct at *at)
{
    struct task_schedule s = {
        .id = uuid_new(),
        .org_id = at->viewer.org_id,
        .name = at->cli->argument[1],
        .priority = -1,
        .enabled = at->cli->option[OPTION_PAUSED] == NULL,
        .catch_up = task_schedule_catch_ups[0],
        .overlap = task_schedule_overlaps[0],
    };
    if (!at->cli->option[OPTION_TASK] || !at->cli->option[OPTION_SCHEDULE])
        return cli_usage(at->cli, "create wants --task and --schedule");
    const int code = wanted(at->cli, at->db, &s);
    if (code != CLI_OK)
        return code;
    const enum status st = task_schedule_insert(at->db, at->cli->arena, NULL, &s);
    return st == ST_OK ? show_one(at, &s) : failed(at, st, s.name);
}

/* A change that judges what comes of it, and says what is wrong itself. */
struct change {
    const struct at *at;
    int code;
};

static enum status change(struct task_schedule *s, void *arg)
{
    struct change *c = arg;
    c->code = wanted(c->at->cli, c->at->db, s);
    return c->code == CLI_OK ? ST_OK : ST_INVALID;
}

static int refuse_system(const struct task_schedule *s)
{
    return uuid_is_nil(&s->org_id)
               ? cli_fail("%s is the installation's own: it can be paused, resumed and run",
                          s->name)
               : CLI_OK;
}

static int update(const struct at *at)
{
    struct task_schedule s;
    struct change c = {.at = at};
    int code = find(at, &s);
    if (code == CLI_OK)
        code = refuse_system(&s);
    if (code != CLI_OK)
        return code;
    const enum status st = task_schedule_update(at->db, at->cli->arena, &at->viewer, &s.id, change,
                                                &c, &s);
    if (c.code != CLI_OK)
        return c.code;
    return st == ST_OK ? show_one(at, &s) : failed(at, st, at->cli->argument[1]);
}

static int delete_it(const struct at *at)
{
    struct task_schedule s;
    int code = find(at, &s);
    if (code == CLI_OK)
        code = refuse_system(&s);
    if (code != CLI_OK)
        return code;
    const char *question = arena_printf(at->cli->arena, "Delete the schedule %s?", s.name);
    if (!at->cli->option[OPTION_YES] && !(question && cli_confirm(question)))
        return cli_fail("nothing was deleted");
    const enum status st = task_schedule_delete(at->db, at->cli->arena, &at->viewer.org_id, &s.id);
    if (st != ST_OK)
        return failed(at, st, s.name);
    if (at->cli->option[OPTION_JSON])
        return show_one(at, &s);
    (void)printf("deleted %s\n", s.name);
    return CLI_OK;
}

static int enable(const struct at *at, bool enabled)
{
    struct task_schedule s;
    const int code = find(at, &s);
    if (code != CLI_OK)
        return code;
    const enum status st = task_schedule_enable(at->db, at->cli->arena, &at->viewer, &s.id, enabled,
                                                &s);
    return st == ST_OK ? show_one(at, &s) : failed(at, st, at->cli->argument[1]);
}

static int pause_it(const struct at *at)
{
    return enable(at, false);
}

static int resume(const struct at *at)
{
    return enable(at, true);
}

static int run_now(const struct at *at)
{
    struct task_schedule s;
    char job[UUID_TEXT_BYTES];
    const int code = find(at, &s);
    if (code != CLI_OK)
        return code;
    const enum status st = task_schedule_run(at->db, at->cli->arena, &at->viewer, &s.id, &s);
    if (st != ST_OK)
        return failed(at, st, at->cli->argument[1]);
    uuid_format(&s.last_job_id, job);
    if (at->cli->option[OPTION_JSON])
        (void)printf("{\"job_id\":\"%s\",\"queue\":\"%s\"}\n", job, s.last_job_queue);
    else
        (void)printf("%s\n", job);
    return CLI_OK;
}

static int act(struct cli *cli, int (*action)(const struct at *at))
{
    struct at at = {.cli = cli, .viewer = {.is_operator = true}};
    AUTO_DB db = cli_database(cli, 0);
    if (!db)
        return CLI_FAILED;
    at.db = db;
    const enum status st = organisation_first(db, &at.viewer.org_id);
    if (st == ST_NOT_FOUND)
        return cli_fail("there is no organisation yet; run tocsin bootstrap");
    return st == ST_OK ? action(&at) : cli_fail_db("schedule", st, db);
}

static int run(struct cli *cli)
{
    static const struct {
        const char *name;
        int (*run)(const struct at *at);
        int arguments;
    } actions[] = {
        {"list", list, 1},     {"show", show, 2},        {"create", create, 2},
        {"update", update, 2}, {"delete", delete_it, 2}, {"pause", pause_it, 2},
        {"resume", resume, 2}, {"run", run_now, 2},      {"next", NULL, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (!str_eq(actions[i].name, cli->argument[0]))
            continue;
        if (cli->argument_count < actions[i].arguments)
            return cli_usage(cli, "%s wants more: %s", actions[i].name, cli->command->arguments);
        if (cli->argument_count > actions[i].arguments)
            return cli_usage(cli, "%s is too much", cli->argument[actions[i].arguments]);
        return actions[i].run ? act(cli, actions[i].run) : next(cli, cli->argument[1]);
    }
    return cli_usage(cli, "there is no %s", cli->argument[0]);
}

const struct command command_schedule = {
    .name = "schedule",
    .arguments =
        "list | show SCHEDULE | create NAME | update SCHEDULE | delete SCHEDULE |\n"
        "                       pause SCHEDULE | resume SCHEDULE | run SCHEDULE | next TEXT",
    .summary = "when tasks run: look, change, run now; what a text means",
    .details =
        "SCHEDULE is an id or a name: of the first organisation, or the installation's own\n"
        "(system.*), which can be paused, resumed and run only. An option with \"\" takes a value\n"
        "back. TEXT is one argument: \"every 5 minutes\", \"30 9 * * 1-5\",\n"
        "\"CRON_TZ=Europe/Berlin @daily\". Times are in UTC. What runs on an interval does at\n"
        "these times shifted by a part of the interval that its id decides.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .arguments_min = 1,
    .arguments_max = 2,
    .needs_no_settings = true, /* next needs none, and the others need the stores alone */
    .run = run,
};
