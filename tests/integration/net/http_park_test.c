/* Waiting without a thread, refusing when too much waits, and stopping while requests wait. */
#include "tests/integration/net/http_peer.h"

#include <errno.h>
#include <semaphore.h>

#include "auth/scopes.h"
#include "base/str.h"
#include "net/http.h"
#include "net/http_internal.h"

enum { QUEUE_MAX = 4, PARKED_MAX = 8, HANDLERS = 2 };

static struct http_server *server;
static int port;
static sem_t gate; /* lets one blocked handler go on */
static _Atomic int blocked;
static _Atomic int contexts;
static struct peer_reply reply;
static struct peer peers[PARKED_MAX + 2];

static struct uuid key_of(const char *text)
{
    struct uuid key;
    assert_ok(uuid_parse(text, &key));
    return key;
}
#define KEY_A "01890000-0000-7000-8000-00000000000a"
#define KEY_B "01890000-0000-7000-8000-00000000000b"

static enum status resumed(struct req *r)
{
    struct jw *w = reply_json(r, 200);
    jw_object(w);
    jw_kv_bool(w, "timed_out", r->timed_out);
    jw_kv_str(w, "data", r->wake_data);
    jw_kv_i64(w, "len", (int64_t)r->wake_len);
    jw_kv_str(w, "state", r->state);
    jw_kv_bool(w, "ctx", r->ctx != NULL);
    jw_end(w);
    return ST_OK;
}

static enum status again(struct req *r)
{
    struct uuid key = key_of(KEY_B);
    return req_park(r, &key, KIT_PATIENCE_MS, resumed);
}

/* /park/{key}/{what}: plain, early (woken before it returns), short (times out at once), unpark,
 * failed, answered, twice (parks again when woken). */
static enum status park(struct req *r)
{
    struct uuid key = key_of(r->param[0]);
    const char *what = r->param[1];
    r->state = arena_strdup(r->arena, what);
    TRY(req_park(r, &key, str_eq(what, "short") ? 1 : KIT_PATIENCE_MS,
                 str_eq(what, "twice") ? again : resumed));
    if (str_eq(what, "early"))
        assert_int_equal(http_wake(r->server, &key, "soon", 4), 1);
    if (str_eq(what, "unpark")) {
        req_unpark(r);
        return req_fail(r, ST_CONFLICT, "CONFLICT", "it did not start");
    }
    if (str_eq(what, "failed"))
        return ST_UNAVAILABLE;
    if (str_eq(what, "answered"))
        reply_empty(r, 204);
    return ST_OK;
}

static enum status block(struct req *r)
{
    (void)atomic_fetch_add(&blocked, 1);
    while (sem_wait(&gate) != 0) {
    }
    (void)atomic_fetch_sub(&blocked, 1);
    reply_empty(r, 204);
    return ST_OK;
}

static enum status plain(struct req *r)
{
    reply_text(r, 200, "text/plain", "ok", 2);
    return ST_OK;
}

static const struct route routes[] = {
    {M_GET, "/park/{key}/{what}", "", SCOPE_PUBLIC, .handler = park},
    {M_GET, "/block", "", SCOPE_PUBLIC, .handler = block},
    {M_GET, "/plain", "", SCOPE_PUBLIC, .handler = plain},
    {M_GET, "/inline", "", SCOPE_PUBLIC, .flags = ROUTE_INLINE, .handler = plain},
};
static const struct route_set set = {routes, ARRAY_LEN(routes)};

static enum status ctx_new(void *arg, void **out)
{
    *out = arg;
    (void)atomic_fetch_add(&contexts, 1);
    return ST_OK;
}

static void ctx_free(void *ctx)
{
    (void)ctx;
    (void)atomic_fetch_sub(&contexts, 1);
}

static int start(void **state)
{
    static int arg;
    const struct http_config config = {
        .listen = "::1",
        .io_threads = 2,
        .handler_threads = HANDLERS,
        .queue_max = QUEUE_MAX,
        .connections_max = 64,
        .parked_max = PARKED_MAX,
        .sets = &set,
        .set_count = 1,
        .ctx_new = ctx_new,
        .ctx_free = ctx_free,
        .arg = &arg,
    };
    struct http_config v4 = config;
    struct errbuf err = {0};
    v4.listen = "127.0.0.1";
    (void)sem_init(&gate, 0, 0);
    if (http_start(&v4, &server, &err) != ST_OK)
        fail_msg("%s", err.text);
    port = http_port(server);
    assert_int_equal(contexts, HANDLERS);
    return 0;
}

