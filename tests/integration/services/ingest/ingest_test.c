/* The ingest daemon as its senders and its operators see it: post → stored, through crashes,
 * flushes and stores that are away. */
#include <curl/curl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kit/kit.h"

#include "auth/scopes.h"
#include "base/buf.h"
#include "base/str.h"
#include "json/parse.h"
#include "services/ingest/publish.h"
#include "services/ingest/wire.h"
#include "store/api_keys.h"
#include "store/hosts.h"
#include "store/metrics.h"

enum { WAIT_MS = 15000, ARENA_BYTES = 16 << 20 };

struct daemon_run {
    pid_t pid;
    int port;
};

struct fixture {
    const char *conninfo, *redis_url;
    struct db *db;
    struct redis *redis;
    struct arena *arena;
    struct uuid org, user;
    char key[API_KEY_BYTES]; /* of the organisation, metrics:write */
    struct daemon_run d;
};

static struct fixture f;

/* --- the daemon --- */

static int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
                getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void exec_daemon(int port, const char *crash_at, const char *database_url)
{
    char text[16], path[512], log[512];
    (void)snprintf(text, sizeof(text), "%d", port);
    (void)snprintf(path, sizeof(path), "%s/tocsin-ingest", getenv("TOCSIN_TEST_BIN"));
    (void)snprintf(log, sizeof(log), "%s/ingest.log", kit_dir());
    (void)setenv("TOCSIN_DATABASE_URL", database_url, 1);
    (void)setenv("TOCSIN_REDIS_URL", f.redis_url, 1);
    (void)setenv("TOCSIN_LISTEN", "127.0.0.1", 1);
    (void)setenv("TOCSIN_INGEST_PORT", text, 1);
    (void)setenv("TOCSIN_CRASH_AT", crash_at ? crash_at : "", 1);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0)
        (void)dup2(fd, STDERR_FILENO);
    execl(path, path, (char *)NULL);
    _exit(127);
}

static size_t keep(char *data, size_t size, size_t count, void *arg)
{
    buf_append(arg, data, size * count);
    return size * count;
}

