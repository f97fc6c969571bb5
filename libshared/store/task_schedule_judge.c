/* What makes a schedule of a task a good one, and when it runs. */
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "queue/task_args.h"
#include "store/checks.h"
#include "store/task_schedules.h"
#include "zone/zone.h"

/* --- text and zone --- */

/* The zone that the text itself names; NULL: none, or no memory. */
static const char *zone_in_text(const char *text, struct arena *arena)
{
    text += strspn(text, " \t\r\n");
    const size_t prefix = strncasecmp(text, "CRON_TZ=", 8) == 0 ? 8
                          : strncasecmp(text, "TZ=", 3) == 0    ? 3
                                                                : 0;
    return prefix ? arena_strndup(arena, text + prefix, strcspn(text + prefix, " \t\r\n")) : NULL;
}

static enum status read_schedule(const struct task_schedule *s, struct arena *arena,
                                 struct schedule *out, struct errbuf *err)
{
    if (!s->time_zone)
        return schedule_read(s->schedule, out, err);
    const char *text = arena_printf(arena, "CRON_TZ=%s %s", s->time_zone, s->schedule);
    return text ? schedule_read(text, out, err) : ST_NO_MEMORY;
}

const char *task_schedule_zone(const struct task_schedule *s, struct arena *arena)
{
    struct schedule read;
    if (s->time_zone)
        return s->time_zone;
    const char *zone = zone_in_text(s->schedule, arena);
    if (zone)
        return zone;
    return schedule_read(s->schedule, &read, NULL) == ST_OK && read.interval_ms == 0 ? "UTC" : NULL;
}

int64_t task_schedule_next_us(const struct task_schedule *s, struct arena *arena, int64_t now_ms)
{
    struct schedule read;
    if (!s->enabled || read_schedule(s, arena, &read, NULL) != ST_OK)
        return 0;
    const int64_t at_ms = schedule_next(&read, schedule_phase(&read, uuid_hash(&s->id)), now_ms);
    return at_ms == INT64_MAX ? 0 : at_ms * 1000;
}

static void judge_times(struct task_schedule *s, struct arena *arena, struct field_errors *errors)
{
    struct schedule read;
    struct errbuf err = {""};
    if (schedule_read(s->schedule, &read, &err) != ST_OK) {
        field_errors_add(errors, "body", "schedule", "value_error", "%s", err.text);
        return;
    }
    if (!s->time_zone)
        return;
    const char *own = zone_in_text(s->schedule, arena);
    if (own && str_eq(own, s->time_zone))
        s->time_zone = NULL; /* said twice: as what was read is sent back */
    else if (own)
        field_errors_add(errors, "body", "time_zone", "value_error",
                         "the schedule names another time zone itself");
    else if (read.interval_ms > 0)
        field_errors_add(errors, "body", "time_zone", "value_error",
                         "an interval has no time zone; cron schedules have one");
    else if (read_schedule(s, arena, &read, &err) != ST_OK)
        field_errors_add(errors, "body", "time_zone", "value_error", "%s", err.text);
}

/* --- task and arguments --- */

static bool may_have(const struct task *task, const struct task_schedule *s)
{
    return task->audience == (uuid_is_nil(&s->org_id) ? TASK_SYSTEM : TASK_USER);
}

static enum status judge_task(const struct task_schedule *s, struct field_errors *errors)
{
    char known[400] = "";
    for (size_t i = 0; task_at(i); i++) {
        const struct task *task = task_at(i);
        if (!may_have(task, s))
            continue;
        if (str_eq(task->name, s->task))
            return ST_OK;
        const size_t len = strlen(known);
        (void)snprintf(known + len, sizeof(known) - len, "%s%s", len ? ", " : "", task->name);
    }
    field_errors_add(errors, "body", "task", "value_error.enum",
                     "no task that can be scheduled; those are %s", known);
    return ST_INVALID;
}

static enum status judge_checks(struct db *db, struct arena *arena, const struct task_schedule *s,
                                const struct task_args *args, struct field_errors *errors)
{
    char id[UUID_TEXT_BYTES];
    for (size_t i = 0; i < args->check_count; i++) {
        const enum status st = checks_exists(db, arena, &s->org_id, &args->checks[i]);
        if (st == ST_NOT_FOUND) {
            uuid_format(&args->checks[i], id);
            field_errors_add(errors, "body", "args", "value_error", "%s: there is no check %s",
                             args->members[i], id);
        } else {
            TRY(st);
        }
    }
    return ST_OK;
}

static enum status judge_args(struct db *db, struct arena *arena, json_t *given,
                              struct task_schedule *s, struct field_errors *errors)
{
    struct task_args args;
    const enum status st = task_args_read(task_find(s->task), given, arena, &args, errors);
    if (st == ST_INVALID)
        return ST_OK; /* the errors tell */
    if (st == ST_TOO_LARGE) {
        field_errors_add(errors, "body", "args", "value_error", "more than %u bytes",
                         LIMIT_JOB_ARGS_BYTES);
        return ST_OK;
    }
    TRY(st);
    s->args = args.text;
    return judge_checks(db, arena, s, &args, errors);
}

static enum status judge_queue(const struct task_schedule *s, struct field_errors *errors)
{
    struct queue *q = NULL;
    const struct task *task = task_find(s->task);
    if (!s->queue)
        return ST_OK;
    if (task && !task_fits_queue(task, s->queue))
        field_errors_add(errors, "body", "queue", "value_error", QUEUE_IS_CHECKS);
    const enum status st = queue_new(s->queue, 0, &q);
    queue_free(q);
    if (st != ST_INVALID)
        return st;
    field_errors_add(errors, "body", "queue", "value_error",
                     "a queue's name is of a to z, 0 to 9, _, - and .");
    return ST_OK;
}

enum status task_schedule_judge(struct db *db, struct arena *arena, json_t *args,
                                struct task_schedule *s, struct field_errors *errors)
{
    if (judge_task(s, errors) == ST_OK && args)
        TRY(judge_args(db, arena, args, s, errors));
    TRY(judge_queue(s, errors));
    judge_times(s, arena, errors);
    return errors->list ? ST_INVALID : ST_OK;
}
