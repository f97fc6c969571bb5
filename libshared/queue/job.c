/*
 * The envelope of a job: one encode/decode pair, driven by one table. A MessagePack array
 *     [version, id (16 bytes), task, args, priority, …]
 * in the order of the table, without what is at its default behind the last that is not. A reader
 * lets more elements than it knows pass; a version above its own it does not touch. What changes
 * from delivery to delivery (attempt, lost, reason) lies beside it, as fields of the stream entry.
 */
#include <string.h>

#include "base/str.h"
#include "queue/internal.h"
#include "queue/pack.h"

enum { SHORT_TEXT_MAX = 256 };

enum slot_type { SLOT_TEXT, SLOT_INT, SLOT_I64 };

/* Positions 3 and on of the array: only ever added to at the end. */
static const struct slot {
    const char *name;
    enum slot_type type;
    size_t offset;
    int64_t min, max; /* of a number; max: bytes of a text */
} slots[] = {
#define AT(member) offsetof(struct job, member)
    {"task", SLOT_TEXT, AT(task), 0, JOB_TASK_MAX},
    {"args", SLOT_TEXT, AT(args), 0, LIMIT_JOB_ARGS_BYTES},
    {"priority", SLOT_INT, AT(priority), 0, QUEUE_PRIORITIES - 1},
    {"max attempts", SLOT_INT, AT(max_attempts), 1, JOB_ATTEMPTS_MAX},
    {"enqueued at", SLOT_I64, AT(enqueued_at_ms), 0, INT64_MAX},
    {"time limit", SLOT_I64, AT(time_limit_ms), 0, INT64_MAX},
    {"expires at", SLOT_I64, AT(expires_at_ms), 0, INT64_MAX},
    {"not before", SLOT_I64, AT(not_before_ms), 0, INT64_MAX},
    {"reply", SLOT_TEXT, AT(reply), 0, SHORT_TEXT_MAX},
    {"trace", SLOT_TEXT, AT(trace), 0, SHORT_TEXT_MAX},
    {"dedup", SLOT_TEXT, AT(dedup), 0, SHORT_TEXT_MAX},
    {"result ttl", SLOT_I64, AT(result_ttl_ms), 0, INT64_MAX},
    {"soft limit", SLOT_I64, AT(soft_limit_ms), 0, INT64_MAX},
    {"tenant", SLOT_TEXT, AT(tenant), 0, SHORT_TEXT_MAX},
    {"key", SLOT_TEXT, AT(key), 0, SHORT_TEXT_MAX},
    {"key limit", SLOT_INT, AT(key_limit), 0, INT32_MAX},
    {"group", SLOT_TEXT, AT(group), 0, SHORT_TEXT_MAX},
    {"chain", SLOT_TEXT, AT(chain), 0, JOB_CHAIN_MAX},
    {"key rate", SLOT_I64, AT(key_rate.count), 0, INT32_MAX},
    {"key rate's period", SLOT_I64, AT(key_rate.period_ms), 0, INT64_MAX},
    {"key rate's burst", SLOT_I64, AT(key_rate.burst), 0, INT32_MAX},
    {"queue", SLOT_TEXT, AT(queue), 0, QUEUE_NAME_MAX},
    {"takes previous", SLOT_INT, AT(takes_previous), 0, 1},
};

enum { SLOTS = ARRAY_LEN(slots), HEAD = 2 };

static int64_t number_get(const struct job *job, const struct slot *s)
{
    const char *at = (const char *)job + s->offset;
    if (s->type == SLOT_I64)
        return *(const int64_t *)(const void *)at;
    return *(const int *)(const void *)at;
}

static void number_set(struct job *job, const struct slot *s, int64_t v)
{
    char *at = (char *)job + s->offset;
    if (s->type == SLOT_INT)
        *(int *)(void *)at = (int)v;
    else
        *(int64_t *)(void *)at = v;
}

static const char *text_get(const struct job *job, const struct slot *s)
{
    return *(const char *const *)(const void *)((const char *)job + s->offset);
}

static bool is_default(const struct job *job, const struct slot *s)
{
    return s->type == SLOT_TEXT ? text_get(job, s) == NULL : number_get(job, s) == 0;
}

