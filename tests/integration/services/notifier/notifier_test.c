/* The notifier in front of real stores: webhooks and mails from an outbox row to its record. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/seal_json.h"
#include "base/str.h"
#include "channels/channel.h"
#include "json/parse.h"
#include "json/secrets.h"
#include "queue/check_jobs.h"
#include "services/notifier/notifier.h"
#include "store/channels.h"
#include "tests/kit/hook_peer.h"
#include "tests/kit/kit.h"
#include "tests/kit/smtp_peer.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define RAW "0123456789abcdef0123456789abcdef"
#define SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
enum { SOON_MS = 10000, SMTP_TIMEOUT_MS = 1500 };

static const char *database, *redis_url;
static struct db *db;
static struct redis *redis;
static struct uuid org;
static int counter;

/* A notifier of our own, in this process: its metrics register once, so there is one at a time and
 * each test starts it anew with other settings. */
struct instance {
    struct conf conf;
    struct notifier n;
};

static void set_text(char **field, const char *text)
{
    free(*field);
    assert_ok(str_dup(text, field));
}

static struct instance *running;

static struct instance *start_with(const char *smtp_url, const char *ca_file,
                                   int64_t smtp_timeout_ms)
{
    struct instance *i = calloc(1, sizeof(*i));
    assert_non_null(i);
    assert_ok(conf_load(NULL, &i->conf, NULL));
    set_text(&i->conf.database_url, database);
    set_text(&i->conf.redis_url, redis_url);
    set_text(&i->conf.secret_key, KEY);
    set_text(&i->conf.egress_allow, "127.0.0.0/8");
    set_text(&i->conf.notify_retry, "100ms,200ms");
    set_text(&i->conf.smtp_url, smtp_url);
    set_text(&i->conf.smtp_ca_file, ca_file);
    set_text(&i->conf.smtp_from, "Tocsin <tocsin@alerts.example>");
    i->conf.worker_lease = 1500;
    i->conf.smtp_timeout = smtp_timeout_ms;
    i->n.conf = &i->conf;
    struct errbuf err = {0};
    if (notifier_start(&i->n, &err) != ST_OK)
        fail_msg("the notifier did not start: %s", err.text);
    running = i;
    return i;
}

static struct instance *start(void)
{
    return start_with("", "", SMTP_TIMEOUT_MS);
}

/* The instance stays, for the process's metrics point to it; what is big in it is gone. */
static struct instance *stopped[64];
static void stop(struct instance *i)
{
    running = NULL;
    notifier_stop(&i->n, 2000);
    conf_done(&i->conf);
    stopped[counter++ % 64] = i;
}

static int setup(void **state)
{
    (void)signal(SIGPIPE, SIG_IGN);
    database = kit_database();
    redis_url = kit_redis();
    db = kit_db_open(database);
    redis = kit_redis_open(redis_url);
    org = kit_organisation(db);
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    redis_free(redis);
    return 0;
}

/* What a failed test left running would take the next one's deliveries. */
static int stop_left(void **state)
{
    if (running)
        stop(running);
    kit_sql(db, "DELETE FROM outbox");
    return 0;
}

static const char *text_of(const struct uuid *id)
{
    static char out[8][UUID_TEXT_BYTES];
    static int next;
    next = (next + 1) % 8;
    uuid_format(id, out[next]);
    return out[next];
}

static struct uuid add_channel(const char *type, json_t *config)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    AUTO_JSON open = NULL;
    AUTO_JSON secret = NULL;
    struct seal_keys *keys = NULL;
    char name[32];
    (void)snprintf(name, sizeof(name), "channel %d", ++counter);
    struct channel c = {
        .id = uuid_new(), .org_id = org, .name = name, .type = type, .enabled = true};
    assert_ok(seal_keys_new(KEY, &keys, NULL));
    assert_ok(secrets_split(channel_type_find(type)->config, config, &open, &secret));
    const struct seal_place place = channel_seal_place(&c.id);
    assert_ok(seal_json_close(keys, &place, secret, arena, &c.sealed, &c.sealed_len));
    AUTO_FREE char *text = json_dumps(open, 0);
    c.config = text;
    assert_ok(channels_insert(db, arena, &c));
    seal_keys_free(keys);
    json_decref(config);
    return c.id;
}

