/* website: asks over HTTP and judges the answer. */
#include "services/worker/kinds/website.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/write.h"
#include "kinds/status_set.h"

enum { DEFAULT_STATUS = 200, HEADERS_MAX = 64, HEADER_VALUE_MAX = 1024, HEADERS_TEXT_MAX = 16384 };

/* --- the answer --- */

static void put_name(struct jw *w, const char *name)
{
    char lower[128];
    (void)str_copy(lower, sizeof(lower), name);
    for (char *p = lower; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    jw_key(w, lower);
}

static bool came_before(const struct httpc_reply *r, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (str_ieq(r->headers[i].name, r->headers[index].name))
            return true;
    }
    return false;
}

/* One member a name; the values of a repeated one are joined, as RFC 9110 section 5.3 reads them.
 */
static void put_headers(struct jw *w, const struct httpc_reply *r)
{
    size_t written = 0;
    size_t bytes = 0;
    AUTO_BUF value;
    buf_init(&value, HEADER_VALUE_MAX);
    jw_key(w, "headers");
    jw_object(w);
    for (size_t i = 0; i < r->header_count && written < HEADERS_MAX; i++) {
        if (came_before(r, i))
            continue;
        buf_reset(&value);
        for (size_t j = i; j < r->header_count; j++) {
            if (!str_ieq(r->headers[i].name, r->headers[j].name))
                continue;
            if (value.len > 0)
                buf_str(&value, ", ");
            size_t room = HEADER_VALUE_MAX - value.len;
            buf_append(&value, r->headers[j].value, strnlen(r->headers[j].value, room));
        }
        bytes += value.len + strlen(r->headers[i].name);
        if (bytes > HEADERS_TEXT_MAX)
            break;
        put_name(w, r->headers[i].name);
        jw_str(w, buf_cstr(&value));
        written++;
    }
    jw_end(w);
}

static void put_phase(struct jw *w, const char *key, int64_t us)
{
    jw_key(w, key);
    if (us < 0)
        jw_null(w);
    else
        jw_i64(w, us);
}

static void put_raw(const struct httpc_reply *r, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "status_code");
    if (r->status > 0)
        jw_i64(&w, r->status);
    else
        jw_null(&w);
    put_headers(&w, r);
    jw_kv_str(&w, "final_url", r->final_url);
    jw_kv_i64(&w, "redirects", r->redirects);
    jw_kv_str(&w, "remote_ip", r->remote_ip[0] ? r->remote_ip : NULL);
    jw_key(&w, "timings");
    jw_object(&w);
    put_phase(&w, "dns_us", r->phases.dns_us);
    put_phase(&w, "connect_us", r->phases.connect_us);
    put_phase(&w, "tls_us", r->phases.tls_us);
    put_phase(&w, "wait_us", r->phases.wait_us);
    put_phase(&w, "transfer_us", r->phases.transfer_us);
    jw_end(&w);
    jw_kv_i64(&w, "body_bytes", r->body_total);
    if (r->cert_expires_at_us != 0)
        jw_kv_time_us(&w, "certificate_expires_at", r->cert_expires_at_us);
    if (r->failure != HTTPC_OK)
        jw_kv_str(&w, "error", httpc_failure_name(r->failure));
    jw_end(&w);
}

static bool body_has(const struct httpc_reply *r, const char *text)
{
    return memmem(r->body, r->body_len, text, strlen(text)) != NULL;
}

static void judge_failure(const struct httpc_reply *r, struct probe_result *out)
{
    probe_result_set(out, RESULT_ERROR, "%s", r->error);
    out->message[0] = (char)toupper((unsigned char)out->message[0]);
    if (r->failure == HTTPC_BAD_URL || r->failure == HTTPC_DENIED || r->failure == HTTPC_INTERNAL)
        out->response_us = -1;
}

/* Only the part that was kept was looked through: to be said when it matters. */
static const char *extent(const struct httpc_reply *r)
{
    return r->body_total > (int64_t)r->body_len ? "the first part of the body" : "the body";
}

/* What was expected, for people; NULL: the status is as it should be. */
static const char *wrong_status(const struct website_config *c, int status, char expected[300])
{
    struct status_set set;
    int64_t one = c->expected_status.set ? c->expected_status.v : DEFAULT_STATUS;
    bool is_set = c->accepted_statuses.set && !status_set_read(c->accepted_statuses.v, &set);
    if (is_set ? status_set_has(&set, status) : status == one)
        return NULL;
    if (is_set)
        (void)str_copy(expected, 300, c->accepted_statuses.v);
    else
        (void)snprintf(expected, 300, "%lld", (long long)one);
    return expected;
}

