/* Jobs, queues and workers over HTTP: what is shown to whom, and what may be done. */
#include "tests/integration/services/api/fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "queue/control.h"
#include "queue/inspect.h"
#include "tests/kit/queue.h"

#define NOBODY "01890000-0000-7000-8000-000000000000"

static struct queue *q; /* "default" */

static int begin(void **state)
{
    assert_ok(redis_do(fx.redis, NULL, "FLUSHDB"));
    return queue_new("default", 0, &q) == ST_OK ? 0 : -1;
}

static int end(void **state)
{
    queue_free(q);
    return 0;
}

/* A job of the organisation (NULL: of nobody), at once or in an hour. */
static struct uuid enqueue(const struct uuid *tenant, bool is_delayed)
{
    struct job job;
    assert_ok(job_init(&job, "queue.noop", "{\"n\":1}", clock_wall_ms()));
    job.tenant = tenant ? kit_id(tenant) : NULL;
    job.max_attempts = 1;
    if (is_delayed)
        job.not_before_ms = clock_wall_ms() + 3600000;
    assert_ok(queue_enqueue(q, fx.redis, &job));
    return job.id;
}

static void fetch(struct arena *arena, struct job_batch *batch)
{
    *batch = (struct job_batch){.arena = arena};
    assert_ok(queue_heartbeat(q, fx.redis, "w-1", "{\"host\":\"h\",\"pid\":7}", 60000));
    assert_ok(queue_fetch(q, fx.redis, "w-1", 10, 0, batch));
}

/* Fails all that waits for good. */
static void kill_jobs(void)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job_batch batch;
    fetch(arena, &batch);
    assert_true(batch.count > 0);
    for (size_t i = 0; i < batch.count; i++)
        assert_ok(queue_retry(q, fx.redis, "w-1", &batch.jobs[i], "kaputt", clock_wall_ms()));
}

static const char *job_path(const struct uuid *id, const char *more)
{
    static char path[4][128];
    static int next;
    next = (next + 1) % 4;
    (void)snprintf(path[next], sizeof(path[next]), "/api/v1/jobs/%s%s", kit_id(id), more);
    return path[next];
}

static size_t listed(const struct kit_tokens *who, const char *path, const char *member)
{
    struct kit_reply r = fx_reply(who, "GET", path, NULL, 200);
    const size_t count = json_array_size(json_object_get(r.json, member));
    kit_reply_done(&r);
    return count;
}

static void must_state(const struct uuid *id, const char *state)
{
    struct kit_reply r = fx_reply(&fx.admin, "GET", job_path(id, ""), NULL, 200);
    assert_string_equal(kit_reply_text(&r, "state"), state);
    assert_string_equal(kit_reply_text(&r, "queue"), "default");
    kit_reply_done(&r);
}

static void jobs_are_listed_by_filter(void **state)
{
    for (int i = 0; i < 3; i++)
        (void)enqueue(NULL, false);
    kill_jobs();
    for (int i = 0; i < 5; i++)
        (void)enqueue(NULL, i < 2);
    static const struct {
        const char *query;
        size_t count;
    } rows[] = {
        {"", 8},
        {"?queue=default", 8},
        {"?queue=checks", 0},
        {"?state=queued", 3},
        {"?state=delayed", 2},
        {"?state=dead", 3},
        {"?state=running", 0},
        {"?task=queue.noop&state=dead", 3},
        {"?task=no.such", 0},
        {"?limit=4", 4},
        {"?per_page=2&state=queued", 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "/api/v1/jobs%s", rows[i].query);
        if (listed(&fx.admin, path, "jobs") != rows[i].count)
            fail_msg("%s: not %zu", path, rows[i].count);
    }
    assert_int_equal(listed(&fx.admin, "/api/v1/queues/default/dead", "jobs"), 3);
    assert_int_equal(listed(&fx.admin, "/api/v1/queues/default/dead?limit=2", "jobs"), 2);
    assert_int_equal(listed(&fx.admin, "/api/v1/queues/checks/dead", "jobs"), 0);
}