static struct uuid add_webhook(const char *url, double timeout_s)
{
    return add_channel("webhook",
                       json_pack("{s:s, s:s, s:f, s:{s:s}}", "url", url, "secret", SECRET,
                                 "timeout", timeout_s, "headers", "X-Team", "web"));
}

static void wake(void)
{
    assert_ok(redis_do(redis, NULL, "PUBLISH", OUTBOX_WAKE_CHANNEL, "1"));
}

/* An alert about an incident through a channel, or to a URL. */
static struct uuid add_alert(const struct uuid *channel, const char *type, const char *target)
{
    const struct uuid id = uuid_new();
    const struct uuid incident = uuid_new();
    kit_sql(
        db,
        "INSERT INTO outbox (id, org_id, event, incident_id, sequence, channel_id, channel_type,"
        " target, payload) VALUES ('%s', '%s', 'check.down', '%s', 1, nullif('%s', '')::uuid,"
        " '%s', nullif('%s', ''), '{\"check_name\":\"Gr\xc3\xbc\xc3\x9f"
        "e\",\"message\":\"refused\",\"state\":\"down\"}')",
        text_of(&id), text_of(&org), text_of(&incident), channel ? text_of(channel) : "", type,
        target ? target : "");
    wake();
    return id;
}

static struct delivery_row look(const struct uuid *id, struct arena *arena)
{
    struct delivery_row row;
    assert_ok(outbox_get(db, arena, &org, id, &row));
    return row;
}

static bool is_status(const struct uuid *id, const char *status)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    return str_eq(look(id, arena).status, status);
}

static void must_become(const struct uuid *id, const char *status)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    if (kit_wait(is_status(id, status), SOON_MS))
        return;
    const struct delivery_row row = look(id, arena);
    fail_msg("is %s after %d attempts, not %s: %s", row.status, (int)row.attempts, status,
             row.last_error ? row.last_error : "");
}

static struct hook_peer *receiver(int status)
{
    const struct hook_answer answer = {.status = status};
    return hook_peer_start(&answer, 1);
}

/* Standard Webhooks, checked with another library than the one that signs. */
static void must_be_signed(struct hook_peer *p, size_t index)
{
    char text[16384];
    char id[256];
    char stamp[64];
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned char base64[128];
    unsigned len = 0;
    (void)str_copy(id, sizeof(id), hook_peer_header(p, index, "webhook-id"));
    (void)str_copy(stamp, sizeof(stamp), hook_peer_header(p, index, "webhook-timestamp"));
    const int n = snprintf(text, sizeof(text), "%s.%s.%s", id, stamp, hook_peer_body(p, index));
    assert_non_null(
        HMAC(EVP_sha256(), RAW, (int)strlen(RAW), (unsigned char *)text, (size_t)n, mac, &len));
    (void)EVP_EncodeBlock(base64, mac, (int)len);
    char want[160];
    (void)snprintf(want, sizeof(want), "v1,%s", (const char *)base64);
    assert_string_equal(hook_peer_header(p, index, "webhook-signature"), want);
    const long long now = (long long)(clock_wall_ms() / 1000);
    assert_true(llabs(strtoll(stamp, NULL, 10) - now) < 60);
}

