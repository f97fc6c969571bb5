/* Mails from an outbox row to its record, and notifiers that are killed and taken over. */
#include "tests/integration/services/notifier/fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "tests/kit/hook_peer.h"
#include "tests/kit/smtp_peer.h"

static struct uuid add_email(const char *to)
{
    return fx_add_channel("email", json_pack("{s:[s], s:s}", "to", to, "subject_prefix", "[x] "));
}

static void test_email(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    char url[64];
    const struct smtp_script script = {.offers_starttls = true};
    struct smtp_peer *p = smtp_peer_start(&script);
    (void)snprintf(url, sizeof(url), "smtp://localhost:%d", smtp_peer_port(p));
    struct instance *i = fx_start_with(url, smtp_peer_ca_file(p), 30000);
    const struct uuid channel = add_email("ann@example.org");
    const struct uuid id = fx_add_alert(&channel, "email", NULL);
    fx_must_become(&id, "delivered");
    assert_int_equal(smtp_peer_mails(p), 1);
    assert_true(smtp_peer_had_tls(p));
    assert_string_equal(smtp_peer_envelope(p), "tocsin@alerts.example > ann@example.org");
    const struct delivery_row row = fx_look(&id, arena);
    char key[DELIVERY_KEY_BYTES];
    char header[DELIVERY_KEY_BYTES + 64];
    delivery_key(&row, key);
    (void)snprintf(header, sizeof(header), "Message-ID: <%s@alerts.example>\r\n", key);
    assert_non_null(strstr(smtp_peer_text(p), header));
    assert_non_null(strstr(smtp_peer_text(p), "Subject: =?UTF-8?B?"));
    assert_int_equal(row.response_code, 250);

    const struct uuid refused = add_email("refused@example.org");
    const struct uuid refused_id = fx_add_alert(&refused, "email", NULL);
    fx_must_become(&refused_id, "failed");
    assert_non_null(strstr(fx_look(&refused_id, arena).last_error, "no such person"));

    const struct smtp_script busy = {.offers_starttls = true, .mail = "451 later, please"};
    smtp_peer_script(p, &busy);
    const struct uuid later = fx_add_alert(&channel, "email", NULL);
    assert_true(kit_wait(fx_look(&later, arena).attempts >= 1, SOON_MS));
    assert_non_null(strstr(fx_look(&later, arena).last_error, "later, please"));
    smtp_peer_script(p, &script);
    fx_must_become(&later, "delivered");
    fx_stop(i);
    smtp_peer_stop(p);
}

static void test_hanging_mail_server_and_shutdown(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    char url[64];
    const struct smtp_script script = {.greeting = "hang"};
    struct smtp_peer *p = smtp_peer_start(&script);
    (void)snprintf(url, sizeof(url), "smtp://localhost:%d?starttls=never", smtp_peer_port(p));
    struct instance *i = fx_start_with(url, "", SMTP_TIMEOUT_MS);
    const struct uuid channel = add_email("ann@example.org");
    const struct uuid id = fx_add_alert(&channel, "email", NULL);
    assert_true(kit_wait(fx_look(&id, arena).attempts >= 1, SOON_MS));
    assert_string_equal(fx_look(&id, arena).last_error, "the mail server took too long");
    fx_stop(i);
    /* Cut short while sending: given back untried. */
    const size_t before = smtp_peer_connections(p);
    i = fx_start_with(url, "", 60000);
    assert_true(kit_wait(smtp_peer_connections(p) > before, SOON_MS));
    const int64_t attempts = fx_look(&id, arena).attempts;
    const int64_t from = kit_real_mono_ms();
    fx_stop_within(i, 100);
    assert_true(kit_real_mono_ms() - from < 30000); /* the mail would take a minute */
    assert_string_equal(fx_look(&id, arena).status, "pending");
    assert_int_equal(fx_look(&id, arena).attempts, attempts);
    assert_int_equal(kit_sql_i64(fx.db, "SELECT count(*) FROM outbox WHERE claimed_by IS NOT NULL"
                                        " AND status = 'pending'"),
                     0);
    kit_sql(fx.db, "DELETE FROM outbox WHERE id = '%s'", kit_id(&id));
    smtp_peer_stop(p);
}

static void test_no_mail_server(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct instance *i = fx_start();
    const struct uuid channel = add_email("ann@example.org");
    const struct uuid id = fx_add_alert(&channel, "email", NULL);
    fx_must_become(&id, "failed");
    const struct delivery_row row = fx_look(&id, arena);
    assert_string_equal(row.last_error, "no mail server is configured (TOCSIN_SMTP_URL)");
    assert_int_equal(row.attempts, 5);
    fx_stop(i);
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
    (void)setenv("TOCSIN_DATABASE_URL", fx.database, 1);
    (void)setenv("TOCSIN_REDIS_URL", fx.redis_url, 1);
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
        struct hook_peer *p = fx_receiver(200);
        const struct uuid channel = fx_add_webhook(hook_peer_url(p), 5);
        const struct uuid id = fx_add_alert(&channel, "webhook", NULL);
        const pid_t pid = run_daemon(rows[k].point);
        const int status = wait_end(pid);
        assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_true(fx_is_status(&id, "pending"));
        assert_int_equal(hook_peer_requests(p), rows[k].sent_before);

        struct instance *i = fx_start();
        fx_must_become(&id, "delivered");
        assert_int_equal(hook_peer_requests(p), rows[k].sent_before + 1);
        if (rows[k].sent_before > 0) {
            char first[256];
            (void)str_copy(first, sizeof(first), hook_peer_header(p, 0, "webhook-id"));
            assert_string_equal(hook_peer_header(p, 1, "webhook-id"), first);
        }
        fx_stop(i);
        hook_peer_stop(p);
    }
}

static void test_terminated_while_sending(void **state)
{
    const struct hook_answer slow = {.status = 200, .delay_ms = 700};
    struct hook_peer *p = hook_peer_start(&slow, 1);
    const struct uuid channel = fx_add_webhook(hook_peer_url(p), 5);
    const struct uuid id = fx_add_alert(&channel, "webhook", NULL);
    const pid_t pid = run_daemon("");
    assert_true(kit_wait(hook_peer_requests(p) == 1, SOON_MS));
    assert_int_equal(kill(pid, SIGTERM), 0);
    const int status = wait_end(pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(fx_is_status(&id, "delivered"));
    assert_int_equal(hook_peer_requests(p), 1);
    hook_peer_stop(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_email, fx_stop_left),
        cmocka_unit_test_teardown(test_hanging_mail_server_and_shutdown, fx_stop_left),
        cmocka_unit_test_teardown(test_no_mail_server, fx_stop_left),
        cmocka_unit_test_teardown(test_killed_and_taken_over, fx_stop_left),
        cmocka_unit_test_teardown(test_terminated_while_sending, fx_stop_left),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