void job_pack(const struct job *job, struct buf *out)
{
    size_t count = SLOTS;
    while (count > 0 && is_default(job, &slots[count - 1]))
        count--;
    pack_array(out, HEAD + count);
    pack_i64(out, JOB_VERSION);
    pack_bytes(out, job->id.b, sizeof(job->id.b));
    for (size_t i = 0; i < count; i++) {
        if (slots[i].type == SLOT_TEXT)
            pack_str(out, text_get(job, &slots[i]));
        else
            pack_i64(out, number_get(job, &slots[i]));
    }
}

void job_encode(const struct job *job, struct buf *storage, struct rargs *args)
{
    buf_reset(storage);
    job_pack(job, storage);
    if (buf_status(storage) != ST_OK) {
        args->failed = true;
        return;
    }
    rargs_str(args, "j");
    rargs_bytes(args, storage->data, storage->len);
    if (job->attempt > 1) {
        rargs_str(args, "attempt");
        rargs_i64(args, job->attempt);
    }
}

/* --- decoding --- */

static enum status read_slot(struct job *job, const struct slot *s, const struct unpack_item *item,
                             struct errbuf *err)
{
    if (item->type == UNPACK_NIL && s->type == SLOT_TEXT)
        return ST_OK;
    if (item->type != (s->type == SLOT_TEXT ? UNPACK_BYTES : UNPACK_I64))
        return err_set(err, ST_INVALID, "%s is of another type", s->name);
    if (s->type != SLOT_TEXT) {
        if (item->number < s->min || item->number > s->max)
            return err_set(err, ST_INVALID, "%s is not in its range", s->name);
        number_set(job, s, item->number);
        return ST_OK;
    }
    if (item->len > (size_t)s->max)
        return err_set(err, ST_INVALID, "%s is too long", s->name);
    if (memchr(item->bytes, 0, item->len))
        return err_set(err, ST_INVALID, "%s holds a NUL byte", s->name);
    *(const char **)(void *)((char *)job + s->offset) = item->bytes;
    return ST_OK;
}

static enum status read_head(struct unpack *u, struct job *job, int64_t *count, struct errbuf *err)
{
    struct unpack_item array, version, id;
    if (unpack_next(u, &array) != ST_OK || array.type != UNPACK_ARRAY || array.number < HEAD ||
        unpack_next(u, &version) != ST_OK || version.type != UNPACK_I64)
        return err_set(err, ST_INVALID, "not an envelope");
    if (version.number > JOB_VERSION)
        return err_set(err, ST_INVALID, "version %lld is newer than this program's %d",
                       (long long)version.number, JOB_VERSION);
    if (unpack_next(u, &id) != ST_OK || id.type != UNPACK_BYTES || id.len != sizeof(job->id.b))
        return err_set(err, ST_INVALID, "id is not a uuid");
    memcpy(job->id.b, id.bytes, sizeof(job->id.b));
    *count = array.number - HEAD;
    return ST_OK;
}

enum status job_unpack(const void *data, size_t len, struct arena *arena, struct job *out,
                       struct errbuf *err)
{
    char *copy = arena_strndup(arena, data, len);
    if (!copy)
        return ST_NO_MEMORY;
    struct unpack u = {.at = (unsigned char *)copy, .end = (unsigned char *)copy + len};
    struct job job = {.priority = QUEUE_DEFAULT_PRIORITY, .attempt = 1, .max_attempts = 1};
    int64_t count = 0;
    char *text_end[SLOTS];
    size_t texts = 0;
    TRY(read_head(&u, &job, &count, err));
    for (size_t i = 0; i < SLOTS && (int64_t)i < count; i++) {
        struct unpack_item item;
        if (unpack_next(&u, &item) != ST_OK)
            return err_set(err, ST_INVALID, "the envelope ends early");
        TRY(read_slot(&job, &slots[i], &item, err));
        if (item.type == UNPACK_BYTES)
            text_end[texts++] = copy + (item.bytes - copy) + item.len;
    }
    /* Everything has been read: the byte behind each text may become its terminator. */
    for (size_t i = 0; i < texts; i++)
        *text_end[i] = '\0';
    if (uuid_is_nil(&job.id) || str_is_empty(job.task) || !job.args)
        return err_set(err, ST_INVALID, "id, task or args is missing");
    *out = job;
    return ST_OK;
}

