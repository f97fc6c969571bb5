/*
 * Asks both stores every two seconds whether they are there, on connections of its own, so that the
 * health of the service can be told without touching them.
 */
#ifndef TOCSIN_API_WATCH_H
#define TOCSIN_API_WATCH_H

#include "base/status.h"
#include "services/api/api.h"

/* ST_INVALID: a store's URL is not understood. */
NODISCARD enum status api_watch_start(const struct conf *conf, struct key_uses *uses,
                                      struct api_watch **out, struct errbuf *err);
/* Whether Redis has not answered for some seconds, though it is there: for redis_heed. */
const atomic_bool *api_redis_is_silent(void);
/* NULL is fine. */
void api_watch_stop(struct api_watch *w);

#endif