static void test_webhook(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct hook_peer *p = receiver(204);
    struct instance *i = start();
    const struct uuid channel = add_webhook(hook_peer_url(p), 5);
    const struct uuid id = add_alert(&channel, "webhook", NULL);
    must_become(&id, "delivered");
    assert_int_equal(hook_peer_requests(p), 1);
    must_be_signed(p, 0);
    assert_string_equal(hook_peer_header(p, 0, "Content-Type"), "application/json");
    assert_string_equal(hook_peer_header(p, 0, "X-Team"), "web");
    const struct delivery_row row = look(&id, arena);
    char key[DELIVERY_KEY_BYTES];
    char want[DELIVERY_KEY_BYTES + 8];
    delivery_key(&row, key);
    (void)snprintf(want, sizeof(want), "msg_%s", key);
    assert_string_equal(hook_peer_header(p, 0, "webhook-id"), want);
    assert_int_equal(row.attempts, 1);
    assert_int_equal(row.response_code, 204);
    assert_null(row.last_error);

    AUTO_JSON body = NULL;
    assert_ok(json_parse(hook_peer_body(p, 0), strlen(hook_peer_body(p, 0)), &body, NULL));
    assert_string_equal(json_string_value(json_object_get(body, "type")), "check.down");
    assert_true(json_is_string(json_object_get(body, "timestamp")));
    json_t *data = json_object_get(body, "data");
    assert_string_equal(json_string_value(json_object_get(data, "message")), "refused");
    stop(i);
    hook_peer_stop(p);
}

static void test_own_url_of_a_check(void **state)
{
    struct hook_peer *p = receiver(200);
    struct instance *i = start();
    const struct uuid id = add_alert(NULL, "webhook", hook_peer_url(p));
    must_become(&id, "delivered");
    assert_string_equal(hook_peer_header(p, 0, "webhook-signature"), "");
    assert_memory_equal(hook_peer_header(p, 0, "webhook-id"), "msg_", 4);
    stop(i);
    hook_peer_stop(p);
}

static void test_failures_are_tried_again(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    const struct hook_answer answers[] = {{.status = 500}, {.status = 404}, {.status = 200}};
    struct hook_peer *p = hook_peer_start(answers, ARRAY_LEN(answers));
    struct instance *i = start();
    const struct uuid channel = add_webhook(hook_peer_url(p), 5);
    const struct uuid id = add_alert(&channel, "webhook", NULL);
    must_become(&id, "delivered");
    assert_int_equal(hook_peer_requests(p), 3);
    char first[256];
    (void)str_copy(first, sizeof(first), hook_peer_header(p, 0, "webhook-id"));
    assert_string_equal(hook_peer_header(p, 2, "webhook-id"), first);
    assert_string_equal(hook_peer_body(p, 0), hook_peer_body(p, 2));
    must_be_signed(p, 2);
    assert_int_equal(look(&id, arena).attempts, 3);
    stop(i);
    hook_peer_stop(p);
}

static void test_retry_after_is_honoured(void **state)
{
    const struct hook_answer answers[] = {{.status = 429, .header = "Retry-After: 2"},
                                          {.status = 200}};
    struct hook_peer *p = hook_peer_start(answers, ARRAY_LEN(answers));
    struct instance *i = start();
    const struct uuid channel = add_webhook(hook_peer_url(p), 5);
    const struct uuid id = add_alert(&channel, "webhook", NULL);
    must_become(&id, "delivered");
    assert_true(hook_peer_at_ms(p, 1) - hook_peer_at_ms(p, 0) >= 1900);
    stop(i);
    hook_peer_stop(p);
}

static void test_gone_disables_the_channel(void **state)
{
    struct hook_peer *p = receiver(410);
    struct instance *i = start();
    const struct uuid channel = add_webhook(hook_peer_url(p), 5);
    const struct uuid id = add_alert(&channel, "webhook", NULL);
    must_become(&id, "failed");
    assert_int_equal(kit_sql_i64(db,
                                 "SELECT count(*) FROM channels WHERE id = '%s' AND NOT enabled"
                                 " AND disabled_reason LIKE '%%410%%'",
                                 text_of(&channel)),
                     1);
    const struct uuid next = add_alert(&channel, "webhook", NULL);
    must_become(&next, "cancelled");
    assert_int_equal(hook_peer_requests(p), 1);
    stop(i);
    hook_peer_stop(p);
}