static int stop(void **state)
{
    http_stop(server, KIT_PATIENCE_MS);
    server = NULL;
    assert_int_equal(contexts, 0);
    assert_int_equal(atomic_load(&http_metric_in_flight.value), 0);
    assert_int_equal(atomic_load(&http_metric_queued.value), 0);
    assert_int_equal(atomic_load(&http_metric_parked.value), 0);
    (void)sem_destroy(&gate);
    return 0;
}

static void begin(struct peer *p, const char *path)
{
    char text[256];
    peer_open(p, port);
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    peer_text(p, text);
}

static void end(struct peer *p)
{
    peer_read(p, false, &reply);
    peer_close(p);
}

static void ask(const char *path)
{
    static struct peer p;
    begin(&p, path);
    end(&p);
}

static bool parked_are(int64_t n)
{
    return kit_wait(atomic_load(&http_metric_parked.value) == n, KIT_PATIENCE_MS);
}

static void test_wake(void **state)
{
    struct uuid a = key_of(KEY_A);
    assert_int_equal(http_wake(server, &a, "x", 1), 0);
    begin(&peers[0], "/park/" KEY_A "/plain");
    begin(&peers[1], "/park/" KEY_A "/plain");
    begin(&peers[2], "/park/" KEY_B "/plain");
    assert_true(parked_are(3));
    assert_int_equal(http_wake(server, &a, "hello", 5), 2);
    for (int i = 0; i < 2; i++) {
        end(&peers[i]);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "{\"timed_out\":false,\"data\":\"hello\",\"len\":5,"
                                        "\"state\":\"plain\",\"ctx\":true}");
    }
    struct uuid b = key_of(KEY_B);
    assert_int_equal(http_wake(server, &b, NULL, 0), 1);
    end(&peers[2]);
    assert_non_null(strstr(reply.body, "\"data\":\"\",\"len\":0"));
}

static void test_outcomes(void **state)
{
    static const struct {
        const char *path;
        int status;
        const char *part;
    } cases[] = {
        {"/park/" KEY_A "/early", 200, "\"timed_out\":false,\"data\":\"soon\""},
        {"/park/" KEY_A "/short", 200, "\"timed_out\":true,\"data\":\"\""},
        {"/park/" KEY_A "/unpark", 409, "CONFLICT"},
        {"/park/" KEY_A "/failed", 503, "UNAVAILABLE"},
        {"/park/" KEY_A "/answered", 204, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ask(cases[i].path);
        assert_int_equal(reply.status, cases[i].status);
        if (!strstr(reply.body, cases[i].part))
            fail_msg("%s: %s", cases[i].path, reply.body);
        assert_true(parked_are(0));
    }
}

static void test_park_again(void **state)
{
    struct uuid a = key_of(KEY_A);
    struct uuid b = key_of(KEY_B);
    begin(&peers[0], "/park/" KEY_A "/twice");
    assert_true(kit_wait(http_wake(server, &a, "1", 1) == 1, KIT_PATIENCE_MS));
    assert_true(kit_wait(http_wake(server, &b, "2", 1) == 1, KIT_PATIENCE_MS));
    end(&peers[0]);
    assert_non_null(strstr(reply.body, "\"data\":\"2\""));
}

static void test_too_many_parked(void **state)
{
    struct uuid a = key_of(KEY_A);
    for (int i = 0; i < PARKED_MAX; i++) {
        begin(&peers[i], "/park/" KEY_A "/plain");
        assert_true(parked_are(i + 1)); /* or the queue might be full */
    }
    ask("/park/" KEY_A "/plain");
    assert_int_equal(reply.status, 503);
    ask("/plain"); /* they hold no thread */
    assert_int_equal(reply.status, 200);
    /* All of them at once, more than the queue takes of new requests. */
    assert_int_equal(http_wake(server, &a, "x", 1), PARKED_MAX);
    for (int i = 0; i < PARKED_MAX; i++) {
        end(&peers[i]);
        assert_int_equal(reply.status, 200);
    }
}

static void test_parked_client_gone(void **state)
{
    struct uuid a = key_of(KEY_A);
    begin(&peers[0], "/park/" KEY_A "/plain");
    assert_true(parked_are(1));
    peer_close(&peers[0]);
    assert_int_equal(http_wake(server, &a, "x", 1), 1);
    assert_true(kit_wait(atomic_load(&http_metric_in_flight.value) == 0, KIT_PATIENCE_MS));
}

static void test_queue_full(void **state)
{
    char text[16];
    for (int i = 0; i < HANDLERS; i++)
        begin(&peers[i], "/block");
    assert_true(kit_wait(atomic_load(&blocked) == HANDLERS, KIT_PATIENCE_MS));
    for (int i = 0; i < QUEUE_MAX; i++)
        begin(&peers[HANDLERS + i], "/block");
    assert_true(kit_wait(atomic_load(&http_metric_queued.value) == QUEUE_MAX, KIT_PATIENCE_MS));

    ask("/plain");
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(reply.body, "OVERLOADED"));
    assert_string_equal(peer_header(&reply, "Retry-After", text, sizeof(text)), "1");
    ask("/inline"); /* health works all the same */
    assert_int_equal(reply.status, 200);

    for (int i = 0; i < HANDLERS + QUEUE_MAX; i++)
        (void)sem_post(&gate);
    for (int i = 0; i < HANDLERS + QUEUE_MAX; i++) {
        end(&peers[i]);
        assert_int_equal(reply.status, 204);
    }
    ask("/plain");
    assert_int_equal(reply.status, 200);
}

