/* Who is calling, may he do this, and has he been calling too often. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "auth/api_key.h"
#include "auth/cache.h"
#include "base/clock.h"
#include "base/str.h"
#include "services/api/api.h"
#include "services/api/forward.h"
#include "services/api/rate.h"
#include "store/api_keys.h"
#include "store/key_uses.h"
#include "store/tokens.h"
#include "store/users.h"

/* What nobody sees without signing in, even where reading is free. */
#define PRIVATE_SCOPES                                                                  \
    (SCOPE_BIT(SCOPE_SELF) | SCOPE_BIT(SCOPE_USERS_READ) | SCOPE_BIT(SCOPE_KEYS_READ) | \
     SCOPE_BIT(SCOPE_CHANNELS_READ))

struct credential {
    const char *text; /* NULL: none */
    bool is_api_key;
};

/* ST_UNAUTHENTICATED: an Authorization header that is not ours to understand. */
static enum status read_credential(const struct req *r, struct credential *out)
{
    const char *key = req_header(r, "X-API-Key");
    const char *authorization = req_header(r, "Authorization");
    *out = (struct credential){0};
    if (key) {
        *out = (struct credential){.text = key, .is_api_key = true};
        return ST_OK;
    }
    if (!authorization)
        return ST_OK;
    if (strncasecmp(authorization, "Bearer ", 7) != 0)
        return ST_UNAUTHENTICATED;
    const char *text = authorization + 7;
    text += strspn(text, " ");
    *out = (struct credential){.text = text, .is_api_key = str_starts(text, "tocsin_")};
    return ST_OK;
}

static enum status spend_address(struct req *r, int64_t per_minute)
{
    if (r->route->flags & ROUTE_NO_RATE)
        return ST_OK;
    const struct rate_key key = rate_key_of_address(&r->peer);
    return rate_spend(r, &key, per_minute);
}

/* 401, counted against the address so that guessing is as slow as knocking. */
static enum status refuse(struct req *r, bool had_credential, const char *why)
{
    const struct rate_key key = rate_key_of_address(&r->peer);
    TRY(rate_spend(r, &key, req_ctx(r)->conf->anonymous_rate));
    reply_header(r, "WWW-Authenticate",
                 had_credential ? "Bearer realm=\"tocsin\", error=\"invalid_token\""
                                : "Bearer realm=\"tocsin\"");
    return req_fail(r, ST_UNAUTHENTICATED, had_credential ? "INVALID_CREDENTIALS" : NULL,
                    "Could not validate credentials: %s", why);
}

/* A caller who has spent his tries must not cost a query. */
static bool may_ask_store(struct req *r)
{
    const struct rate_key key = rate_key_of_address(&r->peer);
    return rate_limit_has(req_ctx(r)->api->rate_limit, &key, req_ctx(r)->conf->anonymous_rate,
                          r->received_mono_us, NULL);
}

static enum status by_token(struct req *r, const char *token, struct auth_entry *out,
                            struct errbuf *why)
{
    const struct api_ctx *ctx = req_ctx(r);
    struct jwt_claims claims;
    struct session s;
    TRY(jwt_verify(&ctx->api->jwt, token, clock_wall_us() / 1000000, &claims, why));
    const enum status st = session_find(ctx->db, &claims.user_id, &claims.session, r->arena, &s);
    if (st == ST_NOT_FOUND)
        return err_set(why, ST_UNAUTHENTICATED, "the user is gone");
    TRY(st);
    if (!s.is_active || !s.is_live || s.epoch != claims.epoch ||
        !uuid_eq(&s.org_id, &claims.org_id))
        return err_set(why, ST_UNAUTHENTICATED, "the session has ended");
    out->who = (struct principal){.org_id = s.org_id,
                                  .user_id = claims.user_id,
                                  .session = claims.session,
                                  .role = s.role,
                                  .scopes = role_scopes(s.role)};
    out->expires_us = claims.expires_at_s * 1000000;
    return ST_OK;
}