static void test_attempts_end(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct hook_peer *p = receiver(302);
    struct instance *i = start();
    const struct uuid channel = add_webhook(hook_peer_url(p), 5);
    const struct uuid id = add_alert(&channel, "webhook", NULL);
    kit_sql(db, "UPDATE outbox SET attempts = %d WHERE id = '%s'", LIMIT_NOTIFY_ATTEMPTS - 1,
            text_of(&id));
    must_become(&id, "failed");
    const struct delivery_row row = look(&id, arena);
    assert_int_equal(row.response_code, 302);
    assert_non_null(strstr(row.last_error, "redirects are not followed"));
    /* By hand there is one more. */
    assert_ok(outbox_retry(db, arena, &org, &id));
    wake();
    assert_true(kit_wait(look(&id, arena).attempts > row.attempts, SOON_MS));
    assert_string_equal(look(&id, arena).status, "failed");
    stop(i);
    hook_peer_stop(p);
}

static void test_egress_is_guarded(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct instance *i = start();
    const struct uuid id = add_alert(NULL, "webhook", "http://169.254.169.254/latest/");
    must_become(&id, "failed");
    assert_non_null(strstr(look(&id, arena).last_error, "not allowed"));
    stop(i);
}

/* One endpoint that never answers, many alerts for it; another that works. */
static void test_a_dead_endpoint_holds_up_nobody(void **state)
{
    struct hook_peer *dead = receiver(HOOK_HANG);
    struct hook_peer *live = receiver(200);
    struct instance *i = start();
    const struct uuid slow = add_webhook(hook_peer_url(dead), 1);
    const struct uuid good = add_webhook(hook_peer_url(live), 5);
    for (int k = 0; k < 200; k++)
        (void)add_alert(&slow, "webhook", NULL);
    assert_true(kit_wait(hook_peer_requests(dead) > 0, SOON_MS));
    const int64_t from = kit_real_mono_ms();
    const struct uuid id = add_alert(&good, "webhook", NULL);
    must_become(&id, "delivered");
    assert_true(kit_real_mono_ms() - from < 3000);
    assert_true(hook_peer_requests(dead) <= 2 * LIMIT_NOTIFY_ENDPOINT);
    stop(i);
    kit_sql(db, "DELETE FROM channels WHERE id = '%s'", text_of(&slow));
    hook_peer_stop(dead);
    hook_peer_stop(live);
}

static void test_channel_test_is_announced(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct redis *listener = kit_redis_open(redis_url);
    struct hook_peer *p = receiver(500);
    struct instance *i = start();
    const struct uuid channel = add_webhook(hook_peer_url(p), 5);
    kit_sql(db, "UPDATE channels SET enabled = false WHERE id = '%s'", text_of(&channel));
    assert_ok(redis_subscribe(listener, CHECK_DONE_CHANNEL));
    const struct uuid id = uuid_new();
    assert_ok(
        outbox_insert_test(db, arena, &org, &channel, "webhook", "{\"message\":\"a test\"}", &id));
    wake();
    AUTO_REPLY message = NULL;
    assert_ok(redis_next(listener, SOON_MS, &message));
    const char *text = message->element[2]->str;
    assert_memory_equal(text, text_of(&id), UUID_TEXT_BYTES - 1);
    assert_non_null(strstr(text, "failed"));
    const struct delivery_row row = look(&id, arena);
    assert_string_equal(row.status, "failed"); /* a test is tried once */
    assert_int_equal(row.response_code, 500);
    assert_int_equal(hook_peer_requests(p), 1);
    stop(i);
    redis_free(listener);
    hook_peer_stop(p);
}

static struct uuid add_email(const char *to)
{
    return add_channel("email", json_pack("{s:[s], s:s}", "to", to, "subject_prefix", "[x] "));
}

