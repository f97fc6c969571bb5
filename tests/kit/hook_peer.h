/* A receiver of webhooks inside the test program: scripted answers, and every request is kept. */
#ifndef TOCSIN_TESTS_KIT_HOOK_PEER_H
#define TOCSIN_TESTS_KIT_HOOK_PEER_H

#include <stddef.h>

struct hook_peer;

enum { HOOK_HANG = -1 /* instead of a status: no answer till the client goes */ };
struct hook_answer {
    int status;
    const char *header; /* one more line, "Retry-After: 2", or NULL */
    int delay_ms;       /* before the answer */
};
/* The n-th request gets the n-th answer, later ones the last; at most 16 answers. */
struct hook_peer *hook_peer_start(const struct hook_answer *answers, size_t count);
void hook_peer_stop(struct hook_peer *p);
/* "http://127.0.0.1:port/hook", valid till the stop. */
const char *hook_peer_url(const struct hook_peer *p);
size_t hook_peer_requests(struct hook_peer *p);
/* Of the index-th request (up to 64 are kept): a header's value ("" if there is none; in a static
 * buffer), its body, and when it came (monotonic ms). */
const char *hook_peer_header(struct hook_peer *p, size_t index, const char *name);
const char *hook_peer_body(struct hook_peer *p, size_t index);
long long hook_peer_at_ms(struct hook_peer *p, size_t index);

#endif