static void pages_follow_each_other_once(void **state)
{
    for (int i = 0; i < 7; i++)
        (void)enqueue(NULL, i % 2 == 0);
    AUTO_JSON seen = json_object();
    char path[256] = "/api/v1/jobs?limit=2";
    for (int pages = 0; path[0] && pages < 20; pages++) {
        struct kit_reply r = fx_reply(&fx.admin, "GET", path, NULL, 200);
        size_t i = 0;
        json_t *job = NULL;
        json_array_foreach (json_object_get(r.json, "jobs"), i, job) {
            const char *id = json_string_value(json_object_get(job, "id"));
            assert_non_null(id);
            assert_null(json_object_get(seen, id));
            assert_null(json_object_get(job, "args"));
            assert_int_equal(json_object_set_new(seen, id, json_true()), 0);
        }
        const char *next = kit_reply_text(&r, "next_cursor");
        path[0] = '\0';
        if (next[0])
            (void)snprintf(path, sizeof(path), "/api/v1/jobs?limit=2&after=%s", next);
        kit_reply_done(&r);
    }
    assert_string_equal(path, "");
    assert_int_equal(json_object_size(seen), 7);
}

/* "total offset page pages count total_is_exact" */
static void must_page(const struct kit_tokens *who, const char *query, const char *want)
{
    static const char *const members[] = {"total", "offset", "page", "pages", "count"};
    char path[256], got[256] = "";
    (void)snprintf(path, sizeof(path), "/api/v1/jobs%s", query);
    struct kit_reply r = fx_reply(who, "GET", path, NULL, 200);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const size_t used = strlen(got);
        (void)snprintf(got + used, sizeof(got) - used, "%lld ",
                       json_integer_value(json_object_get(r.json, members[i])));
    }
    const bool is_exact = json_is_true(json_object_get(r.json, "total_is_exact"));
    (void)snprintf(got + strlen(got), sizeof(got) - strlen(got), is_exact ? "exact" : "more");
    if (!str_eq(got, want))
        fail_msg("%s: %s, not %s", path, got, want);
    assert_true(strstr(kit_reply_header(&r, "Link"), "rel=\"first\"") != NULL);
    const bool has_next = strstr(kit_reply_header(&r, "Link"), "rel=\"next\"") != NULL;
    assert_true(has_next == (kit_reply_text(&r, "next")[0] != '\0'));
    assert_true(!has_next || kit_reply_text(&r, "next_cursor")[0] != '\0');
    kit_reply_done(&r);
}

