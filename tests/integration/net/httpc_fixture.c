/* Its servers, and how to ask them and wait. */
#include "tests/integration/net/httpc_fixture.h"

#include <signal.h>
#include <stdio.h>

#include "base/str.h"
#include "tests/kit/web.h"

struct httpc_fixture hf;

/* --- asking and waiting --- */

static void kept_init(struct kept *k)
{
    *k = (struct kept){0};
    (void)pthread_mutex_init(&k->lock, NULL);
    (void)pthread_cond_init(&k->came, NULL);
}

void hf_keep(const struct httpc_reply *reply, void *arg)
{
    struct kept *k = arg;
    (void)pthread_mutex_lock(&k->lock);
    k->count++;
    k->r = *reply;
    (void)str_copy(k->body, sizeof(k->body), reply->body);
    (void)str_copy(k->final_url, sizeof(k->final_url), reply->final_url);
    k->header[0] = '\0';
    for (size_t i = 0; i < reply->header_count; i++) {
        if (str_ieq(reply->headers[i].name, "x-served-by"))
            (void)str_copy(k->header, sizeof(k->header), reply->headers[i].value);
    }
    (void)pthread_cond_signal(&k->came);
    (void)pthread_mutex_unlock(&k->lock);
}

static void wait_for(struct kept *k)
{
    (void)pthread_mutex_lock(&k->lock);
    while (k->count == 0)
        (void)pthread_cond_wait(&k->came, &k->lock);
    (void)pthread_mutex_unlock(&k->lock);
    assert_int_equal(k->count, 1);
}

struct httpc_request hf_request(const char *url)
{
    return (struct httpc_request){
        .method = "GET",
        .url = url,
        .timeout_ms = KIT_PATIENCE_MS,
        .max_redirects = 10,
        .max_body_bytes = 32768,
    };
}

void hf_ask(struct httpc *c, const struct httpc_request *r, struct kept *k)
{
    kept_init(k);
    assert_ok(httpc_submit(c, r, hf_keep, k, NULL));
    wait_for(k);
}

const char *hf_at(const struct web *w, const char *path)
{
    static char url[2048];
    (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%d%s", w == hf.tls ? "https" : "http",
                   web_port(w), path);
    return url;
}

void hf_get(const char *url, struct kept *k)
{
    struct httpc_request r = hf_request(url);
    hf_ask(hf.client, &r, k);
}

struct httpc *hf_start_client(const struct egress *egress, size_t max)
{
    struct httpc *c = NULL;
    assert_ok(httpc_start(&(struct httpc_config){.egress = egress,
                                                 .max_requests = max,
                                                 .user_agent = "Tocsin-test/1"},
                          &c));
    return c;
}

int hf_setup(void **state)
{
    (void)signal(SIGPIPE, SIG_IGN);
    hf.web = web_start(0, 0);
    hf.tls = web_start(WEB_TLS, 90);
    assert_ok(egress_new("internal", "127.0.0.0/8,::1", "", &hf.open_guard, NULL));
    hf.client = hf_start_client(hf.open_guard, 64);
    return 0;
}

int hf_teardown(void **state)
{
    httpc_stop(hf.client);
    egress_free(hf.open_guard);
    web_stop(hf.web);
    web_stop(hf.tls);
    return 0;
}
