/* The daemon as a process, posts to it, and the cases' setting up. */
#include "tests/integration/services/ingest/fixture.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/scopes.h"
#include "base/str.h"
#include "json/parse.h"
#include "services/ingest/publish.h"

struct ingest_fixture fx;

/* --- the daemon --- */

static void exec_daemon(int port, const char *crash_at, const char *database_url)
{
    char text[16], path[512], log[512];
    (void)snprintf(text, sizeof(text), "%d", port);
    (void)snprintf(path, sizeof(path), "%s/tocsin-ingest", getenv("TOCSIN_TEST_BIN"));
    (void)snprintf(log, sizeof(log), "%s/ingest.log", kit_dir());
    (void)setenv("TOCSIN_DATABASE_URL", database_url, 1);
    (void)setenv("TOCSIN_REDIS_URL", fx.redis_url, 1);
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

long fx_ask(int port, const char *path, const char *key, const void *body, size_t len, bool is_gzip,
            struct buf *reply)
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
    (void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 60000L);
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

long fx_get_status(int port, const char *path)
{
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    return fx_ask(port, path, NULL, NULL, 0, false, &reply);
}

static struct daemon_run start_with(const char *crash_at, const char *database_url)
{
    struct daemon_run d = {.port = kit_port()};
    d.pid = fork();
    if (d.pid == 0)
        exec_daemon(d.port, crash_at, database_url);
    assert_true(d.pid > 0);
    assert_true(kit_wait(fx_get_status(d.port, "/livez") == 200, WAIT_MS));
    return d;
}

struct daemon_run fx_start(const char *crash_at)
{
    struct daemon_run d = start_with(crash_at, fx.conninfo);
    /* A writer that is to crash may be gone before it was ever seen ready. */
    if (!crash_at)
        assert_true(kit_wait(fx_get_status(d.port, "/readyz") == 200, WAIT_MS));
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

void fx_stop(struct daemon_run *d)
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

long fx_post_key(const char *key, const char *body, struct buf *reply)
{
    return fx_ask(fx.d.port, "/api/v1/ingest/metrics", key, body, strlen(body), false, reply);
}

int64_t fx_post(const char *body, long want)
{
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    long got = fx_post_key(fx.key, body, &reply);
    if (got != want)
        fail_msg("%ld, not %ld: %s\n%s", got, want, body, buf_cstr(&reply));
    AUTO_JSON json = NULL;
    if (json_parse(buf_cstr(&reply), reply.len, &json, NULL) != ST_OK)
        return -1;
    json_t *accepted = json_object_get(json, "accepted");
    return accepted ? json_integer_value(accepted) : -1;
}

void fx_new_key(const struct uuid *host, uint64_t scopes, char out[API_KEY_BYTES])
{
    struct api_key_new_row row = {.org_id = fx.org, .name = "test", .scopes = scopes};
    if (host)
        row.host_id = *host;
    else
        row.user_id = fx.user;
    struct api_key key;
    struct api_key_row kept;
    assert_ok(api_key_create(fx.db, &row, fx.arena, &key, &kept));
    (void)str_copy(out, API_KEY_BYTES, key.text);
}

const char *fx_time_text(int64_t seconds_ago)
{
    static char text[TIME_TEXT_BYTES];
    time_format_us((clock_wall_us() / 1000000 - seconds_ago) * 1000000, text);
    return text;
}

char *fx_body_at(const char *agent, const char *time, double value)
{
    return arena_printf(fx.arena,
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

bool fx_is_drained(void)
{
    int64_t left = 0;
    for (int i = 0; i < INGEST_SHARDS; i++) {
        char key[STREAM_KEY_BYTES];
        stream_key(i, key);
        AUTO_REPLY reply = NULL;
        if (redis_do(fx.redis, &reply, "XLEN", key) != ST_OK)
            return false;
        left += reply->integer;
    }
    return left == 0;
}

int fx_set_up(void **state)
{
    fx.conninfo = kit_database();
    fx.redis_url = kit_redis();
    fx.db = kit_db_open(fx.conninfo);
    fx.redis = kit_redis_open(fx.redis_url);
    fx.arena = arena_new(ARENA_BYTES);
    fx.org = kit_organisation(fx.db);
    fx.user = kit_user(fx.db, &fx.org);
    fx_new_key(NULL, SCOPE_BIT(SCOPE_METRICS_WRITE), fx.key);
    fx.d = fx_start(NULL);
    return 0;
}

int fx_tear_down(void **state)
{
    fx_stop(&fx.d);
    arena_free(fx.arena);
    redis_free(fx.redis);
    db_free(fx.db);
    return 0;
}

int fx_before_each(void **state)
{
    assert_true(kit_wait(fx_is_drained(), WAIT_MS));
    kit_sql(fx.db, "TRUNCATE scrapes, disk_samples, network_samples, process_samples");
    arena_reset(fx.arena);
    return 0;
}