static void lists_have_pages_offsets_and_cursors(void **state)
{
    char text[128], path[256];
    for (int i = 0; i < 9; i++)
        (void)enqueue(i < 4 ? &fx.org : i < 7 ? NULL : &fx.other_org, i % 3 == 0);
    static const struct {
        const struct kit_tokens *who;
        const char *query, *want;
    } rows[] = {
        {&fx.admin, "", "7 0 1 1 7 exact"},
        {&fx.admin, "?per_page=3&page=2", "7 3 2 3 3 exact"},
        {&fx.admin, "?per_page=3&page=3", "7 6 3 3 1 exact"},
        {&fx.admin, "?per_page=3&page=9", "7 24 9 3 0 exact"},
        {&fx.admin, "?limit=2&offset=5", "7 5 3 4 2 exact"},
        {&fx.admin, "?limit=2&offset=7", "7 7 4 4 0 exact"},
        {&fx.admin, "?state=delayed", "3 0 1 1 3 exact"},
        {&fx.viewer, "", "4 0 1 1 4 exact"},
        {&fx.stranger, "?limit=1", "2 0 1 2 1 exact"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        must_page(rows[i].who, rows[i].query, rows[i].want);
    (void)snprintf(text, sizeof(text), "?tenant=%s", kit_id(&fx.org));
    must_page(&fx.admin, text, "4 0 1 1 4 exact");
    must_page(&fx.stranger, text, "0 0 1 0 0 exact");
    (void)snprintf(text, sizeof(text), "?tenant=%s", kit_id(&fx.other_org));
    must_page(&fx.admin, text, "0 0 1 0 0 exact");
    must_page(&fx.stranger, text, "2 0 1 1 2 exact");

    /* From a page on by cursor: the same numbers go on. */
    struct kit_reply r = kit_call(fx.api, "GET", "/api/v1/jobs?per_page=3", fx.admin.access, NULL);
    (void)snprintf(path, sizeof(path), "?limit=3&after=%s", kit_reply_text(&r, "next_cursor"));
    kit_reply_done(&r);
    must_page(&fx.admin, path, "7 3 2 3 3 exact");
    fx_must(&fx.admin, "GET", "/api/v1/jobs?page=5000", NULL, 422, "VALIDATION_ERROR");
    fx_must(&fx.admin, "GET", "/api/v1/jobs?offset=5001", NULL, 422, "VALIDATION_ERROR");
    static const char *const cursors[] = {"x",
                                          "1",
                                          "-1/default/queued/",
                                          "1/nowhere/queued/",
                                          "1/default/lost/",
                                          "1/default/queued/x"};
    for (size_t i = 0; i < ARRAY_LEN(cursors); i++) {
        (void)snprintf(path, sizeof(path), "/api/v1/jobs?after=%s", cursors[i]);
        fx_must(&fx.admin, "GET", path, NULL, 422, "VALIDATION_ERROR");
    }
}

/* More than one request looks at: the total is what was seen, and the cursor leads to the rest. */
static void long_lists_say_so(void **state)
{
    enum { MANY = 5300 };
    AUTO_FREE struct job *jobs = calloc(MANY, sizeof(*jobs));
    for (int i = 0; i < MANY; i++)
        assert_ok(job_init(&jobs[i], "queue.noop", "{}", clock_wall_ms()));
    jobs[MANY - 1].task = "the.last";
    assert_ok(queue_enqueue_many(q, fx.redis, jobs, MANY, NULL));
    must_page(&fx.admin, "?limit=100", "5000 0 1 50 100 more");
    struct kit_reply r = kit_call(fx.api, "GET", "/api/v1/jobs?task=the.last", fx.admin.access,
                                  NULL);
    assert_int_equal(json_array_size(json_object_get(r.json, "jobs")), 0);
    char path[256];
    (void)snprintf(path, sizeof(path), "?task=the.last&after=%s",
                   kit_reply_text(&r, "next_cursor"));
    kit_reply_done(&r);
    must_page(&fx.admin, path, "1 0 1 1 1 exact");
    must_page(&fx.stranger, "", "0 0 1 0 0 more");
}

static void a_job_is_cancelled_wherever_it_is(void **state)
{
    const struct uuid delayed = enqueue(NULL, true), running = enqueue(NULL, false);
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job_batch batch;
    fetch(arena, &batch);
    assert_int_equal(batch.count, 1);
    const struct uuid queued = enqueue(NULL, false);
    must_state(&delayed, "delayed");
    must_state(&running, "running");
    must_state(&queued, "queued");
    const struct {
        const struct uuid *id;
        const char *state;
    } rows[] = {{&delayed, "cancelled"}, {&running, "running"}, {&queued, "queued"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kit_reply r = fx_reply(&fx.admin, "DELETE", job_path(rows[i].id, ""), NULL, 200);
        assert_string_equal(kit_reply_text(&r, "state"), rows[i].state);
        assert_true(json_is_true(json_object_get(r.json, "cancel_requested")));
        kit_reply_done(&r);
    }
    bool wanted = false;
    assert_ok(queue_cancel_wanted(q, fx.redis, batch.jobs, 1, &wanted));
    assert_true(wanted);
    fx_must(&fx.admin, "DELETE", job_path(&delayed, ""), NULL, 404, "JOB_NOT_FOUND");
    fx_must(&fx.admin, "POST", job_path(&queued, "/retry"), NULL, 409, "JOB_NOT_DEAD");
}

static void a_dead_letter_is_requeued(void **state)
{
    const struct uuid id = enqueue(NULL, false);
    kill_jobs();
    must_state(&id, "dead");
    fx_must(&fx.admin, "DELETE", job_path(&id, ""), NULL, 409, "JOB_ENDED");
    struct kit_reply r = fx_reply(&fx.admin, "POST", job_path(&id, "/retry"), NULL, 202);
    assert_string_equal(kit_reply_text(&r, "state"), "queued");
    kit_reply_done(&r);
    must_state(&id, "queued");
    fx_must(&fx.admin, "POST", job_path(&id, "/retry"), NULL, 409, "JOB_NOT_DEAD");
}

static void each_organisation_sees_its_own(void **state)
{
    const struct uuid own = enqueue(&fx.org, true), theirs = enqueue(&fx.other_org, true);
    const struct uuid system = enqueue(NULL, true);
    const struct {
        const struct kit_tokens *who;
        const struct uuid *id;
        int status;
    } rows[] = {
        {&fx.admin, &own, 200},       {&fx.admin, &system, 200},    {&fx.admin, &theirs, 404},
        {&fx.viewer, &own, 200},      {&fx.viewer, &system, 404},   {&fx.viewer, &theirs, 404},
        {&fx.me, &system, 404},       {&fx.stranger, &theirs, 200}, {&fx.stranger, &own, 404},
        {&fx.stranger, &system, 404},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fx_must(rows[i].who, "GET", job_path(rows[i].id, ""), NULL, rows[i].status,
                rows[i].status == 404 ? "JOB_NOT_FOUND" : NULL);
    assert_int_equal(listed(&fx.admin, "/api/v1/jobs", "jobs"), 2);
    assert_int_equal(listed(&fx.viewer, "/api/v1/jobs", "jobs"), 1);
    assert_int_equal(listed(&fx.stranger, "/api/v1/jobs", "jobs"), 1);
    struct kit_reply mine = kit_call(fx.api, "GET", job_path(&own, ""), fx.viewer.access, NULL);
    assert_true(json_is_object(json_object_get(mine.json, "args")));
    kit_reply_done(&mine);
    struct kit_reply of_all = kit_call(fx.api, "GET", job_path(&system, ""), fx.admin.access, NULL);
    assert_true(json_is_null(json_object_get(of_all.json, "args")));
    kit_reply_done(&of_all);

    fx_must(&fx.stranger, "DELETE", job_path(&own, ""), NULL, 404, "JOB_NOT_FOUND");
    fx_must(&fx.me, "DELETE", job_path(&system, ""), NULL, 404, "JOB_NOT_FOUND");
    fx_must(&fx.me, "DELETE", job_path(&own, ""), NULL, 200, NULL);
    must_state(&system, "delayed");
    fx_must(&fx.stranger, "GET", job_path(&theirs, ""), NULL, 200, NULL);
}

static void an_outcome_says_whose_it_was(void **state)
{
    const struct uuid *const owners[] = {&fx.org, &fx.other_org, NULL};
    struct uuid ids[ARRAY_LEN(owners)];
    for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
        struct job job;
        assert_ok(job_init(&job, "queue.noop", "{}", clock_wall_ms()));
        job.tenant = owners[i] ? kit_id(owners[i]) : NULL;
        job.result_ttl_ms = 60000;
        ids[i] = job.id;
        assert_ok(queue_enqueue(q, fx.redis, &job));
    }
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job_batch batch;
    fetch(arena, &batch);
    assert_int_equal(batch.count, ARRAY_LEN(owners));
    for (size_t i = 0; i < batch.count; i++) {
        const struct job_outcome o = {.state = JOB_SUCCEEDED, .result = "{\"n\":1}"};
        assert_ok(queue_finish(q, fx.redis, "w-1", &batch.jobs[i], &o, 1));
    }
    static const struct {
        const struct kit_tokens *who;
        int status[ARRAY_LEN(owners)];
    } rows[] = {{&fx.admin, {200, 404, 200}},
                {&fx.viewer, {200, 404, 404}},
                {&fx.stranger, {404, 200, 404}}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < ARRAY_LEN(owners); k++)
            fx_must(rows[i].who, "GET", job_path(&ids[k], ""), NULL, rows[i].status[k], NULL);
    }
    struct kit_reply r = kit_call(fx.api, "GET", job_path(&ids[0], ""), fx.viewer.access, NULL);
    assert_string_equal(kit_reply_text(&r, "state"), "succeeded");
    assert_true(json_is_object(json_object_get(r.json, "result")));
    assert_string_equal(kit_reply_text(&r, "tenant"), kit_id(&fx.org));
    kit_reply_done(&r);
}

static void queues_are_controlled_by_admins_of_the_first(void **state)
{
    static const char *const paths[] = {"pause", "resume", "purge"};
    (void)enqueue(NULL, true);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "/api/v1/queues/default/%s", paths[i]);
        const char *body = i == 2 ? "{\"state\":\"delayed\"}" : NULL;
        fx_must(&fx.viewer, "POST", path, body, 403, "INSUFFICIENT_SCOPE");
        fx_must(&fx.me, "POST", path, body, 403, "QUEUE_CONTROL_DENIED");
        fx_must(&fx.stranger, "POST", path, body, 403, "QUEUE_CONTROL_DENIED");
    }
    fx_must(&fx.viewer, "DELETE", "/api/v1/jobs/" NOBODY, NULL, 403, "INSUFFICIENT_SCOPE");
    fx_must(&fx.viewer, "POST", "/api/v1/jobs/" NOBODY "/retry", NULL, 403, "INSUFFICIENT_SCOPE");
    assert_int_equal(listed(&fx.admin, "/api/v1/jobs?state=delayed", "jobs"), 1);

    fx_must(&fx.admin, "POST", "/api/v1/queues/default/pause", NULL, 200, NULL);
    fx_must(&fx.admin, "POST", "/api/v1/queues/default/pause", NULL, 200, NULL);
    assert_true(kit_queue_is_paused(q, fx.redis));
    struct kit_reply r = kit_call(fx.api, "GET", "/api/v1/queues/default", fx.viewer.access, NULL);
    assert_true(json_is_true(json_object_get(r.json, "paused")));
    assert_int_equal(json_integer_value(json_object_get(r.json, "delayed")), 1);
    assert_int_equal(json_array_size(json_object_get(r.json, "waiting")), QUEUE_PRIORITIES);
    kit_reply_done(&r);
    fx_must(&fx.admin, "POST", "/api/v1/queues/default/resume", NULL, 200, NULL);
    assert_false(kit_queue_is_paused(q, fx.redis));
    r = fx_reply(&fx.admin, "POST", "/api/v1/queues/default/purge", "{\"state\":\"delayed\"}", 200);
    assert_int_equal(json_integer_value(json_object_get(r.json, "removed")), 1);
    kit_reply_done(&r);
    assert_int_equal(listed(&fx.viewer, "/api/v1/queues", "queues"), 2);
}

