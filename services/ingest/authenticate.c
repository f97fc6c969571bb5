/* Who is sending: API keys only, as agents have no session. Answers are kept for a few seconds. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "services/ingest/ingest.h"
#include "store/api_keys.h"

/* Found by the hash of the whole key, so that a hit is as good as a comparison. */
struct cached_key {
    struct principal who;
    int64_t expires_at_us; /* 0: never */
    bool is_known;
};

size_t ingest_key_bytes(void)
{
    return sizeof(struct cached_key);
}

static const char *presented_key(const struct req *r)
{
    const char *key = req_header(r, "X-API-Key");
    if (key)
        return key;
    const char *header = req_header(r, "Authorization");
    static const char scheme[] = "Bearer ";
    if (!header || strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    return header + sizeof(scheme) - 1;
}

static enum status look_up(struct ingest_ctx *ctx, struct arena *arena, const struct api_key *key,
                           struct cached_key *out)
{
    if (cache_get(ctx->ingest->keys, key->hash, sizeof(key->hash), out))
        return ST_OK;
    enum status st = api_key_authenticate(ctx->db, key, arena, &out->who, &out->expires_at_us);
    if (st != ST_OK && st != ST_UNAUTHENTICATED)
        return st;
    out->is_known = st == ST_OK;
    if (out->is_known)
        key_uses_note(ctx->ingest->key_uses, ctx->db, &out->who.api_key_id);
    cache_put(ctx->ingest->keys, key->hash, sizeof(key->hash), out);
    return ST_OK;
}

enum status ingest_authenticate(struct req *r)
{
    if (r->route->scope == SCOPE_PUBLIC)
        return ST_OK;
    const char *text = presented_key(r);
    struct api_key key;
    if (!text || api_key_parse(text, &key) != ST_OK)
        return req_fail(r, ST_UNAUTHENTICATED, NULL, "an API key is needed: X-API-Key or Bearer");
    struct cached_key found = {0};
    enum status st = look_up(r->ctx, r->arena, &key, &found);
    if (st != ST_OK)
        return req_fail(r, st, NULL, "the API key cannot be checked now");
    bool is_expired = found.expires_at_us != 0 && found.expires_at_us <= clock_wall_us();
    if (!found.is_known || is_expired)
        return req_fail(r, ST_UNAUTHENTICATED, NULL, "the API key is not valid");
    if (!principal_may(&found.who, (enum scope)r->route->scope))
        return req_fail(r, ST_FORBIDDEN, "INSUFFICIENT_SCOPE",
                        "Not enough permissions: this needs the scope %s",
                        scope_name((enum scope)r->route->scope));

    struct principal *who = arena_alloc(r->arena, sizeof(*who));
    if (!who)
        return ST_NO_MEMORY;
    *who = found.who;
    r->who = who;
    return ST_OK;
}
