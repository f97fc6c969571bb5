/* A server whose routes echo, fail and say much, and a peer that sends it raw bytes. */
#ifndef TOCSIN_TESTS_INTEGRATION_NET_HTTP_FIXTURE_H
#define TOCSIN_TESTS_INTEGRATION_NET_HTTP_FIXTURE_H

#include "net/http.h"
#include "tests/integration/net/http_peer.h"

#define H "Host: a\r\n"
#define JSON H "Content-Type: application/json\r\n"

/* Set by sf_start; the reply is that to the last request. */
struct http_fixture {
    struct http_server *server;
    int port;
    struct peer_reply reply; /* large: not on the stack */
};

extern struct http_fixture sf;

/* Of a group of tests. */
int sf_start(void **state);
/* With deadlines of 300 ms, for tests of these alone: an honest client may miss them on a busy
 * machine. */
int sf_start_hasty(void **state);
int sf_stop(void **state);
/* A whole request. */
void sf_ask(const char *text);
/* Every failure is a whole problem document. */
void sf_assert_problem(int status, const char *code);

#endif