static void a_broken_key_is_said(void **state)
{
    (void)enqueue(NULL, false);
    assert_ok(redis_do(fx.redis, NULL, "SET", "{q:default:0}:delayed", "somebody else's"));
    assert_ok(redis_do(fx.redis, NULL, "SET", "{q:default:0}:p0", "somebody else's"));
    struct kit_reply r = fx_reply(&fx.viewer, "GET", "/api/v1/queues/default", NULL, 200);
    assert_string_equal(kit_reply_text(&r, "broken"), "delayed is a string, p0 is a string");
    assert_int_equal(json_integer_value(json_object_get(r.json, "depth")), 1);
    kit_reply_done(&r);
    assert_int_equal(listed(&fx.admin, "/api/v1/queues", "queues"), 2);
    assert_int_equal(listed(&fx.admin, "/api/v1/jobs", "jobs"), 1);
    assert_int_equal(listed(&fx.admin, "/api/v1/jobs?state=delayed", "jobs"), 0);
    fx_must(&fx.admin, "GET", "/api/v1/jobs/" NOBODY, NULL, 404, "JOB_NOT_FOUND");
    fx_must(&fx.admin, "POST", "/api/v1/queues/default/purge", "{\"state\":\"delayed\"}", 500,
            "QUEUE_BROKEN");
    fx_must(&fx.admin, "POST", "/api/v1/queues/default/purge", "{\"state\":\"queued\"}", 200, NULL);
}

