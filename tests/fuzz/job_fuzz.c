/* Any stream entry is a job or refused, and so are the arguments of any task. The input is an
 * envelope, a line end, and the text of the fields beside it. */
#include "queue/check_jobs.h"
#include "tests/fuzz/fuzz.h"

static void check_args(const char *args)
{
    AUTO_ARENA arena = arena_new((size_t)4 << 20);
    static struct check_scheduled scheduled;
    struct check_run run;
    struct check_adhoc adhoc;
    MUST(arena);
    if (check_scheduled_decode(args, &scheduled, NULL) == ST_OK)
        MUST(scheduled.count >= 1 && scheduled.count <= LIMIT_JOB_CHECKS);
    (void)(check_run_decode(args, &run, NULL) == ST_OK);
    if (check_adhoc_decode(args, arena, &adhoc, NULL) == ST_OK)
        MUST(adhoc.kind[0] && adhoc.config_json[0] == '{' && adhoc.timeout_ms > 0);
}

/* What was unpacked is packed, and unpacks to the same. */
static void check_unpack(const uint8_t *data, size_t size)
{
    AUTO_ARENA arena = arena_new((size_t)4 << 20);
    AUTO_BUF first;
    AUTO_BUF second;
    struct job job;
    struct job again;
    struct errbuf err = {""};
    MUST(arena);
    buf_init(&first, (size_t)1 << 20);
    buf_init(&second, (size_t)1 << 20);
    if (job_unpack(data, size, arena, &job, &err) != ST_OK) {
        MUST(err.text[0]);
        return;
    }
    MUST(job.task[0] && job.args && job.max_attempts >= 1 && job.priority < QUEUE_PRIORITIES);
    check_args(job.args);
    job_pack(&job, &first);
    MUST(buf_status(&first) == ST_OK);
    MUST(job_unpack(first.data, first.len, arena, &again, NULL) == ST_OK);
    job_pack(&again, &second);
    MUST(second.len == first.len && memcmp(first.data, second.data, first.len) == 0);
}

/* The envelope in a stream entry, with `value` as all that lies beside it. */
static void check_decode(const char *envelope, size_t len, const char *value, size_t value_len)
{
    static const char *const names[] = {"j", "reason", "attempt", "lost", "granted", "died", "new"};
    enum { FIELDS = 2 * ARRAY_LEN(names) };
    redisReply values[FIELDS];
    redisReply *list[FIELDS];
    redisReply entry = {.type = REDIS_REPLY_ARRAY, .element = list, .elements = FIELDS};
    AUTO_ARENA arena = arena_new((size_t)4 << 20);
    struct job job;
    struct errbuf err = {""};
    MUST(arena);
    memset(values, 0, sizeof(values));
    for (size_t i = 0; i < FIELDS; i++) {
        const char *text = i % 2 == 0 ? names[i / 2] : i == 1 ? envelope : value;
        values[i].type = REDIS_REPLY_STRING;
        values[i].str = (char *)(uintptr_t)text;
        values[i].len = i % 2 == 0 ? strlen(text) : i == 1 ? len : value_len;
        list[i] = &values[i];
    }
    /* Without a number beside it, with one, with all. */
    for (size_t n = 2; n <= FIELDS; n += 2) {
        entry.elements = n;
        if (job_decode(&entry, arena, &job, &err) == ST_OK)
            MUST(job.attempt >= 1 && job.deliveries >= 1);
        else
            MUST(err.text[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of_input(data, size);
    const uint8_t *end = memrchr(data, '\n', size);
    const size_t len = end ? (size_t)(end - data) : size;
    check_args(text);
    check_unpack(data, len);
    char *envelope = text_of_input(data, len);
    check_decode(envelope, len, text + MIN_OF(len + 1, size), size - MIN_OF(len + 1, size));
    free(envelope);
    free(text);
    return 0;
}