static void test_email(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    char url[64];
    const struct smtp_script script = {.offers_starttls = true};
    struct smtp_peer *p = smtp_peer_start(&script);
    (void)snprintf(url, sizeof(url), "smtp://localhost:%d", smtp_peer_port(p));
    struct instance *i = start_with(url, smtp_peer_ca_file(p), SMTP_TIMEOUT_MS);
    const struct uuid channel = add_email("ann@example.org");
    const struct uuid id = add_alert(&channel, "email", NULL);
    must_become(&id, "delivered");
    assert_int_equal(smtp_peer_mails(p), 1);
    assert_true(smtp_peer_had_tls(p));
    assert_string_equal(smtp_peer_envelope(p), "tocsin@alerts.example > ann@example.org");
    const struct delivery_row row = look(&id, arena);
    char key[DELIVERY_KEY_BYTES];
    char header[DELIVERY_KEY_BYTES + 64];
    delivery_key(&row, key);
    (void)snprintf(header, sizeof(header), "Message-ID: <%s@alerts.example>\r\n", key);
    assert_non_null(strstr(smtp_peer_text(p), header));
    assert_non_null(strstr(smtp_peer_text(p), "Subject: =?UTF-8?B?"));
    assert_int_equal(row.response_code, 250);

    const struct uuid refused = add_email("refused@example.org");
    const struct uuid refused_id = add_alert(&refused, "email", NULL);
    must_become(&refused_id, "failed");
    assert_non_null(strstr(look(&refused_id, arena).last_error, "no such person"));

    const struct smtp_script busy = {.offers_starttls = true, .mail = "451 later, please"};
    smtp_peer_script(p, &busy);
    const struct uuid later = add_alert(&channel, "email", NULL);
    assert_true(kit_wait(look(&later, arena).attempts >= 1, SOON_MS));
    assert_non_null(strstr(look(&later, arena).last_error, "later, please"));
    smtp_peer_script(p, &script);
    must_become(&later, "delivered");
    stop(i);
    smtp_peer_stop(p);
}

static void test_hanging_mail_server_and_shutdown(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    char url[64];
    const struct smtp_script script = {.greeting = "hang"};
    struct smtp_peer *p = smtp_peer_start(&script);
    (void)snprintf(url, sizeof(url), "smtp://localhost:%d?starttls=never", smtp_peer_port(p));
    struct instance *i = start_with(url, "", SMTP_TIMEOUT_MS);
    const struct uuid channel = add_email("ann@example.org");
    const struct uuid id = add_alert(&channel, "email", NULL);
    assert_true(kit_wait(look(&id, arena).attempts >= 1, SOON_MS));
    assert_string_equal(look(&id, arena).last_error, "the mail server took too long");
    stop(i);
    /* Cut short while sending: given back untried. */
    const size_t before = smtp_peer_connections(p);
    i = start_with(url, "", 60000);
    assert_true(kit_wait(smtp_peer_connections(p) > before, SOON_MS));
    const int64_t attempts = look(&id, arena).attempts;
    const int64_t from = kit_real_mono_ms();
    running = NULL;
    notifier_stop(&i->n, 100);
    assert_true(kit_real_mono_ms() - from < 5000);
    assert_string_equal(look(&id, arena).status, "pending");
    assert_int_equal(look(&id, arena).attempts, attempts);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM outbox WHERE claimed_by IS NOT NULL"
                                     " AND status = 'pending'"),
                     0);
    kit_sql(db, "DELETE FROM outbox WHERE id = '%s'", text_of(&id));
    conf_done(&i->conf);
    stopped[counter++ % 64] = i;
    smtp_peer_stop(p);
}

static void test_no_mail_server(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct instance *i = start();
    const struct uuid channel = add_email("ann@example.org");
    const struct uuid id = add_alert(&channel, "email", NULL);
    must_become(&id, "failed");
    const struct delivery_row row = look(&id, arena);
    assert_string_equal(row.last_error, "no mail server is configured (TOCSIN_SMTP_URL)");
    assert_int_equal(row.attempts, 5);
    stop(i);
}