static void workers_are_shown_to_the_first_organisation(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job_batch batch;
    fetch(arena, &batch);
    struct kit_reply r = fx_reply(&fx.viewer, "GET", "/api/v1/workers", NULL, 200);
    const json_t *worker = json_array_get(json_object_get(r.json, "workers"), 0);
    assert_string_equal(json_string_value(json_object_get(worker, "id")), "w-1");
    assert_string_equal(json_string_value(json_object_get(worker, "host")), "h");
    assert_int_equal(json_integer_value(json_object_get(worker, "pid")), 7);
    assert_true(json_is_true(json_object_get(worker, "alive")));
    kit_reply_done(&r);
    fx_must(&fx.stranger, "GET", "/api/v1/workers", NULL, 403, "WORKERS_DENIED");
}

static void bad_input_is_named(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *code;
    } rows[] = {
        {"GET", "/api/v1/jobs/" NOBODY, NULL, 404, "JOB_NOT_FOUND"},
        {"GET", "/api/v1/jobs/none", NULL, 404, "JOB_NOT_FOUND"},
        {"DELETE", "/api/v1/jobs/" NOBODY, NULL, 404, "JOB_NOT_FOUND"},
        {"POST", "/api/v1/jobs/none/retry", NULL, 404, "JOB_NOT_FOUND"},
        {"GET", "/api/v1/jobs?state=fine", NULL, 422, "VALIDATION_ERROR"},
        {"GET", "/api/v1/jobs?limit=0", NULL, 422, "VALIDATION_ERROR"},
        {"GET", "/api/v1/jobs?limit=101", NULL, 422, "VALIDATION_ERROR"},
        {"GET", "/api/v1/jobs?limit=x", NULL, 422, "VALIDATION_ERROR"},
        {"GET", "/api/v1/jobs?after=x", NULL, 422, "VALIDATION_ERROR"},
        {"GET", "/api/v1/jobs?after=default/fine/", NULL, 422, "VALIDATION_ERROR"},
        {"GET", "/api/v1/jobs?after=none/queued/", NULL, 422, "VALIDATION_ERROR"},
        {"GET", "/api/v1/jobs?after=default/queued/9:1", NULL, 422, "VALIDATION_ERROR"},
        {"GET", "/api/v1/jobs?queue=none", NULL, 404, "QUEUE_NOT_FOUND"},
        {"GET", "/api/v1/queues/none", NULL, 404, "QUEUE_NOT_FOUND"},
        {"GET", "/api/v1/queues/none/dead", NULL, 404, "QUEUE_NOT_FOUND"},
        {"POST", "/api/v1/queues/none/pause", NULL, 404, "QUEUE_NOT_FOUND"},
        {"POST", "/api/v1/queues/%7Bq%7D/resume", NULL, 404, "QUEUE_NOT_FOUND"},
        {"POST", "/api/v1/queues/none/purge", "{\"state\":\"dead\"}", 404, "QUEUE_NOT_FOUND"},
        {"POST", "/api/v1/queues/default/purge", "{}", 422, "VALIDATION_ERROR"},
        {"POST", "/api/v1/queues/default/purge", "{\"state\":\"running\"}", 422, NULL},
        {"POST", "/api/v1/queues/default/purge", "{\"state\":1}", 422, NULL},
        {"POST", "/api/v1/queues/default/purge", "{", 400, "MALFORMED_REQUEST"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fx_must(&fx.admin, rows[i].method, rows[i].path, rows[i].body, rows[i].status,
                rows[i].code);
}

static void redis_down_is_said(void **state)
{
    struct kit_api *usual = fx.api;
    fx.api = kit_api_start(fx.database, kit_redis(),
                           &(struct kit_api_options){.redis = "unix:///nowhere/redis.sock"});
    static const struct {
        const char *method, *path, *body;
    } rows[] = {
        {"GET", "/api/v1/jobs", NULL},
        {"GET", "/api/v1/jobs/" NOBODY, NULL},
        {"DELETE", "/api/v1/jobs/" NOBODY, NULL},
        {"POST", "/api/v1/jobs/" NOBODY "/retry", NULL},
        {"GET", "/api/v1/queues", NULL},
        {"GET", "/api/v1/queues/default", NULL},
        {"GET", "/api/v1/queues/default/dead", NULL},
        {"POST", "/api/v1/queues/default/pause", NULL},
        {"POST", "/api/v1/queues/default/resume", NULL},
        {"POST", "/api/v1/queues/default/purge", "{\"state\":\"dead\"}"},
        {"GET", "/api/v1/workers", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fx_must(&fx.admin, rows[i].method, rows[i].path, rows[i].body, 503, "QUEUE_UNAVAILABLE");
    kit_api_stop(fx.api);
    fx.api = usual;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(jobs_are_listed_by_filter),
        CASE(pages_follow_each_other_once),
        CASE(lists_have_pages_offsets_and_cursors),
        CASE(long_lists_say_so),
        CASE(a_job_is_cancelled_wherever_it_is),
        CASE(a_dead_letter_is_requeued),
        CASE(each_organisation_sees_its_own),
        CASE(an_outcome_says_whose_it_was),
        CASE(queues_are_controlled_by_admins_of_the_first),
        CASE(a_broken_key_is_said),
        CASE(workers_are_shown_to_the_first_organisation),
        CASE(bad_input_is_named),
        CASE(redis_down_is_said),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
