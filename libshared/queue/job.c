/* A job as stream fields: one encode/decode pair, driven by one table. */
#include <string.h>

#include "base/str.h"
#include "queue/queue.h"

enum { TASK_NAME_MAX = 64, SHORT_TEXT_MAX = 256, ATTEMPTS_MAX = 1000 };

/* Numbers of the envelope; those at their fallback are left out. */
static const struct {
    const char *name;
    size_t offset;
    bool is_int; /* int, else int64_t */
    int64_t min, max, fallback;
} numbers[] = {
#define AT(member) offsetof(struct job, member)
    {"attempt", AT(attempt), true, 1, ATTEMPTS_MAX, 1},
    {"max", AT(max_attempts), true, 1, ATTEMPTS_MAX, 1},
    {"prio", AT(priority), true, 0, QUEUE_PRIORITIES - 1, -1}, /* always written */
    {"at", AT(enqueued_at_ms), false, 0, INT64_MAX, 0},
    {"nb", AT(not_before_ms), false, 0, INT64_MAX, 0},
    {"exp", AT(expires_at_ms), false, 0, INT64_MAX, 0},
    {"limit", AT(time_limit_ms), false, 0, INT64_MAX, 0},
};

static const struct {
    const char *name;
    size_t offset;
    size_t max;
} texts[] = {
    {"task", AT(task), TASK_NAME_MAX},    {"args", AT(args), LIMIT_JOB_ARGS_BYTES},
    {"dedup", AT(dedup), SHORT_TEXT_MAX}, {"group", AT(group), SHORT_TEXT_MAX},
    {"trace", AT(trace), SHORT_TEXT_MAX}, {"reply", AT(reply), SHORT_TEXT_MAX},
};

static int64_t number_get(const struct job *job, size_t i)
{
    const char *at = (const char *)job + numbers[i].offset;
    if (!numbers[i].is_int)
        return *(const int64_t *)(const void *)at;
    return *(const int *)(const void *)at;
}

static void number_set(struct job *job, size_t i, int64_t v)
{
    char *at = (char *)job + numbers[i].offset;
    if (numbers[i].is_int)
        *(int *)(void *)at = (int)v;
    else
        *(int64_t *)(void *)at = v;
}

static const char **text_at(struct job *job, size_t i)
{
    return (const char **)(void *)((char *)job + texts[i].offset);
}

void job_encode(const struct job *job, struct rargs *args)
{
    struct job copy = *job; /* for text_at, which also decodes */
    /* The id's text lives in the vector's own storage for numbers, which is too short for it. */
    rargs_str(args, "id");
    rargs_uuid(args, &job->id);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!*text_at(&copy, i))
            continue;
        rargs_str(args, texts[i].name);
        rargs_str(args, *text_at(&copy, i));
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        int64_t v = number_get(job, i);
        if (v == numbers[i].fallback)
            continue;
        rargs_str(args, numbers[i].name);
        rargs_i64(args, v);
    }
}

/* One field: known ones are checked, others let through for the sake of newer writers. */
static enum status decode_field(struct job *job, const char *name, const redisReply *value,
                                struct arena *arena, int64_t *lost, struct errbuf *err)
{
    if (strlen(value->str) != value->len)
        return err_set(err, ST_INVALID, "%s holds a NUL byte", name);
    if (str_eq(name, "id"))
        return uuid_parse(value->str, &job->id) == ST_OK
                   ? ST_OK
                   : err_set(err, ST_INVALID, "id is not a uuid");
    if (str_eq(name, "lost"))
        return str_to_i64(value->str, lost) == ST_OK && *lost >= 0 && *lost < INT32_MAX
                   ? ST_OK
                   : err_set(err, ST_INVALID, "lost is not a number");
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!str_eq(name, texts[i].name))
            continue;
        if (value->len > texts[i].max)
            return err_set(err, ST_INVALID, "%s is too long", name);
        *text_at(job, i) = arena_strndup(arena, value->str, value->len);
        return *text_at(job, i) ? ST_OK : ST_NO_MEMORY;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (!str_eq(name, numbers[i].name))
            continue;
        int64_t v = 0;
        if (str_to_i64(value->str, &v) != ST_OK || v < numbers[i].min || v > numbers[i].max)
            return err_set(err, ST_INVALID, "%s is not a number in its range", name);
        number_set(job, i, v);
        return ST_OK;
    }
    return ST_OK;
}

enum status job_decode(redisReply *fields, struct arena *arena, struct job *out, struct errbuf *err)
{
    if (!fields || fields->type != REDIS_REPLY_ARRAY || fields->elements % 2 != 0)
        return err_set(err, ST_INVALID, "not a list of fields and values");
    struct job job = {.priority = QUEUE_DEFAULT_PRIORITY, .attempt = 1, .max_attempts = 1};
    int64_t lost = 0;
    for (size_t i = 0; i < fields->elements; i += 2) {
        const redisReply *name = fields->element[i];
        const redisReply *value = fields->element[i + 1];
        if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
            return err_set(err, ST_INVALID, "a field is not text");
        TRY(decode_field(&job, name->str, value, arena, &lost, err));
    }
    if (uuid_is_nil(&job.id) || str_is_empty(job.task) || !job.args)
        return err_set(err, ST_INVALID, "id, task or args is missing");
    job.deliveries = (int)lost + 1;
    *out = job;
    return ST_OK;
}

enum status job_init(struct job *job, const char *task, const char *args, int64_t now_ms)
{
    const struct task *t = task_find(task);
    if (!t)
        return ST_NOT_FOUND;
    *job = (struct job){
        .id = uuid_new(),
        .task = t->name,
        .args = args,
        .attempt = 1,
        .max_attempts = t->max_attempts,
        .priority = t->priority,
        .enqueued_at_ms = now_ms,
        .time_limit_ms = t->time_limit_ms,
    };
    return ST_OK;
}