static enum status by_api_key(struct req *r, const char *text, struct auth_entry *out,
                              struct errbuf *why)
{
    struct api_key key;
    if (api_key_parse(text, &key) != ST_OK)
        return err_set(why, ST_UNAUTHENTICATED, "not an API key");
    if (!may_ask_store(r))
        return err_set(why, ST_UNAUTHENTICATED, "too many attempts");
    const enum status st = api_key_authenticate(req_ctx(r)->db, &key, r->arena, &out->who,
                                                &out->expires_us);
    if (st == ST_UNAUTHENTICATED)
        return err_set(why, st, "the API key is unknown, revoked or expired");
    TRY(st);
    key_uses_note(req_ctx(r)->api->key_uses, req_ctx(r)->db, &out->who.api_key_id);
    return ST_OK;
}

/* By the hash of the whole credential: what was proved once is believed for 5 s. */
static enum status identify(struct req *r, const struct credential *c, struct auth_entry *out,
                            struct errbuf *why)
{
    struct auth_cache *cache = req_ctx(r)->api->auth_cache;
    struct auth_entry e = {0};
    if (strlen(c->text) > LIMIT_TOKEN_BYTES)
        return err_set(why, ST_UNAUTHENTICATED, "token is too long");
    auth_cache_key(c->text, e.key);
    const int64_t asked_us = clock_mono_us();
    if (!auth_cache_get(cache, e.key, asked_us, &e)) {
        TRY(c->is_api_key ? by_api_key(r, c->text, &e, why) : by_token(r, c->text, &e, why));
        auth_cache_put(cache, &e, asked_us);
    }
    if (e.expires_us != 0 && e.expires_us <= clock_wall_us())
        return err_set(why, ST_UNAUTHENTICATED, "the token or key has expired");
    *out = e;
    return ST_OK;
}

/* TOCSIN_AUTH=none: everybody is the owner on a loopback listener, elsewhere everybody may look. */
static enum status by_nothing(struct req *r, struct auth_entry *out)
{
    const struct api_ctx *ctx = req_ctx(r);
    struct auth_entry e = {0}; /* no credential hashes to this key */
    const int64_t asked_us = clock_mono_us();
    if (!auth_cache_get(ctx->api->auth_cache, e.key, asked_us, &e)) {
        struct user owner;
        const enum status st = user_first_owner(ctx->db, r->arena, &owner);
        if (st == ST_NOT_FOUND)
            return req_fail(r, ST_UNAVAILABLE, "NOT_SET_UP",
                            "there is no user yet; run `tocsin bootstrap`");
        TRY(st);
        e.who = (struct principal){.org_id = owner.org_id,
                                   .user_id = ctx->api->is_loopback ? owner.id : (struct uuid){{0}},
                                   .role = ctx->api->is_loopback ? ROLE_OWNER : ROLE_VIEWER,
                                   .scopes = ctx->api->is_loopback
                                                 ? role_scopes(ROLE_OWNER)
                                                 : role_scopes(ROLE_VIEWER) & ~PRIVATE_SCOPES};
        auth_cache_put(ctx->api->auth_cache, &e, asked_us);
    }
    *out = e;
    return ST_OK;
}

/* Counts a signed-in request, and looks whether it is permitted. */
static enum status admit(struct req *r, const struct principal *found)
{
    struct principal *who = arena_alloc(r->arena, sizeof(*who));
    if (!who)
        return ST_NO_MEMORY;
    *who = *found;
    r->who = who;
    r->log_org = who->org_id;
    r->log_user = who->user_id;

    const struct uuid *id = uuid_is_nil(&who->api_key_id) ? &who->user_id : &who->api_key_id;
    const int64_t most = req_ctx(r)->conf->credential_rate;
    struct rate_key key = {.kind = RATE_CREDENTIAL};
    memcpy(key.bytes, id->b, sizeof(key.bytes));
    if (!(r->route->flags & ROUTE_NO_RATE))
        TRY(rate_spend(r, &key, who->rate_limit > 0 ? MIN_OF(who->rate_limit, most) : most));