/* Parked, blocked and queued requests all get an answer; nothing is left behind (see stop). */
static void test_stop(void **state)
{
    begin(&peers[0], "/park/" KEY_A "/plain");
    begin(&peers[1], "/park/" KEY_B "/plain");
    assert_true(parked_are(2));
    for (int i = 2; i < 2 + HANDLERS; i++)
        begin(&peers[i], "/block");
    assert_true(kit_wait(atomic_load(&blocked) == HANDLERS, KIT_PATIENCE_MS));
    for (int i = 0; i < HANDLERS; i++)
        (void)sem_post(&gate);
    http_stop(server, KIT_PATIENCE_MS);
    for (int i = 0; i < 2; i++) {
        end(&peers[i]);
        assert_int_equal(reply.status, 503);
        assert_non_null(strstr(reply.body, "STOPPING"));
    }
    for (int i = 2; i < 2 + HANDLERS; i++) {
        end(&peers[i]);
        assert_int_equal(reply.status, 204);
    }
    assert_int_equal(contexts, 0);
    start(NULL);
}

/* Lets every blocked handler go on once the server is being stopped. */
static void *open_gate(void *arg)
{
    struct http_server *s = arg;
    while (!atomic_load(&s->is_over))
        kit_pause();
    for (int i = 0; i < HANDLERS + 1; i++)
        (void)sem_post(&gate);
    return NULL;
}

/* A grace that is too short: what waits in the queue is refused, what runs is waited for. */
static void test_stop_without_grace(void **state)
{
    for (int i = 0; i < HANDLERS + 1; i++)
        begin(&peers[i], "/block");
    assert_true(
        kit_wait(atomic_load(&blocked) == HANDLERS && atomic_load(&http_metric_queued.value) == 1,
                 KIT_PATIENCE_MS));
    for (int i = 0; i < HANDLERS; i++)
        begin(&peers[HANDLERS + 1 + i], "/park/" KEY_A "/plain");
    assert_true(kit_wait(atomic_load(&http_metric_queued.value) == 1 + HANDLERS, KIT_PATIENCE_MS));
    pthread_t opener;
    assert_int_equal(pthread_create(&opener, NULL, open_gate, server), 0);
    http_stop(server, 0);
    (void)pthread_join(opener, NULL);
    (void)sem_init(&gate, 0, 0);
    int answered = 0;
    int refused = 0;
    for (int i = 0; i < 2 * HANDLERS + 1; i++) {
        end(&peers[i]);
        answered += reply.status == 204;
        refused += reply.status == 503;
    }
    /* Connections may be closed before the last replies were written; none waits for ever. */
    assert_true(answered <= HANDLERS && refused <= HANDLERS + 1);
    assert_int_equal(contexts, 0);
    start(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wake),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_park_again),
        cmocka_unit_test(test_too_many_parked),
        cmocka_unit_test(test_parked_client_gone),
        cmocka_unit_test(test_queue_full),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_without_grace),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