static pid_t run_daemon(const char *crash_at)
{
    const char *bin = getenv("TOCSIN_TEST_BIN");
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/tocsin-notifier", bin ? bin : "");
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    (void)setenv("TOCSIN_DATABASE_URL", database, 1);
    (void)setenv("TOCSIN_REDIS_URL", redis_url, 1);
    (void)setenv("TOCSIN_SECRET_KEY", KEY, 1);
    (void)setenv("TOCSIN_EGRESS_ALLOW", "127.0.0.0/8", 1);
    (void)setenv("TOCSIN_HEALTH_PORT", "0", 1);
    (void)setenv("TOCSIN_WORKER_LEASE", "1s", 1);
    (void)setenv("TOCSIN_NOTIFY_RETRY", "100ms", 1);
    (void)setenv("TOCSIN_CRASH_AT", crash_at, 1);
    (void)execl(path, path, (char *)NULL);
    _exit(127);
}

/* The exit status as waitpid tells it; the test fails when the daemon does not end in time. */
static int wait_end(pid_t pid)
{
    int status = 0;
    if (!kit_wait(waitpid(pid, &status, WNOHANG) == pid, SOON_MS)) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        fail_msg("the daemon did not end");
    }
    return status;
}

/* Killed at each point in turn, another notifier takes the claim over; what had been sent is sent
 * again under the same id. */
static void test_killed_and_taken_over(void **state)
{
    static const struct {
        const char *point;
        size_t sent_before;
    } rows[] = {
        {"notifier.after_claim", 0}, {"notifier.after_send", 1}, {"notifier.before_record", 1}};
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        struct hook_peer *p = receiver(200);
        const struct uuid channel = add_webhook(hook_peer_url(p), 5);
        const struct uuid id = add_alert(&channel, "webhook", NULL);
        const pid_t pid = run_daemon(rows[k].point);
        const int status = wait_end(pid);
        assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_true(is_status(&id, "pending"));
        assert_int_equal(hook_peer_requests(p), rows[k].sent_before);

        struct instance *i = start();
        must_become(&id, "delivered");
        assert_int_equal(hook_peer_requests(p), rows[k].sent_before + 1);
        if (rows[k].sent_before > 0) {
            char first[256];
            (void)str_copy(first, sizeof(first), hook_peer_header(p, 0, "webhook-id"));
            assert_string_equal(hook_peer_header(p, 1, "webhook-id"), first);
        }
        stop(i);
        hook_peer_stop(p);
    }
}

static void test_terminated_while_sending(void **state)
{
    const struct hook_answer slow = {.status = 200, .delay_ms = 700};
    struct hook_peer *p = hook_peer_start(&slow, 1);
    const struct uuid channel = add_webhook(hook_peer_url(p), 5);
    const struct uuid id = add_alert(&channel, "webhook", NULL);
    const pid_t pid = run_daemon("");
    assert_true(kit_wait(hook_peer_requests(p) == 1, SOON_MS));
    assert_int_equal(kill(pid, SIGTERM), 0);
    const int status = wait_end(pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(is_status(&id, "delivered"));
    assert_int_equal(hook_peer_requests(p), 1);
    hook_peer_stop(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_webhook, stop_left),
        cmocka_unit_test_teardown(test_own_url_of_a_check, stop_left),
        cmocka_unit_test_teardown(test_failures_are_tried_again, stop_left),
        cmocka_unit_test_teardown(test_retry_after_is_honoured, stop_left),
        cmocka_unit_test_teardown(test_gone_disables_the_channel, stop_left),
        cmocka_unit_test_teardown(test_attempts_end, stop_left),
        cmocka_unit_test_teardown(test_egress_is_guarded, stop_left),
        cmocka_unit_test_teardown(test_a_dead_endpoint_holds_up_nobody, stop_left),
        cmocka_unit_test_teardown(test_channel_test_is_announced, stop_left),
        cmocka_unit_test_teardown(test_email, stop_left),
        cmocka_unit_test_teardown(test_hanging_mail_server_and_shutdown, stop_left),
        cmocka_unit_test_teardown(test_no_mail_server, stop_left),
        cmocka_unit_test_teardown(test_killed_and_taken_over, stop_left),
        cmocka_unit_test_teardown(test_terminated_while_sending, stop_left),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