static enum status read_number(const redisReply *value, const char *name, int64_t min, int64_t max,
                               int64_t *out, struct errbuf *err)
{
    int64_t v = 0;
    if (strlen(value->str) != value->len || str_to_i64(value->str, &v) != ST_OK || v < min ||
        v > max)
        return err_set(err, ST_INVALID, "%s is not a number in its range", name);
    *out = v;
    return ST_OK;
}

/* What lies beside the envelope; unknown names pass, for the sake of newer writers. */
struct beside {
    const redisReply *envelope, *reason;
    int64_t attempt, lost, granted_ms, key_granted_ms, died_ms;
};

static enum status read_field(struct beside *b, const redisReply *name, const redisReply *value,
                              struct errbuf *err)
{
    if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
        return err_set(err, ST_INVALID, "a field is not text");
    if (str_eq(name->str, "j"))
        b->envelope = value;
    else if (str_eq(name->str, "reason"))
        b->reason = value;
    else if (str_eq(name->str, "attempt"))
        return read_number(value, "attempt", 1, JOB_ATTEMPTS_MAX, &b->attempt, err);
    else if (str_eq(name->str, "lost"))
        return read_number(value, "lost", 0, INT32_MAX - 1, &b->lost, err);
    else if (str_eq(name->str, "granted"))
        return read_number(value, "granted", 0, INT64_MAX, &b->granted_ms, err);
    else if (str_eq(name->str, "kgranted"))
        return read_number(value, "kgranted", 0, INT64_MAX, &b->key_granted_ms, err);
    else if (str_eq(name->str, "died"))
        return read_number(value, "died", 0, INT64_MAX, &b->died_ms, err);
    return ST_OK;
}

enum status job_decode(redisReply *fields, struct arena *arena, struct job *out, struct errbuf *err)
{
    if (!fields || fields->type != REDIS_REPLY_ARRAY || fields->elements % 2 != 0)
        return err_set(err, ST_INVALID, "not a list of fields and values");
    struct beside b = {.attempt = 1};
    for (size_t i = 0; i < fields->elements; i += 2)
        TRY(read_field(&b, fields->element[i], fields->element[i + 1], err));
    if (!b.envelope)
        return err_set(err, ST_INVALID, "no envelope");
    struct job job;
    TRY(job_unpack(b.envelope->str, b.envelope->len, arena, &job, err));
    job.attempt = (int)b.attempt;
    job.deliveries = (int)b.lost + 1;
    job.granted_at_ms = b.granted_ms;
    job.key_granted_at_ms = b.key_granted_ms;
    job.died_at_ms = b.died_ms;
    if (b.reason) {
        job.reason = arena_strndup(arena, b.reason->str, b.reason->len);
        if (!job.reason)
            return ST_NO_MEMORY;
    }
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
        .soft_limit_ms = t->soft_limit_ms,
        .result_ttl_ms = t->result_ttl_ms,
    };
    return ST_OK;
}

const char *job_home(const struct job *job)
{
    const struct task *task = task_find(job->task);
    return job->queue ? job->queue : task ? task_queue(task) : "default";
}

static enum status copy_text(const char **text, struct arena *arena)
{
    if (!*text)
        return ST_OK;
    *text = arena_strdup(arena, *text);
    return *text ? ST_OK : ST_NO_MEMORY;
}

/* By the table, so that no text is forgotten. */
enum status job_copy(const struct job *job, struct arena *arena, struct job *out)
{
    struct job copy = *job;
    const char **const beside[] = {&copy.idempotency, &copy.stream, &copy.entry, &copy.reason};
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].type == SLOT_TEXT)
            TRY(copy_text((const char **)(void *)((char *)&copy + slots[i].offset), arena));
    }
    for (size_t i = 0; i < ARRAY_LEN(beside); i++)
        TRY(copy_text(beside[i], arena));
    *out = copy;
    return ST_OK;
}