    const enum scope scope = (enum scope)r->route->scope;
    if (!principal_may(who, scope))
        return req_fail(r, ST_FORBIDDEN, "INSUFFICIENT_SCOPE",
                        "Not enough permissions: this needs the scope %s", scope_name(scope));
    return ST_OK;
}

static bool is_reading(const struct req *r)
{
    return r->method == M_GET || r->method == M_HEAD || r->method == M_OPTIONS;
}

/* Where no credential is sent but what the browser or the network adds by itself, another site
 * could make the browser act for its user; browsers tell (Fetch Metadata). */
static enum status need_own_site(struct req *r)
{
    const char *site = req_header(r, "Sec-Fetch-Site");
    if (is_reading(r) || !site || str_eq(site, "same-origin") || str_eq(site, "none"))
        return ST_OK;
    return req_fail(r, ST_FORBIDDEN, NULL, "Not permitted from another site");
}

static enum status admit_forwarded(struct req *r)
{
    struct errbuf why = {""};
    struct auth_entry e;
    TRY(need_own_site(r));
    const enum status st = forward_identify(r, &e, &why);
    if (st == ST_UNAUTHENTICATED)
        return refuse(r, true, why.text);
    if (st == ST_FORBIDDEN)
        return req_fail(r, st, NULL, "Not permitted: %s", why.text);
    TRY(st);
    return admit(r, &e.who);
}

static enum status admit_anybody(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    TRY(need_own_site(r));
    struct auth_entry e;
    TRY(by_nothing(r, &e));
    if (!uuid_is_nil(&e.who.user_id))
        return admit(r, &e.who);

    TRY(spend_address(r, ctx->conf->anonymous_rate));
    if (!principal_may(&e.who, (enum scope)r->route->scope))
        return refuse(r, false, "this needs signing in");
    r->who = arena_alloc(r->arena, sizeof(*r->who));
    if (!r->who)
        return ST_NO_MEMORY;
    *r->who = e.who;
    return ST_OK;
}

/* Tells the thread's connection whose changes come now, for the audit log. A handler that was
 * parked goes on in any thread: none of those writes then. */
static enum status note_actor(struct req *r)
{
    struct db *db = req_ctx(r)->db;
    if (is_reading(r))
        return db_set_actor(db, NULL);
    const struct principal *who = r->who;
    const bool is_key = who && !uuid_is_nil(&who->api_key_id);
    AUTO_BUF out;
    struct jw w;
    buf_init(&out, LIMIT_DB_ACTOR_BYTES);
    jw_init(&w, &out);
    jw_object(&w);
    jw_kv_str(&w, "type", is_key ? "api_key" : who ? "user" : "anonymous");
    if (who) {
        jw_kv_uuid(&w, "user_id", &who->user_id);
        jw_kv_uuid(&w, "api_key_id", &who->api_key_id);
    }
    jw_kv_str(&w, "address", req_peer_text(r));
    jw_kv_str(&w, "request_id", r->request_id);
    jw_end(&w);
    TRY(buf_status(&out));
    return db_set_actor(db, buf_cstr(&out));
}

static enum status authenticate(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    if (r->route->scope == SCOPE_PUBLIC)
        return spend_address(r, ctx->conf->anonymous_rate);

    if (ctx->api->forward_roles && forward_has_user(r))
        return admit_forwarded(r);
    struct credential c;
    if (read_credential(r, &c) != ST_OK)
        return refuse(r, true, "the Authorization scheme must be Bearer");
    if (!c.text && ctx->api->is_auth_off)
        return admit_anybody(r);
    if (!c.text)
        return refuse(r, false,
                      ctx->api->forward_roles && req_header(r, "Remote-User")
                          ? "Remote-User is believed from TOCSIN_TRUSTED_PROXIES only"
                          : "none given");

    struct errbuf why = {""};
    struct auth_entry e;
    const enum status st = identify(r, &c, &e, &why);
    if (st == ST_UNAUTHENTICATED)
        return refuse(r, true, why.text);
    TRY(st);
    return admit(r, &e.who);
}

enum status api_authenticate(struct req *r)
{
    if (!r->route)
        return ST_OK;
    TRY(authenticate(r));
    return note_actor(r);
}