/* A request; 0 when there was no answer. body NULL: GET. */
static long ask(int port, const char *path, const char *key, const void *body, size_t len,
                bool is_gzip, struct buf *reply)
{
    char url[256], header[160];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    (void)snprintf(header, sizeof(header), "X-API-Key: %s", key ? key : "");
    if (key)
        headers = curl_slist_append(headers, header);
    if (is_gzip)
        headers = curl_slist_append(headers, "Content-Encoding: gzip");
    headers = curl_slist_append(headers, "Expect:");
    CURL *c = curl_easy_init();
    (void)curl_easy_setopt(c, CURLOPT_URL, url);
    (void)curl_easy_setopt(c, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 10000L);
    (void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
    (void)curl_easy_setopt(c, CURLOPT_WRITEDATA, reply);
    if (body) {
        (void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
        (void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
    }
    long status = 0;
    if (curl_easy_perform(c) == CURLE_OK)
        (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(c);
    curl_slist_free_all(headers);
    return status;
}

static long get_status(int port, const char *path)
{
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    return ask(port, path, NULL, NULL, 0, false, &reply);
}

static struct daemon_run start_with(const char *crash_at, const char *database_url)
{
    struct daemon_run d = {.port = free_port()};
    d.pid = fork();
    if (d.pid == 0)
        exec_daemon(d.port, crash_at, database_url);
    assert_true(d.pid > 0);
    assert_true(kit_wait(get_status(d.port, "/livez") == 200, WAIT_MS));
    return d;
}

static struct daemon_run start(const char *crash_at)
{
    struct daemon_run d = start_with(crash_at, f.conninfo);
    /* A writer that is to crash may be gone before it was ever seen ready. */
    if (!crash_at)
        assert_true(kit_wait(get_status(d.port, "/readyz") == 200, WAIT_MS));
    return d;
}

/* The end of what the daemons logged, for whoever reads of a failure. */
static void show_log(void)
{
    char path[512], text[8192];
    (void)snprintf(path, sizeof(path), "%s/ingest.log", kit_dir());
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return;
    off_t end = lseek(fd, 0, SEEK_END);
    (void)lseek(fd, MAX_OF(end - (off_t)sizeof(text), (off_t)0), SEEK_SET);
    ssize_t n = read(fd, text, sizeof(text));
    (void)fwrite(text, 1, n > 0 ? (size_t)n : 0, stderr);
    close(fd);
}

static void stop(struct daemon_run *d)
{
    if (d->pid == 0)
        return;
    (void)kill(d->pid, SIGTERM);
    int status = 0;
    assert_true(kit_wait(waitpid(d->pid, &status, WNOHANG) == d->pid, WAIT_MS));
    d->pid = 0;
    if (status != 0) {
        show_log();
        fail_msg("the daemon ended with wait status 0x%x", (unsigned)status);
    }
}

/* --- helpers --- */

static long post_key(const char *key, const char *body, struct buf *reply)
{
    return ask(f.d.port, "/api/v1/ingest/metrics", key, body, strlen(body), false, reply);
}

static long try_post(const char *key, const char *body)
{
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    return post_key(key, body, &reply);
}

/* Posts and demands a status; the reply's accepted count, or -1. */
static int64_t post(const char *body, long want)
{
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    long got = post_key(f.key, body, &reply);
    if (got != want)
        fail_msg("%ld, not %ld: %s\n%s", got, want, body, buf_cstr(&reply));
    AUTO_JSON json = NULL;
    if (json_parse(buf_cstr(&reply), reply.len, &json, NULL) != ST_OK)
        return -1;
    json_t *accepted = json_object_get(json, "accepted");
    return accepted ? json_integer_value(accepted) : -1;
}

static void new_key(const struct uuid *host, uint64_t scopes, char out[API_KEY_BYTES])
{
    struct api_key_new_row row = {.org_id = f.org, .name = "test", .scopes = scopes};
    if (host)
        row.host_id = *host;
    else
        row.user_id = f.user;
    struct api_key key;
    struct api_key_row kept;
    assert_ok(api_key_create(f.db, &row, f.arena, &key, &kept));
    (void)str_copy(out, API_KEY_BYTES, key.text);
}

static const char *time_text(int64_t seconds_ago)
{
    static char text[TIME_TEXT_BYTES];
    time_format_us((clock_wall_us() / 1000000 - seconds_ago) * 1000000, text);
    return text;
}

static char *body_at(const char *agent, const char *time, double value)
{
    return arena_printf(f.arena,
                        "{\"agent_id\":\"%s\",\"time\":\"%s\",\"metrics\":["
                        "{\"metric_type\":\"cpu\",\"metric_name\":\"usage_percent\",\"value\":%f,"
                        "\"tags\":{}},"
                        "{\"metric_type\":\"memory\",\"metric_name\":\"usage_percent\","
                        "\"value\":45.5,\"tags\":{\"b\":\"2\",\"a\":\"1\"}}],"
                        "\"disk\":[{\"device\":\"/dev/sda1\",\"mount_point\":\"/\","
                        "\"filesystem\":\"ext4\",\"total_bytes\":206900281344,"
                        "\"usage_percent\":18.15}],"
                        "\"network\":[{\"interface\":\"eth0\",\"bytes_sent\":1382943312,"
                        "\"is_up\":true}],"
                        "\"processes\":[{\"pid\":603576,\"name\":\"node\",\"cmdline\":\"\","
                        "\"cpu_percent\":144.19}]}",
                        agent, time, value);
}

#define COUNT(table) kit_sql_i64(f.db, "SELECT count(*) FROM " table)

static bool is_drained(void)
{
    int64_t left = 0;
    for (int i = 0; i < INGEST_SHARDS; i++) {
        char key[STREAM_KEY_BYTES];
        stream_key(i, key);
        AUTO_REPLY reply = NULL;
        if (redis_do(f.redis, &reply, "XLEN", key) != ST_OK)
            return false;
        left += reply->integer;
    }
    return left == 0;
}

static int set_up(void **state)
{
    f.conninfo = kit_database();
    f.redis_url = kit_redis();
    f.db = kit_db_open(f.conninfo);
    f.redis = kit_redis_open(f.redis_url);
    f.arena = arena_new(ARENA_BYTES);
    f.org = kit_organisation(f.db);
    f.user = kit_user(f.db, &f.org);
    new_key(NULL, SCOPE_BIT(SCOPE_METRICS_WRITE), f.key);
    f.d = start(NULL);
    return 0;
}

static int tear_down(void **state)
{
    stop(&f.d);
    arena_free(f.arena);
    redis_free(f.redis);
    db_free(f.db);
    return 0;
}

/* Each case begins with empty tables and streams and its daemon running. */
static int before_each(void **state)
{
    assert_true(kit_wait(is_drained(), WAIT_MS));
    kit_sql(f.db, "TRUNCATE scrapes, disk_samples, network_samples, process_samples");
    arena_reset(f.arena);
    return 0;
}

/* --- cases --- */

static void a_post_becomes_rows(void **state)
{
    const char *time = time_text(5);
    assert_int_equal(post(body_at("server-001", time, 39.37), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1, WAIT_MS));

    struct host host;
    assert_ok(host_find(f.db, f.arena, &f.org, "server-001", &host));
    assert_string_equal(host.connectivity, "online");
    assert_true(host.last_metrics_at > 0);
    const struct metrics_query q = {
        .host_id = host.id, .newest_us = host.last_metrics_at, .limit = 10};
    struct metric_sample *samples = NULL;
    size_t count = 0;
    assert_ok(metrics_latest(f.db, f.arena, &q, &samples, &count));
    assert_int_equal(count, 2);
    assert_string_equal(samples[0].metric_type, "cpu");
    assert_true(samples[0].value > 39.36 && samples[0].value < 39.38);
    assert_string_equal(samples[1].tags, "{\"a\": \"1\", \"b\": \"2\"}");
    assert_int_equal(kit_sql_i64(f.db, "SELECT total_bytes FROM disk_samples"), 206900281344);
    assert_int_equal(kit_sql_i64(f.db, "SELECT inodes_total IS NULL::int FROM disk_samples"), 1);
    assert_int_equal(kit_sql_i64(f.db, "SELECT bytes_sent FROM network_samples WHERE is_up"),
                     1382943312);
}

static void a_repeat_changes_nothing(void **state)
{
    const char *body = body_at("server-001", time_text(4), 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(post(body, 202), 5);
    assert_true(kit_wait(is_drained(), WAIT_MS));
    assert_int_equal(COUNT("scrapes"), 1);
    assert_int_equal(COUNT("disk_samples"), 1);
    assert_int_equal(COUNT("network_samples"), 1);
    assert_int_equal(COUNT("process_samples"), 1);
}

/* One hundred objects of two agents in one gzip body, each an instant of its own. */
static void a_backlog_is_taken_at_once(void **state)
{
    AUTO_BUF text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 100; i++) {
        char *one = body_at(i % 2 ? "server-001" : "Web.Example.com", time_text(3600 + i), i);
        buf_printf(&text, "%c%s", i ? ',' : '[', one);
    }
    buf_char(&text, ']');
    assert_int_equal(post(buf_cstr(&text), 202), 500);
    assert_true(kit_wait(COUNT("process_samples") == 100, WAIT_MS));
    assert_int_equal(COUNT("scrapes"), 100);
    assert_int_equal(kit_sql_i64(f.db, "SELECT count(*) FROM hosts WHERE slug = 'web-example-com' "
                                       "AND name = 'Web.Example.com'"),
                     1);
    /* Whatever the order and the times, a host has one layout for these two series. */
    assert_int_equal(COUNT("layouts"), 2);
}

static void old_samples_make_their_partition(void **state)
{
    assert_int_equal(post(body_at("server-001", time_text(20 * 86400), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1 && COUNT("scrapes") == 1, WAIT_MS));
    /* What retention drops is made again for the next late sample. */
    kit_sql(f.db,
            "SELECT partition_drop_before(t, now() - interval '10 days') FROM "
            "unnest(ARRAY['scrapes', 'disk_samples', 'network_samples', 'process_samples']) t");
    assert_int_equal(COUNT("scrapes"), 0);
    assert_int_equal(post(body_at("server-001", time_text(20 * 86400), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1 && COUNT("scrapes") == 1, WAIT_MS));
}

static void crash_case(const char *point)
{
    stop(&f.d);
    f.d = start(point);
    int64_t before = COUNT("scrapes");
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    const char *body = body_at("server-001", time_text(100), 7);
    long status = post_key(f.key, body, &reply);
    assert_true(status == 202 || status == 0); /* 0: it died before it could say so */
    int end = 0;
    assert_true(kit_wait(waitpid(f.d.pid, &end, WNOHANG) == f.d.pid, WAIT_MS));
    assert_true(WIFSIGNALED(end));
    f.d = start(NULL);
    assert_true(kit_wait(is_drained() && COUNT("scrapes") == before + 1, WAIT_MS));
    assert_int_equal(COUNT("process_samples"), before + 1);
}

static void a_crash_loses_nothing_and_doubles_nothing(void **state)
{
    static const char *const points[] = {"ingest.after_xadd", "ingest.after_copy",
                                         "ingest.before_commit", "ingest.after_commit"};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        kit_sql(f.db, "TRUNCATE scrapes, disk_samples, network_samples, process_samples");
        crash_case(points[i]);
    }
}

static void it_goes_on_after_a_flush(void **state)
{
    assert_int_equal(post(body_at("server-001", time_text(50), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1, WAIT_MS));
    assert_ok(redis_do(f.redis, NULL, "FLUSHDB"));
    assert_int_equal(post(body_at("server-001", time_text(49), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 2, WAIT_MS));
}

/* As after a flush while the clock is behind: ids below the mark. */
static void a_mark_ahead_of_the_stream_is_given_up(void **state)
{
    assert_ok(redis_do(f.redis, NULL, "FLUSHDB"));
    kit_sql(f.db, "UPDATE ingest_marks SET entry_id = '99999999999999-0'");
    assert_int_equal(post(body_at("server-001", time_text(48), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1 && COUNT("scrapes") == 1, WAIT_MS));
    assert_true(kit_wait(is_drained(), WAIT_MS));
}

static void bad_entries_are_put_aside(void **state)
{
    struct rargs a;
    rargs_init(&a, "XADD");
    rargs_str(&a, "{m:2}:metrics");
    rargs_str(&a, "*");
    rargs_str(&a, "f");
    rargs_bytes(&a, "TM\001rubbish", 10);
    assert_ok(redis_call(f.redis, &a, NULL));
    assert_ok(redis_do(f.redis, NULL, "XADD", "{m:2}:metrics", "*", "other", "field"));
    assert_true(kit_wait(is_drained(), WAIT_MS));
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(f.redis, &reply, "XLEN", "{m:2}:dead"));
    assert_int_equal(reply->integer, 2);
    assert_int_equal(post(body_at("server-001", time_text(47), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1, WAIT_MS));
}

static void two_writers_store_once(void **state)
{
    struct daemon_run second = start(NULL);
    struct daemon_run first = f.d;
    for (int i = 0; i < 60; i++) {
        f.d = i % 2 ? first : second;
        char *agent = arena_printf(f.arena, "server-%03d", i % 7);
        assert_int_equal(post(body_at(agent, time_text(1000 + i), i), 202), 5);
    }
    f.d = first;
    assert_true(kit_wait(is_drained(), WAIT_MS));
    assert_int_equal(COUNT("scrapes"), 60);
    assert_int_equal(COUNT("process_samples"), 60);
    stop(&second);
}

static void keys_decide_who_may_write_what(void **state)
{
    struct host host;
    const struct host_fields fields = {.name = "Bound"};
    assert_ok(host_create(f.db, f.arena, &f.org, &fields, &host));
    char bound[API_KEY_BYTES], reader[API_KEY_BYTES];
    new_key(&host.id, SCOPE_BIT(SCOPE_METRICS_WRITE), bound);
    new_key(NULL, SCOPE_BIT(SCOPE_METRICS_READ), reader);
    const char *sample = "\"metrics\":[{\"metric_type\":\"a\",\"metric_name\":\"b\",\"value\":1}]}";
    const struct {
        const char *key, *agent;
        long want;
    } cases[] = {
        {NULL, "\"agent_id\":\"x\",", 401},
        {"tocsin_AAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "\"agent_id\":\"x\",", 401},
        {"rubbish", "\"agent_id\":\"x\",", 401},
        {reader, "\"agent_id\":\"x\",", 403},
        {bound, "", 202},
        {bound, "\"agent_id\":\"bound\",", 202},
        {bound, "\"agent_id\":\"server-001\",", 403},
        {bound, "\"agent_id\":\"never-seen\",", 403},
        {f.key, "\"agent_id\":\"bound\",", 202},
        {f.key, "", 422},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF reply;
        buf_init(&reply, 1 << 20);
        char *body = arena_printf(f.arena, "{%s%s", cases[i].agent, sample);
        long got = post_key(cases[i].key, body, &reply);
        if (got != cases[i].want)
            fail_msg("case %zu: %ld: %s", i, got, buf_cstr(&reply));
    }
    assert_int_equal(kit_sql_i64(f.db, "SELECT count(*) FROM hosts WHERE slug = 'never-seen'"), 0);
}

static void hostile_bodies_are_refused(void **state)
{
    static const struct {
        const char *body;
        long want;
    } cases[] = {
        {"", 400},
        {"{", 400},
        {"nonsense", 400},
        {"7", 400},
        {"null", 400},
        {"\"text\"", 400},
        {"{\"a\":1,\"a\":2}", 400},
        {"{\"agent_id\":\"x\",\"metrics\":[{\"metric_type\":\"a\",\"metric_name\":\"b\","
         "\"value\":NaN}]}",
         400},
        {"{\"agent_id\":\"x\\u0000\",\"metrics\":[]}", 400},
        {"[]", 422},
        {"{}", 422},
        {"[[]]", 422},
        {"[1,2]", 422},
        {"{\"agent_id\":7,\"metrics\":[]}", 422},
        {"{\"agent_id\":\"\",\"metrics\":[]}", 422},
        {"{\"agent_id\":\"x\",\"metrics\":{}}", 422},
        {"{\"agent_id\":\"x\",\"time\":\"yesterday\",\"metrics\":[]}", 422},
        {"{\"agent_id\":\"x\",\"time\":\"2001-01-01T00:00:00Z\",\"metrics\":[{}]}", 422},
        {"{\"agent_id\":\"x\",\"disk\":[{\"device\":\"\"}]}", 422},
        {"{\"agent_id\":\"x\",\"processes\":[{\"pid\":-1,\"name\":\"n\"}]}", 422},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        (void)post(cases[i].body, cases[i].want);

    AUTO_BUF deep;
    buf_init(&deep, 4 << 20);
    for (int i = 0; i < 100000; i++)
        buf_char(&deep, '[');
    (void)post(buf_cstr(&deep), 413);
    buf_reset(&deep);
    buf_str(&deep, "{\"agent_id\":\"x\",\"metrics\":[");
    for (int i = 0; i < 20001; i++)
        buf_str(&deep, i ? ",1" : "1");
    buf_str(&deep, "]}");
    (void)post(buf_cstr(&deep), 413);
    assert_int_equal(get_status(f.d.port, "/readyz"), 200);
    assert_int_equal(kit_sql_i64(f.db, "SELECT count(*) FROM hosts WHERE slug = 'x'"), 0);
}

static void good_samples_are_kept_beside_bad_ones(void **state)
{
    const char *body =
        "{\"agent_id\":\"server-001\",\"metrics\":["
        "{\"metric_type\":\"a\",\"metric_name\":\"b\",\"value\":1},"
        "{\"metric_type\":\"a\",\"metric_name\":\"b\",\"value\":2},"
        "{\"metric_type\":\"a\",\"metric_name\":\"c\"},"
        "{\"metric_type\":\"a\",\"metric_name\":\"d\",\"value\":\"high\"},"
        "{\"metric_type\":\"a\",\"metric_name\":\"e\",\"value\":3,\"time\":\"2031-01-01\"}],"
        "\"processes\":[{\"pid\":1,\"name\":\"a\"},{\"pid\":1,\"name\":\"b\"}]}";
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    assert_int_equal(post_key(f.key, body, &reply), 202);
    AUTO_JSON json = NULL;
    assert_ok(json_parse(buf_cstr(&reply), reply.len, &json, NULL));
    assert_int_equal(json_integer_value(json_object_get(json, "accepted")), 2);
    assert_int_equal(json_integer_value(json_object_get(json, "rejected")), 5);
    json_t *errors = json_object_get(json, "errors");
    assert_int_equal(json_array_size(errors), 5);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(errors, 0), "index")), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(errors, 0), "reason")),
                        "field required");
    assert_true(kit_wait(COUNT("scrapes") == 1 && COUNT("process_samples") == 1, WAIT_MS));
}

/* A series beyond the limit is named and dropped; those that are known go on. */
static void only_new_series_are_dropped_at_the_limit(void **state)
{
    assert_int_equal(post(body_at("full", time_text(30), 1), 202), 5);
    kit_sql(f.db,
            "INSERT INTO series (host_id, metric_type, metric_name) SELECT h.id, 'x', n::text "
            "FROM hosts h, generate_series(1, %d) n WHERE h.slug = 'full'",
            LIMIT_SERIES_PER_HOST - 2);
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    assert_int_equal(
        post_key(
            f.key,
            "{\"agent_id\":\"full\",\"metrics\":[{\"metric_type\":\"cpu\",\"metric_name\":"
            "\"usage_percent\",\"value\":1},{\"metric_type\":\"novel\",\"metric_name\":\"one\","
            "\"value\":1}]}",
            &reply),
        202);
    assert_non_null(strstr(buf_cstr(&reply), "novel.one"));
    assert_non_null(strstr(buf_cstr(&reply), "\"accepted\":1,\"rejected\":1"));
    assert_true(kit_wait(COUNT("scrapes") == 2, WAIT_MS));
}

static void a_deleted_host_is_noticed(void **state)
{
    assert_int_equal(post(body_at("doomed", time_text(20), 1), 202), 5);
    assert_true(kit_wait(is_drained(), WAIT_MS));
    kit_sql(f.db, "DELETE FROM hosts WHERE slug = 'doomed'");
    /* A new series meets the missing host at once; then the next try registers it anew. */
    const char *body = "{\"agent_id\":\"doomed\",\"metrics\":[{\"metric_type\":\"a\","
                       "\"metric_name\":\"new\",\"value\":1}]}";
    (void)post(body, 503);
    assert_int_equal(post(body, 202), 1);
    assert_true(kit_wait(COUNT("scrapes") >= 1, WAIT_MS));
}

/* Without PostgreSQL a key cannot be checked; with it back the same daemon goes on. */
static void without_postgresql_it_says_so(void **state)
{
    char *name = kit_sql_text(f.db, "SELECT current_database()");
    struct db *other = kit_db_open(getenv("TOCSIN_TEST_DATABASE_URL"));
    kit_sql(other, "ALTER DATABASE %s ALLOW_CONNECTIONS false", name);
    kit_sql(other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'",
            name);
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    char key[API_KEY_BYTES];
    struct api_key unknown;
    api_key_new(&unknown);
    (void)str_copy(key, sizeof(key), unknown.text);
    assert_int_equal(post_key(key, "{\"agent_id\":\"x\",\"metrics\":[]}", &reply), 503);
    assert_true(kit_wait(get_status(f.d.port, "/readyz") == 503, WAIT_MS));
    assert_int_equal(get_status(f.d.port, "/livez"), 200);

    kit_sql(other, "ALTER DATABASE %s ALLOW_CONNECTIONS true", name);
    assert_true(kit_wait(get_status(f.d.port, "/readyz") == 200, WAIT_MS));
    db_free(other);
    free(name);
    db_free(f.db);
    f.db = kit_db_open(f.conninfo);
    /* Each handler's own connection is found broken by the request that meets it: senders repeat.
     */
    const char *body = body_at("server-001", time_text(46), 1);
    assert_true(kit_wait(try_post(f.key, body) == 202, WAIT_MS));
    assert_true(kit_wait(COUNT("process_samples") == 1, WAIT_MS));
}

static void metrics_tell_what_happened(void **state)
{
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    assert_int_equal(ask(f.d.port, "/metrics", NULL, NULL, 0, false, &reply), 200);
    static const char *const names[] = {"tocsin_ingest_samples_total{outcome=\"accepted\"} ",
                                        "tocsin_ingest_samples_total{outcome=\"rejected\"} ",
                                        "tocsin_ingest_stream_length{shard=\"3\"} ",
                                        "tocsin_ingest_writer_lag_ms ",
                                        "tocsin_ingest_batch_rows "};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!strstr(buf_cstr(&reply), names[i]))
            fail_msg("%s is absent", names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_post_becomes_rows, before_each),
        cmocka_unit_test_setup(a_repeat_changes_nothing, before_each),
        cmocka_unit_test_setup(a_backlog_is_taken_at_once, before_each),
        cmocka_unit_test_setup(old_samples_make_their_partition, before_each),
        cmocka_unit_test_setup(a_crash_loses_nothing_and_doubles_nothing, before_each),
        cmocka_unit_test_setup(it_goes_on_after_a_flush, before_each),
        cmocka_unit_test_setup(a_mark_ahead_of_the_stream_is_given_up, before_each),
        cmocka_unit_test_setup(bad_entries_are_put_aside, before_each),
        cmocka_unit_test_setup(two_writers_store_once, before_each),
        cmocka_unit_test_setup(keys_decide_who_may_write_what, before_each),
        cmocka_unit_test_setup(hostile_bodies_are_refused, before_each),
        cmocka_unit_test_setup(good_samples_are_kept_beside_bad_ones, before_each),
        cmocka_unit_test_setup(only_new_series_are_dropped_at_the_limit, before_each),
        cmocka_unit_test_setup(a_deleted_host_is_noticed, before_each),
        cmocka_unit_test_setup(without_postgresql_it_says_so, before_each),
        cmocka_unit_test_setup(metrics_tell_what_happened, before_each),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
