/* An HTTP client and two servers that answer, stall, lie and break off. */
#ifndef TOCSIN_TESTS_INTEGRATION_NET_HTTPC_FIXTURE_H
#define TOCSIN_TESTS_INTEGRATION_NET_HTTPC_FIXTURE_H

#include <pthread.h>

#include "net/httpc.h"
#include "tests/kit/kit.h"

/* A reply kept after its callback. */
struct kept {
    pthread_mutex_t lock;
    pthread_cond_t came;
    int count;
    struct httpc_reply r;
    char body[65536];
    char final_url[512];
    char header[256]; /* x-served-by */
};

/* Set between hf_setup and hf_teardown. */
struct httpc_fixture {
    struct web *web; /* plain */
    struct web *tls; /* self-signed */
    struct egress *open_guard;
    struct httpc *client;
    struct kept k; /* large; one at a time unless a test says otherwise */
};

extern struct httpc_fixture hf;

/* A callback that fills a struct kept. */
void hf_keep(const struct httpc_reply *reply, void *arg);
/* A GET that may take 10 s. */
struct httpc_request hf_request(const char *url);
/* Asks and waits. */
void hf_ask(struct httpc *c, const struct httpc_request *r, struct kept *k);
/* A path of one of the servers; valid till the next call. */
const char *hf_at(const struct web *w, const char *path);
/* Gets with the client of all cases. */
void hf_get(const char *url, struct kept *k);
/* Another client; the caller stops it. */
struct httpc *hf_start_client(const struct egress *egress, size_t max);
/* Of the program. */
int hf_setup(void **state);
int hf_teardown(void **state);

#endif
