/* Schedulers as processes, and what they put into the checks' queue. */
#include "tests/integration/services/scheduler/fixture.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "queue/queue.h"

#define STREAM "{q:checks:0}:p1"

struct scheduler_fixture fx;

static const char *database, *redis_url;

int fx_setup(void **state)
{
    database = kit_database();
    redis_url = kit_redis();
    fx.db = kit_db_open(database);
    fx.redis = kit_redis_open(redis_url);
    fx.org = kit_organisation(fx.db);
    return 0;
}

int fx_teardown(void **state)
{
    redis_free(fx.redis);
    db_free(fx.db);
    return 0;
}

int fx_clean(void **state)
{
    kit_sql(fx.db, "DELETE FROM checks; DELETE FROM schedules; DELETE FROM job_outbox;"
                   "UPDATE redis_marks SET mark = 0, lost_at = '-infinity';"
                   "UPDATE scheduler_shards SET owner = NULL, leased_until = '-infinity';"
                   "DELETE FROM scheduler_members");
    assert_ok(redis_do(fx.redis, NULL, "FLUSHDB"));
    return 0;
}

/* --- processes --- */

pid_t fx_start(const char *program, const char *crash_at)
{
    const char *bin = getenv("TOCSIN_TEST_BIN");
    char path[512];
    assert_non_null(bin);
    (void)snprintf(path, sizeof(path), "%s/%s", bin, program);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed leaves nobody behind */
    (void)setenv("TOCSIN_DATABASE_URL", database, 1);
    (void)setenv("TOCSIN_REDIS_URL", redis_url, 1);
    (void)setenv("TOCSIN_HEALTH_PORT", "0", 1);
    (void)setenv("TOCSIN_SCHEDULER_LEASE", "500ms", 1);
    (void)setenv("TOCSIN_LOG_LEVEL", "error", 1);
    (void)setenv("TOCSIN_CRASH_AT", crash_at ? crash_at : "", 1);
    (void)execl(path, path, (char *)NULL);
    _exit(127);
}

pid_t fx_start_scheduler(void)
{
    return fx_start("tocsin-scheduler", NULL);
}

void fx_end(pid_t pid, int signal)
{
    int status = 0;
    assert_int_equal(kill(pid, signal), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (signal == SIGTERM)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int64_t fx_shards_leased(void)
{
    return kit_sql_i64(fx.db, "SELECT count(*) FROM scheduler_shards WHERE leased_until > now()");
}

int64_t fx_owners(void)
{
    return kit_sql_i64(fx.db, "SELECT count(DISTINCT owner) FROM scheduler_shards"
                              " WHERE leased_until > now()");
}

int64_t fx_smallest_share(void)
{
    return kit_sql_i64(fx.db, "SELECT min(n) FROM (SELECT count(*) n FROM scheduler_shards"
                              " WHERE leased_until > now() GROUP BY owner) s");
}

/* --- the ledger --- */

struct uuid fx_make_check(const char *schedule)
{
    kit_sql(fx.db, "BEGIN"); /* no scheduler sees it with another schedule */
    struct uuid id = kit_check(fx.db, &fx.org, "scheduled");
    char text[UUID_TEXT_BYTES];
    uuid_format(&id, text);
    kit_sql(fx.db, "UPDATE checks SET schedule = '%s' WHERE id = '%s'", schedule, text);
    kit_sql(fx.db, "COMMIT");
    return id;
}

static void add_job(fx_ledger_t *ledger, const redisReply *entry)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job job;
    assert_ok(job_decode(entry->element[1], arena, &job, NULL));
    json_t *json = json_loads(job.args, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "trigger")), "schedule");
    size_t i = 0;
    json_t *due = NULL;
    json_array_foreach (json_object_get(json, "checks"), i, due) {
        struct fx_line line = {
            .slot_ms = json_integer_value(json_object_get(due, "slot")),
            .prev_ms = json_integer_value(json_object_get(due, "prev")),
        };
        (void)str_copy(line.id, sizeof(line.id), json_string_value(json_object_get(due, "id")));
        assert_ok(vec_push(ledger, line));
    }
    json_decref(json);
}

static int compare_lines(const void *a, const void *b)
{
    const struct fx_line *x = a, *y = b;
    int by_id = strcmp(x->id, y->id);
    return by_id ? by_id : x->slot_ms < y->slot_ms ? -1 : x->slot_ms > y->slot_ms;
}

void fx_read_ledger(fx_ledger_t *ledger)
{
    AUTO_REPLY reply = NULL;
    ledger->count = 0;
    assert_ok(redis_do(fx.redis, &reply, "XRANGE", STREAM, "-", "+"));
    for (size_t i = 0; i < reply->elements; i++)
        add_job(ledger, reply->element[i]);
    if (ledger->count > 0)
        qsort(ledger->at, ledger->count, sizeof(*ledger->at), compare_lines);
}

size_t fx_count_of(const char *id)
{
    fx_ledger_t ledger = {0};
    size_t n = 0;
    fx_read_ledger(&ledger);
    for (size_t i = 0; i < ledger.count; i++)
        n += id == NULL || strcmp(ledger.at[i].id, id) == 0;
    vec_done(&ledger);
    return n;
}

size_t fx_audit(void)
{
    fx_ledger_t ledger = {0};
    size_t checks = 0;
    fx_read_ledger(&ledger);
    for (size_t i = 0; i < ledger.count; i++) {
        if (i == 0 || strcmp(ledger.at[i - 1].id, ledger.at[i].id) != 0) {
            checks++;
            continue;
        }
        bool is_after_first = ledger.at[i - 1].prev_ms == 0;
        if (is_after_first ? ledger.at[i].slot_ms == ledger.at[i - 1].slot_ms
                           : ledger.at[i].prev_ms != ledger.at[i - 1].slot_ms)
            fail_msg("%s: slot %lld follows %lld, not %lld", ledger.at[i].id,
                     (long long)ledger.at[i].slot_ms, (long long)ledger.at[i - 1].slot_ms,
                     (long long)ledger.at[i].prev_ms);
    }
    vec_done(&ledger);
    return checks;
}