static void judge_answer(const struct website_config *c, const struct httpc_reply *r,
                         struct probe_result *out)
{
    double limit_us = c->warning_time.set ? c->warning_time.v * 1e6 : 0;
    char text[300];
    const char *expected = wrong_status(c, r->status, text);
    if (expected)
        probe_result_set(out, RESULT_ERROR, "Website responded with status %d, expected %s",
                         r->status, expected);
    else if (c->unexpected_content.set && body_has(r, c->unexpected_content.v))
        probe_result_set(out, RESULT_ERROR,
                         "Website responded with status %d, but %s contains \"%.200s\"", r->status,
                         extent(r), c->unexpected_content.v);
    else if (c->expected_content.set && !body_has(r, c->expected_content.v))
        probe_result_set(out, RESULT_ERROR,
                         "Website responded with status %d, but %s does not contain \"%.200s\"",
                         r->status, extent(r), c->expected_content.v);
    else if (limit_us > 0 && (double)r->total_us > limit_us)
        probe_result_set(out, RESULT_WARNING,
                         "Website responded with status %d, but slowly: %.3f s (warning above "
                         "%.3f s)",
                         r->status, (double)r->total_us / 1e6, c->warning_time.v);
    else
        probe_result_set(out, RESULT_SUCCESS, "Website responded with status %d", r->status);
}

void website_judge(const struct website_config *config, const struct httpc_reply *reply,
                   struct probe_result *out)
{
    out->response_us = reply->total_us;
    if (reply->failure != HTTPC_OK)
        judge_failure(reply, out);
    else
        judge_answer(config, reply, out);
    buf_reset(&out->raw);
    put_raw(reply, &out->raw);
}

/* --- the request --- */

static void on_reply(const struct httpc_reply *reply, void *arg)
{
    struct probe *p = arg;
    if (reply->failure == HTTPC_CANCELLED)
        p->is_cancelled = true;
    else
        website_judge(p->config, reply, &p->result);
    p->done(p);
}

static const char *basic_auth(const struct website_config *c, struct arena *arena)
{
    const char *pair = arena_printf(arena, "%s:%s", c->auth_username.v,
                                    c->auth_password.v ? c->auth_password.v : "");
    size_t len = pair ? strlen(pair) : 0;
    size_t room = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
    char *text = arena_alloc(arena, room);
    if (!pair || !text)
        return NULL;
    (void)sodium_bin2base64(text, room, (const unsigned char *)pair, len,
                            sodium_base64_VARIANT_ORIGINAL);
    return arena_printf(arena, "Basic %s", text);
}

static enum status build_headers(const struct website_config *c, struct arena *arena,
                                 struct httpc_request *out)
{
    json_t *map = c->headers.set ? c->headers.v : NULL;
    struct httpc_header *list = arena_array(arena, json_object_size(map) + 1, sizeof(*list));
    size_t count = 0;
    const char *name = NULL;
    json_t *value = NULL;
    if (!list)
        return ST_NO_MEMORY;
    json_object_foreach (map, name, value) {
        const char *text = json_string_value(value);
        if (text)
            list[count++] = (struct httpc_header){name, text};
    }
    if (c->auth_username.set) {
        const char *credentials = basic_auth(c, arena);
        if (!credentials)
            return ST_NO_MEMORY;
        list[count++] = (struct httpc_header){"Authorization", credentials};
    }
    out->headers = list;
    out->header_count = count;
    return ST_OK;
}

static int redirects_of(const struct website_config *c)
{
    if (c->follow_redirects.set && !c->follow_redirects.v)
        return 0;
    return c->max_redirects.set ? (int)c->max_redirects.v : LIMIT_PROBE_REDIRECTS;
}

static enum status start(struct probe *p)
{
    const struct website_config *c = p->config;
    /* httpc_submit copies, and other probes may run on another thread by then. */
    AUTO_ARENA arena = arena_new(LIMIT_JOB_ARGS_BYTES * 4);
    if (!arena)
        return ST_NO_MEMORY;
    struct httpc_request request = {
        .method = c->method.set ? c->method.v : "GET",
        .url = c->url.v,
        .body = c->body.set ? c->body.v : NULL,
        .body_len = c->body.set ? strlen(c->body.v) : 0,
        .timeout_ms = c->timeout.set ? (int64_t)(c->timeout.v * 1000) : p->timeout_ms,
        .max_redirects = redirects_of(c),
        .max_body_bytes = c->expected_content.set || c->unexpected_content.set
                              ? LIMIT_PROBE_BODY_BYTES
                              : 0,
        .insecure_tls = c->verify_ssl.set && !c->verify_ssl.v,
    };
    TRY(build_headers(c, arena, &request));
    return httpc_submit(p->http, &request, on_reply, p, &p->handle);
}

static void cancel(struct probe *p)
{
    httpc_cancel(p->http, p->handle);
}

const struct probe_kind probe_website = {.name = "website", .start = start, .cancel = cancel};
