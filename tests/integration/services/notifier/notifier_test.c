/* Webhooks from an outbox row to its record: signatures, retries, limits. */
#include "tests/integration/services/notifier/fixture.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "queue/check_jobs.h"
#include "tests/kit/hook_peer.h"

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
    struct hook_peer *p = fx_receiver(204);
    struct instance *i = fx_start();
    const struct uuid channel = fx_add_webhook(hook_peer_url(p), 5);
    const struct uuid id = fx_add_alert(&channel, "webhook", NULL);
    fx_must_become(&id, "delivered");
    assert_int_equal(hook_peer_requests(p), 1);
    must_be_signed(p, 0);
    assert_string_equal(hook_peer_header(p, 0, "Content-Type"), "application/json");
    assert_string_equal(hook_peer_header(p, 0, "X-Team"), "web");
    const struct delivery_row row = fx_look(&id, arena);
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
    fx_stop(i);
    hook_peer_stop(p);
}

static void test_own_url_of_a_check(void **state)
{
    struct hook_peer *p = fx_receiver(200);
    struct instance *i = fx_start();
    const struct uuid id = fx_add_alert(NULL, "webhook", hook_peer_url(p));
    fx_must_become(&id, "delivered");
    assert_string_equal(hook_peer_header(p, 0, "webhook-signature"), "");
    assert_memory_equal(hook_peer_header(p, 0, "webhook-id"), "msg_", 4);
    fx_stop(i);
    hook_peer_stop(p);
}

static void test_failures_are_tried_again(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    const struct hook_answer answers[] = {{.status = 500}, {.status = 404}, {.status = 200}};
    struct hook_peer *p = hook_peer_start(answers, ARRAY_LEN(answers));
    struct instance *i = fx_start();
    const struct uuid channel = fx_add_webhook(hook_peer_url(p), 5);
    const struct uuid id = fx_add_alert(&channel, "webhook", NULL);
    fx_must_become(&id, "delivered");
    assert_int_equal(hook_peer_requests(p), 3);
    char first[256];
    (void)str_copy(first, sizeof(first), hook_peer_header(p, 0, "webhook-id"));
    assert_string_equal(hook_peer_header(p, 2, "webhook-id"), first);
    assert_string_equal(hook_peer_body(p, 0), hook_peer_body(p, 2));
    must_be_signed(p, 2);
    assert_int_equal(fx_look(&id, arena).attempts, 3);
    fx_stop(i);
    hook_peer_stop(p);
}

static void test_retry_after_is_honoured(void **state)
{
    const struct hook_answer answers[] = {{.status = 429, .header = "Retry-After: 2"},
                                          {.status = 200}};
    struct hook_peer *p = hook_peer_start(answers, ARRAY_LEN(answers));
    struct instance *i = fx_start();
    const struct uuid channel = fx_add_webhook(hook_peer_url(p), 5);
    const struct uuid id = fx_add_alert(&channel, "webhook", NULL);
    fx_must_become(&id, "delivered");
    assert_true(hook_peer_at_ms(p, 1) - hook_peer_at_ms(p, 0) >= 1900);
    fx_stop(i);
    hook_peer_stop(p);
}

static void test_gone_disables_the_channel(void **state)
{
    struct hook_peer *p = fx_receiver(410);
    struct instance *i = fx_start();
    const struct uuid channel = fx_add_webhook(hook_peer_url(p), 5);
    const struct uuid id = fx_add_alert(&channel, "webhook", NULL);
    fx_must_become(&id, "failed");
    assert_int_equal(kit_sql_i64(fx.db,
                                 "SELECT count(*) FROM channels WHERE id = '%s' AND NOT enabled"
                                 " AND disabled_reason LIKE '%%410%%'",
                                 kit_id(&channel)),
                     1);
    const struct uuid next = fx_add_alert(&channel, "webhook", NULL);
    fx_must_become(&next, "cancelled");
    assert_int_equal(hook_peer_requests(p), 1);
    fx_stop(i);
    hook_peer_stop(p);
}

static void test_attempts_end(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct hook_peer *p = fx_receiver(302);
    struct instance *i = fx_start();
    const struct uuid channel = fx_add_webhook(hook_peer_url(p), 5);
    const struct uuid id = fx_add_alert(&channel, "webhook", NULL);
    kit_sql(fx.db, "UPDATE outbox SET attempts = %d WHERE id = '%s'", LIMIT_NOTIFY_ATTEMPTS - 1,
            kit_id(&id));
    fx_must_become(&id, "failed");
    const struct delivery_row row = fx_look(&id, arena);
    assert_int_equal(row.response_code, 302);
    assert_non_null(strstr(row.last_error, "redirects are not followed"));
    /* By hand there is one more. */
    assert_ok(outbox_retry(fx.db, arena, &fx.org, &id));
    fx_wake();
    assert_true(kit_wait(fx_look(&id, arena).attempts > row.attempts, SOON_MS));
    assert_string_equal(fx_look(&id, arena).status, "failed");
    fx_stop(i);
    hook_peer_stop(p);
}

