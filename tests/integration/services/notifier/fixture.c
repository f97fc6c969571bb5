/* Its instances, its channels, and what becomes of deliveries. */
#include "tests/integration/services/notifier/fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/seal_json.h"
#include "base/str.h"
#include "json/parse.h"
#include "json/secrets.h"
#include "queue/check_jobs.h"
#include "tests/kit/hook_peer.h"

struct notifier_fixture fx;

static struct redis *redis;

static void set_text(char **field, const char *text)
{
    free(*field);
    assert_ok(str_dup(text, field));
}

struct instance *fx_start_with(const char *smtp_url, const char *ca_file, int64_t smtp_timeout_ms)
{
    struct instance *i = calloc(1, sizeof(*i));
    assert_non_null(i);
    assert_ok(conf_load(NULL, &i->conf, NULL));
    set_text(&i->conf.database_url, fx.database);
    set_text(&i->conf.redis_url, fx.redis_url);
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
    fx.running = i;
    return i;
}

struct instance *fx_start(void)
{
    return fx_start_with("", "", SMTP_TIMEOUT_MS);
}

/* The instance stays, for the process's metrics point to it; what is big in it is gone. */
static struct instance *stopped[64];

void fx_stop_within(struct instance *i, int64_t grace_ms)
{
    fx.running = NULL;
    notifier_stop(&i->n, grace_ms);
    conf_done(&i->conf);
    stopped[fx.counter++ % 64] = i;
}

void fx_stop(struct instance *i)
{
    fx_stop_within(i, 2000);
}

int fx_setup(void **state)
{
    (void)signal(SIGPIPE, SIG_IGN);
    fx.database = kit_database();
    fx.redis_url = kit_redis();
    fx.db = kit_db_open(fx.database);
    redis = kit_redis_open(fx.redis_url);
    fx.org = kit_organisation(fx.db);
    return 0;
}

int fx_teardown(void **state)
{
    db_free(fx.db);
    redis_free(redis);
    return 0;
}

int fx_stop_left(void **state)
{
    if (fx.running)
        fx_stop(fx.running);
    kit_sql(fx.db, "DELETE FROM outbox");
    return 0;
}

struct uuid fx_add_channel(const char *type, json_t *config)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    AUTO_JSON open = NULL;
    AUTO_JSON secret = NULL;
    struct seal_keys *keys = NULL;
    char name[32];
    (void)snprintf(name, sizeof(name), "channel %d", ++fx.counter);
    struct channel c = {
        .id = uuid_new(), .org_id = fx.org, .name = name, .type = type, .enabled = true};
    assert_ok(seal_keys_new(KEY, &keys, NULL));
    assert_ok(secrets_split(channel_type_find(type)->config, config, &open, &secret));
    const struct seal_place place = channel_seal_place(&c.id);
    assert_ok(seal_json_close(keys, &place, secret, arena, &c.sealed, &c.sealed_len));
    AUTO_FREE char *text = json_dumps(open, 0);
    c.config = text;
    assert_ok(channels_insert(fx.db, arena, &c));
    seal_keys_free(keys);
    json_decref(config);
    return c.id;
}

struct uuid fx_add_webhook(const char *url, double timeout_s)
{
    return fx_add_channel("webhook",
                          json_pack("{s:s, s:s, s:f, s:{s:s}}", "url", url, "secret", SECRET,
                                    "timeout", timeout_s, "headers", "X-Team", "web"));
}

void fx_wake(void)
{
    assert_ok(redis_do(redis, NULL, "PUBLISH", OUTBOX_WAKE_CHANNEL, "1"));
}

struct uuid fx_add_alert(const struct uuid *channel, const char *type, const char *target)
{
    const struct uuid id = uuid_new();
    const struct uuid incident = uuid_new();
    kit_sql(
        fx.db,
        "INSERT INTO outbox (id, org_id, event, incident_id, sequence, channel_id, channel_type,"
        " target, payload) VALUES ('%s', '%s', 'check.down', '%s', 1, nullif('%s', '')::uuid,"
        " '%s', nullif('%s', ''), '{\"check_name\":\"Gr\xc3\xbc\xc3\x9f"
        "e\",\"message\":\"refused\",\"state\":\"down\"}')",
        kit_id(&id), kit_id(&fx.org), kit_id(&incident), channel ? kit_id(channel) : "", type,
        target ? target : "");
    fx_wake();
    return id;
}

struct delivery_row fx_look(const struct uuid *id, struct arena *arena)
{
    struct delivery_row row;
    assert_ok(outbox_get(fx.db, arena, &fx.org, id, &row));
    return row;
}

bool fx_is_status(const struct uuid *id, const char *status)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    return str_eq(fx_look(id, arena).status, status);
}

void fx_must_become(const struct uuid *id, const char *status)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    if (kit_wait(fx_is_status(id, status), SOON_MS))
        return;
    const struct delivery_row row = fx_look(id, arena);
    fail_msg("is %s after %d attempts, not %s: %s", row.status, (int)row.attempts, status,
             row.last_error ? row.last_error : "");
}

struct hook_peer *fx_receiver(int status)
{
    const struct hook_answer answer = {.status = status};
    return hook_peer_start(&answer, 1);
}
