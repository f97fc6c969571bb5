/* The routes, the server, and asking it. */
#include "tests/integration/net/http_fixture.h"

#include "auth/scopes.h"
#include "base/str.h"

struct http_fixture sf;

struct in_thing {
    struct in_str name;
    struct in_i64 size;
};
#define AT(member) offsetof(struct in_thing, member)
static const struct field thing_fields[] = {
    {.name = "name",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(name),
     .min = 1,
     .max = 10},
    {.name = "size", .type = FT_INT, .offset = AT(size), .min = 1, .max = 100},
};
static const struct schema thing = SCHEMA("Thing", struct in_thing, thing_fields);

static enum status echo(struct req *r)
{
    struct jw *w = reply_json(r, 200);
    jw_object(w);
    jw_kv_str(w, "method", http_method_name(r->method));
    jw_kv_str(w, "id", r->param[0]);
    jw_kv_str(w, "peer", req_peer_text(r));
    jw_kv_i64(w, "bytes", (int64_t)r->body_len);
    if (r->in)
        jw_kv_str(w, "name", ((struct in_thing *)r->in)->name.v);
    if (r->query_in)
        jw_kv_i64(w, "size", ((struct in_thing *)r->query_in)->size.v);
    jw_end(w);
    return ST_OK;
}

static enum status big(struct req *r)
{
    struct jw *w = reply_json(r, 200);
    jw_array(w);
    for (int i = 0; i < 1000; i++)
        jw_str(w, "all work and no play");
    jw_end(w);
    return ST_OK;
}

static enum status fail_late(struct req *r)
{
    (void)reply_json(r, 200);
    return ST_UNAVAILABLE; /* a store was lost in the middle of the reply */
}

static enum status say_nothing(struct req *r)
{
    (void)r;
    return ST_OK;
}

static enum status with_headers(struct req *r)
{
    reply_header(r, "Cache-Control", "max-age=60");
    reply_header(r, "X-Split", "a\r\nSet-Cookie: b");
    reply_text(r, 200, "text/plain", "hi", 2);
    return ST_OK;
}

/* As if a store or a peer had said so. */
static enum status fail_as(struct req *r)
{
    for (int st = ST_OK + 1; st < STATUS_COUNT_; st++) {
        if (str_eq(r->param[0], status_name((enum status)st)))
            return (enum status)st;
    }
    return ST_NOT_FOUND;
}

static enum status need_login(struct req *r)
{
    return req_fail(r, ST_UNAUTHENTICATED, "INVALID_TOKEN", "the token has expired");
}

static const struct route routes[] = {
    {M_GET, "/x/{id}", "", SCOPE_PUBLIC, .handler = echo},
    {M_GET, "/q", "", SCOPE_PUBLIC, .query = &thing, .handler = echo},
    {M_POST, "/json", "", SCOPE_PUBLIC, .body = &thing, .handler = echo},
    {M_POST, "/form", "", SCOPE_PUBLIC, .body = &thing, .flags = ROUTE_FORM, .handler = echo},
    {M_POST, "/raw", "", SCOPE_PUBLIC, .flags = ROUTE_RAW_BODY, .max_body_bytes = 1000,
     .handler = echo},
    {M_POST, "/gzip", "", SCOPE_PUBLIC, .flags = ROUTE_RAW_BODY | ROUTE_GZIP_BODY,
     .max_body_bytes = 100000, .handler = echo},
    {M_GET, "/big", "", SCOPE_PUBLIC, .handler = big},
    {M_GET, "/late", "", SCOPE_PUBLIC, .handler = fail_late},
    {M_GET, "/fail/{status}", "", SCOPE_PUBLIC, .handler = fail_as},
    {M_GET, "/nothing", "", SCOPE_PUBLIC, .handler = say_nothing},
    {M_GET, "/headers", "", SCOPE_PUBLIC, .handler = with_headers},
    {M_GET, "/login", "", SCOPE_PUBLIC, .handler = need_login},
};

static const struct route_set set = {routes, ARRAY_LEN(routes)};

static int start(int deadline_ms)
{
    const struct http_config config = {
        .listen = "127.0.0.1",
        .io_threads = 2,
        .handler_threads = 2,
        .queue_max = 64,
        .connections_max = 64,
        .sets = &set,
        .set_count = 1,
        .header_ms = deadline_ms,
        .body_ms = deadline_ms,
    };
    struct errbuf err = {0};
    json_setup();
    if (http_start(&config, &sf.server, &err) != ST_OK)
        fail_msg("%s", err.text);
    sf.port = http_port(sf.server);
    return 0;
}

int sf_start(void **state)
{
    return start(0);
}

int sf_start_hasty(void **state)
{
    return start(300);
}

int sf_stop(void **state)
{
    http_stop(sf.server, 1000);
    return 0;
}

void sf_ask(const char *text)
{
    peer_ask(sf.port, text, strlen(text), &sf.reply);
}

void sf_assert_problem(int status, const char *code)
{
    char text[128];
    AUTO_JSON json = NULL;
    assert_int_equal(sf.reply.status, status);
    assert_string_equal(peer_header(&sf.reply, "Content-Type", text, sizeof(text)),
                        "application/problem+json");
    assert_ok(json_parse(sf.reply.body, sf.reply.body_len, &json, NULL));
    static const char *const strings[] = {"type", "title", "detail", "code", "request_id"};
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        assert_true(json_is_string(json_object_get(json, strings[i])));
    assert_int_equal(json_integer_value(json_object_get(json, "status")), status);
    assert_string_equal(json_string_value(json_object_get(json, "code")), code);
    const json_t *error = json_object_get(json, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), code);
    assert_true(json_is_string(json_object_get(error, "message")));
    assert_true(json_is_string(json_object_get(error, "details")));
    assert_true((status == 422) == json_is_array(json_object_get(json, "errors")));
    assert_string_equal(peer_header(&sf.reply, "X-Request-Id", text, sizeof(text)),
                        json_string_value(json_object_get(json, "request_id")));
}
