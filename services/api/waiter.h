/*
 * Wakes requests that are parked under the id of a job, or that gather several (gather.h): one
 * thread subscribed to CHECK_DONE_CHANNEL, where workers (and the notifier, for tests of channels)
 * say "<id> <payload>". A message that is lost with the connection costs a parked request its wait,
 * nothing else: it looks for itself at its deadline.
 */
#ifndef TOCSIN_API_WAITER_H
#define TOCSIN_API_WAITER_H

#include "base/status.h"
#include "conf/conf.h"
#include "net/http.h"
#include "services/api/gather.h"

struct waiter;

/* ST_INVALID: the URL of Redis is not understood; ST_NO_MEMORY. Redis may be down. */
NODISCARD enum status waiter_start(const struct conf *conf, struct http_server *server,
                                   struct gathers *gathers, struct waiter **out,
                                   struct errbuf *err);
/* Stop it before the server. NULL is fine. */
void waiter_stop(struct waiter *w);

#endif
