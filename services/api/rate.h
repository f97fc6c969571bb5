/* Counting a request against its caller's limit, and telling the caller. */
#ifndef TOCSIN_API_RATE_H
#define TOCSIN_API_RATE_H

#include "net/http.h"
#include "services/api/rate_limit.h"

/* Sets the RateLimit- headers; ST_RATE_LIMITED has its problem document, with Retry-After. */
NODISCARD enum status rate_spend(struct req *r, const struct rate_key *key, int64_t per_minute);

#endif