static void test_egress_is_guarded(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct instance *i = fx_start();
    const struct uuid id = fx_add_alert(NULL, "webhook", "http://169.254.169.254/latest/");
    fx_must_become(&id, "failed");
    assert_non_null(strstr(fx_look(&id, arena).last_error, "not allowed"));
    fx_stop(i);
}

/* One endpoint that never answers, many alerts for it; another that works. */
static void test_a_dead_endpoint_holds_up_nobody(void **state)
{
    struct hook_peer *dead = fx_receiver(HOOK_HANG);
    struct hook_peer *live = fx_receiver(200);
    struct instance *i = fx_start();
    const struct uuid slow = fx_add_webhook(hook_peer_url(dead), 1);
    const struct uuid good = fx_add_webhook(hook_peer_url(live), 5);
    for (int k = 0; k < 200; k++)
        (void)fx_add_alert(&slow, "webhook", NULL);
    assert_true(kit_wait(hook_peer_requests(dead) > 0, SOON_MS));
    const int64_t from = kit_real_mono_ms();
    const struct uuid id = fx_add_alert(&good, "webhook", NULL);
    fx_must_become(&id, "delivered");
    /* One after the other the dead one's would take a minute, four at a time. */
    assert_true(kit_real_mono_ms() - from < 20000);
    /* Those of the first round, and one after each pause of a circuit that stays open. */
    const int64_t rounds = (kit_real_mono_ms() - from) / ENDPOINT_PAUSE_MS + 1;
    assert_true(hook_peer_requests(dead) <= 2 * LIMIT_NOTIFY_ENDPOINT + (size_t)rounds);
    fx_stop(i);
    kit_sql(fx.db, "DELETE FROM channels WHERE id = '%s'", kit_id(&slow));
    hook_peer_stop(dead);
    hook_peer_stop(live);
}

/* As after a stall of the machine: the lease is over before the delivery is. */
static void test_what_is_on_its_way_is_not_sent_again(void **state)
{
    struct hook_peer *p = fx_receiver(HOOK_HANG);
    struct instance *i = fx_start();
    const struct uuid channel = fx_add_webhook(hook_peer_url(p), 15);
    const struct uuid id = fx_add_alert(&channel, "webhook", NULL);
    assert_true(kit_wait(hook_peer_requests(p) == 1, SOON_MS));
    for (int round = 0; round < 5; round++) {
        kit_sql(fx.db, "UPDATE outbox SET claimed_until = now() - interval '1 s' WHERE id = '%s'",
                kit_id(&id));
        fx_wake();
        assert_true(kit_wait(kit_sql_i64(fx.db,
                                         "SELECT (claimed_until > now())::int FROM outbox"
                                         " WHERE id = '%s'",
                                         kit_id(&id)) == 1,
                             SOON_MS));
    }
    assert_int_equal(hook_peer_requests(p), 1);
    fx_stop_within(i, 100);
    kit_sql(fx.db, "DELETE FROM channels WHERE id = '%s'", kit_id(&channel));
    hook_peer_stop(p);
}

static void test_channel_test_is_announced(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct redis *listener = kit_redis_open(fx.redis_url);
    struct hook_peer *p = fx_receiver(500);
    struct instance *i = fx_start();
    const struct uuid channel = fx_add_webhook(hook_peer_url(p), 5);
    kit_sql(fx.db, "UPDATE channels SET enabled = false WHERE id = '%s'", kit_id(&channel));
    assert_ok(redis_subscribe(listener, CHECK_DONE_CHANNEL));
    const struct uuid id = uuid_new();
    assert_ok(outbox_insert_test(fx.db, arena, &fx.org, &channel, "webhook",
                                 "{\"message\":\"a test\"}", &id));
    fx_wake();
    AUTO_REPLY message = NULL;
    assert_ok(redis_next(listener, SOON_MS, &message));
    const char *text = message->element[2]->str;
    assert_memory_equal(text, kit_id(&id), UUID_TEXT_BYTES - 1);
    assert_non_null(strstr(text, "failed"));
    const struct delivery_row row = fx_look(&id, arena);
    assert_string_equal(row.status, "failed"); /* a test is tried once */
    assert_int_equal(row.response_code, 500);
    assert_int_equal(hook_peer_requests(p), 1);
    fx_stop(i);
    redis_free(listener);
    hook_peer_stop(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_webhook, fx_stop_left),
        cmocka_unit_test_teardown(test_own_url_of_a_check, fx_stop_left),
        cmocka_unit_test_teardown(test_failures_are_tried_again, fx_stop_left),
        cmocka_unit_test_teardown(test_retry_after_is_honoured, fx_stop_left),
        cmocka_unit_test_teardown(test_gone_disables_the_channel, fx_stop_left),
        cmocka_unit_test_teardown(test_attempts_end, fx_stop_left),
        cmocka_unit_test_teardown(test_egress_is_guarded, fx_stop_left),
        cmocka_unit_test_teardown(test_a_dead_endpoint_holds_up_nobody, fx_stop_left),
        cmocka_unit_test_teardown(test_what_is_on_its_way_is_not_sent_again, fx_stop_left),
        cmocka_unit_test_teardown(test_channel_test_is_announced, fx_stop_left),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
