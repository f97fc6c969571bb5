/*
 * A small web server inside the test program that also misbehaves on request, by path:
 *     /ok  /status/<n>  /body/<bytes>  /echo (answers with the request as it came)
 *     /redirect/<n> (n hops to /ok)  /loop  /to/<status>?<Location>
 *     /silent (never answers)  /stall (headers, then nothing)  /endless  /headers/<bytes>
 *     /garbage  /close  /short (less body than announced)  /reset (RST)
 *     /switch (200 or 503: web_set_status)
 * Each request is a connection of its own.
 */
#ifndef TOCSIN_TESTS_KIT_WEB_H
#define TOCSIN_TESTS_KIT_WEB_H

#include <stddef.h>
#include <stdint.h>

struct web;

enum { WEB_TLS = 1, WEB_IPV6 = 2 };
/* On a free port of the loopback. With WEB_TLS: a self-signed certificate for "localhost" that ends
 * `days` from now. Fails the test when it cannot. */
struct web *web_start(unsigned flags, int days);
void web_stop(struct web *w);
int web_port(const struct web *w);
/* Requests read so far. */
size_t web_requests(struct web *w);
/* What /switch answers. */
void web_set_status(struct web *w, int status);
/* The certificate's end. */
int64_t web_cert_expires_at_s(const struct web *w);

#endif
