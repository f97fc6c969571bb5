/* All processes' count decides, and this one's own where Redis cannot be asked. */
#include "services/api/rate.h"

#include "services/api/api.h"
#include "services/api/rate_shared.h"

static void tell(struct req *r, const struct rate_state *s)
{
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {{"RateLimit-Limit", s->limit},
                {"RateLimit-Remaining", MAX_OF(s->remaining, 0)},
                {"RateLimit-Reset", s->reset_s}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        reply_header_i64(r, rows[i].name, rows[i].value);
    reply_header(r, "RateLimit-Policy", arena_printf(r->arena, "%lld;w=60", (long long)s->limit));
}

static enum status too_many(struct req *r, const struct rate_state *s)
{
    const long long wait_s = MAX_OF(s->retry_s, 1);
    reply_header(r, "Retry-After", arena_printf(r->arena, "%lld", wait_s));
    return req_fail(r, ST_RATE_LIMITED, NULL,
                    "more than %lld requests a minute; try again in %lld s", (long long)s->limit,
                    wait_s);
}

enum status rate_spend(struct req *r, const struct rate_key *key, int64_t per_minute)
{
    const struct api_ctx *ctx = req_ctx(r);
    const int64_t now_us = r->received_mono_us;
    struct rate_state shared, own;
    enum rate_verdict verdict = RATE_UNKNOWN;
    if (ctx->conf->rate_shared)
        verdict = rate_shared_take(ctx->api->rate_shared, ctx->fast, key, per_minute, now_us,
                                   &shared);
    bool passes = verdict == RATE_PASSED;
    if (verdict != RATE_REFUSED) {
        /* Counted here too, for when Redis goes away. */
        const bool own_passes = rate_limit_take(ctx->api->rate_limit, key, per_minute, now_us,
                                                &own);
        passes = passes || (verdict == RATE_UNKNOWN && own_passes);
    }
    const struct rate_state *s = verdict == RATE_UNKNOWN ? &own : &shared;
    tell(r, s);
    return passes ? ST_OK : too_many(r, s);
}
