/*
 * Idempotency-Key (IETF draft httpapi-idempotency-key-header). Where all that a route does is in
 * the database (ROUTE_ATOMIC), key, effect and reply are one transaction: after a crash either all
 * of it is there or nothing. Elsewhere the key is taken first, and after a crash nobody can tell
 * what became of the request: it is never done again by itself.
 */
#include <sodium.h>
#include <string.h>

#include "auth/cache.h"
#include "base/crash.h"
#include "base/str.h"
#include "log/log.h"
#include "services/api/hooks.h"
#include "store/idempotency.h"

struct idempotent {
    struct idempotency_key key;
    bool is_atomic;
};

enum status idempotency_seal_new(const struct jwt_key *jwt, struct seal_keys **out)
{
    static const char purpose[] = "tocsin: replies kept for idempotency keys";
    unsigned char key[32];
    char hex[2 * sizeof(key) + 1];
    (void)crypto_generichash(key, sizeof(key), (const unsigned char *)purpose, sizeof(purpose),
                             (const unsigned char *)jwt->secret,
                             MIN_OF(jwt->len, (size_t)crypto_generichash_KEYBYTES_MAX));
    str_hex(key, sizeof(key), hex);
    const enum status st = seal_keys_new(hex, out, NULL);
    sodium_memzero(key, sizeof(key));
    sodium_memzero(hex, sizeof(hex));
    return st;
}

static struct seal_place place_of(const struct idempotent *i)
{
    return (struct seal_place){"idempotency_keys", i->key.owner_id, i->key.key};
}

/* The draft has a string in quotes (RFC 8941); most clients send it bare. */
static enum status read_key(struct req *r, const char *text, const char **out)
{
    size_t len = strlen(text);
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text++;
        len -= 2;
    }
    bool is_good = len > 0 && len <= LIMIT_IDEMPOTENCY_KEY_BYTES;
    for (size_t i = 0; i < len && is_good; i++)
        is_good = text[i] > 0x20 && text[i] < 0x7f && text[i] != '"' && text[i] != '\\';
    if (!is_good)
        return req_fail(r, ST_MALFORMED, "IDEMPOTENCY_KEY_MALFORMED",
                        "Idempotency-Key must be 1 to %d visible characters without quotes",
                        LIMIT_IDEMPOTENCY_KEY_BYTES);
    *out = arena_strndup(r->arena, text, len);
    return *out ? ST_OK : ST_NO_MEMORY;
}

static void take_fingerprint(const struct req *r, unsigned char *out)
{
    crypto_generichash_state s;
    const char *method = http_method_name(r->method);
    (void)crypto_generichash_init(&s, NULL, 0, IDEMPOTENCY_FINGERPRINT_BYTES);
    (void)crypto_generichash_update(&s, (const unsigned char *)method, strlen(method) + 1);
    (void)crypto_generichash_update(&s, (const unsigned char *)r->target, strlen(r->target) + 1);
    (void)crypto_generichash_update(&s, (const unsigned char *)r->body, r->body_len);
    (void)crypto_generichash_final(&s, out, IDEMPOTENCY_FINGERPRINT_BYTES);
}

/* --- kept replies: content type, Location and ETag, a line each, and the body --- */

static const char *header_set(const struct req *r, const char *name)
{
    for (size_t i = 0; i < r->reply_header_count; i++) {
        if (str_ieq(r->reply_headers[i].name, name))
            return r->reply_headers[i].value;
    }
    return "";
}

/* NULL: it cannot be kept. */
static const char *pack(struct req *r)
{
    if (r->out.len > LIMIT_IDEMPOTENCY_REPLY_BYTES ||
        (r->out.len > 0 && memchr(r->out.data, '\0', r->out.len)))
        return NULL;
    return arena_printf(r->arena, "%s\n%s\n%s\n%s", r->content_type ? r->content_type : "",
                        header_set(r, "Location"), r->etag, buf_cstr(&r->out));
}

static const char *next_line(struct req *r, const char **at)
{
    const size_t len = strcspn(*at, "\n");
    const char *line = arena_strndup(r->arena, *at, len);
    *at += len + ((*at)[len] == '\n');
    return line;
}

static enum status unpack(struct req *r, int status, const char *text)
{
    const char *type = next_line(r, &text);
    const char *location = next_line(r, &text);
    const char *etag = next_line(r, &text);
    if (!type || !location || !etag)
        return ST_NO_MEMORY;
    if (type[0] != '\0')
        reply_text(r, status, type, text, strlen(text));
    else
        reply_empty(r, status);
    if (location[0] != '\0')
        reply_header(r, "Location", location);
    (void)str_copy(r->etag, sizeof(r->etag), etag);
    reply_header(r, "Idempotency-Replayed", "true");
    return ST_OK;
}

static enum status in_use(struct req *r)
{
    reply_header(r, "Retry-After", "1");
    return req_fail(r, ST_CONFLICT, "IDEMPOTENCY_KEY_IN_USE",
                    "the first request with this Idempotency-Key is still being worked on");
}

/* The first one began, and nobody knows its end. */
static enum status take_over(struct req *r, const struct idempotent *i)
{
    const enum status st = idempotency_reclaim(req_ctx(r)->db, r->arena, &i->key);
    return st == ST_CONFLICT ? in_use(r) : st;
}

/* The key was taken before. */
static enum status repeat(struct req *r, const struct idempotent *i,
                          const struct idempotency_record *record)
{
    if (!record->is_same)
        return req_fail(r, ST_INVALID, "IDEMPOTENCY_KEY_REUSED",
                        "this Idempotency-Key came with another request before");
    if (record->status == 0 && record->is_running)
        return in_use(r);
    if (record->status == 0 && (r->route->flags & ROUTE_REPEATABLE))
        return take_over(r, i);
    const struct seal_place place = place_of(i);
    const char *text = NULL;
    if (record->status == 0 || !record->reply ||
        seal_open(req_ctx(r)->api->reply_seal, &place, record->reply, record->reply_len, r->arena,
                  &text) != ST_OK)
        return req_fail(r, ST_CONFLICT, "IDEMPOTENCY_INDETERMINATE",
                        "a request with this Idempotency-Key was begun, and its reply is not "
                        "known; look whether it had its effect before you use another key");
    return unpack(r, record->status, text);
}

static enum status claim(struct req *r, struct idempotent *i)
{
    struct db *db = req_ctx(r)->db;
    struct idempotency_record record;
    bool is_ours = true;
    if (i->is_atomic) {
        TRY(idempotency_lock(db, r->arena, &i->key, &is_ours));
        if (!is_ours)
            return in_use(r);
    }
    const enum status st = idempotency_claim(db, r->arena, &i->key, &record);
    return st == ST_CONFLICT ? repeat(r, i, &record) : st;
}

enum status idempotency_begin(struct req *r)
{
    const char *text = req_header(r, "Idempotency-Key");
    if (!text || !r->who)
        return ST_OK;
    struct idempotent *i = arena_alloc(r->arena, sizeof(*i));
    if (!i)
        return ST_NO_MEMORY;
    *i = (struct idempotent){
        .key = {.org_id = r->who->org_id,
                .owner_id = uuid_is_nil(&r->who->user_id) ? r->who->api_key_id : r->who->user_id},
        .is_atomic = (r->route->flags & ROUTE_ATOMIC) != 0};
    TRY(read_key(r, text, &i->key.key));
    take_fingerprint(r, i->key.fingerprint);
    if (i->is_atomic)
        TRY(db_hold(req_ctx(r)->db));

    const enum status st = claim(r, i);
    if (st == ST_OK && r->status == 0) {
        r->hook_state = i;
        r->may_not_park = i->is_atomic;
    } else if (i->is_atomic) {
        return db_hold_end(req_ctx(r)->db, false) == ST_OK ? st : ST_UNAVAILABLE;
    }
    return st;
}

/* Writes the reply beside the key. */
static enum status keep(struct req *r, const struct idempotent *i)
{
    const struct seal_place place = place_of(i);
    const char *text = pack(r);
    unsigned char *sealed = NULL;
    size_t len = 0;
    if (text)
        TRY(seal_close(req_ctx(r)->api->reply_seal, &place, text, r->arena, &sealed, &len));
    return idempotency_finish(req_ctx(r)->db, r->arena, &i->key, r->status, sealed, len);
}

/* What failed had no effect, and may be tried again; so does what could not be committed. */
static enum status end_atomic(struct req *r, const struct idempotent *i)
{
    struct db *db = req_ctx(r)->db;
    const bool is_done = r->status < 300;
    if (!is_done && !(r->route->flags & ROUTE_COUNTS_FAILURES))
        return db_hold_end(db, false);
    const enum status st = is_done ? keep(r, i) : idempotency_forget(db, r->arena, &i->key);
    if (st == ST_OK) {
        CRASH_AT("api.before_commit");
        const enum status end = db_hold_end(db, true);
        /* What the handler told the cache of sessions was not yet true for others. */
        auth_cache_forget(req_ctx(r)->api->auth_cache, &r->who->user_id);
        return end;
    }
    if (db_hold_end(db, false) != ST_OK)
        return ST_UNAVAILABLE;
    return st;
}

/* The effect stands, whether or not this can be written down: the client gets its reply. */
static void end_other(struct req *r, const struct idempotent *i)
{
    const enum status st = r->status >= 500 ? idempotency_forget(req_ctx(r)->db, r->arena, &i->key)
                                            : keep(r, i);
    if (st != ST_OK)
        log_warn("idempotency_not_kept", kv_status(st), kv_str("request_id", r->request_id));
}

enum status idempotency_end(struct req *r)
{
    const struct idempotent *i = r->hook_state;
    if (!i)
        return ST_OK;
    r->hook_state = NULL;
    CRASH_AT("api.after_effect");
    if (!i->is_atomic) {
        end_other(r, i);
        return ST_OK;
    }
    const int status = r->status;
    const enum status st = end_atomic(r, i);
    if (st == ST_OK || status >= 400)
        return ST_OK;
    /* What it says was not done. */
    r->status = 0;
    r->etag[0] = '\0';
    r->version = 0;
    return st;
}

struct uuid idempotency_id(const struct req *r, const struct uuid *of)
{
    const struct idempotent *i = r->hook_state;
    struct uuid id = uuid_new();
    if (r->method != M_POST || !i)
        return id;
    static const char purpose[] = "id of a request's effect";
    crypto_generichash_state s;
    unsigned char hash[32];
    (void)crypto_generichash_init(&s, NULL, 0, sizeof(hash));
    (void)crypto_generichash_update(&s, (const unsigned char *)purpose, sizeof(purpose));
    (void)crypto_generichash_update(&s, i->key.org_id.b, sizeof(i->key.org_id.b));
    (void)crypto_generichash_update(&s, i->key.owner_id.b, sizeof(i->key.owner_id.b));
    (void)crypto_generichash_update(&s, i->key.fingerprint, sizeof(i->key.fingerprint));
    if (of)
        (void)crypto_generichash_update(&s, of->b, sizeof(of->b));
    (void)crypto_generichash_update(&s, (const unsigned char *)i->key.key, strlen(i->key.key));
    (void)crypto_generichash_final(&s, hash, sizeof(hash));
    /* Of version 8 (RFC 9562): what we made it of. */
    memcpy(id.b, hash, sizeof(id.b));
    id.b[6] = (unsigned char)((id.b[6] & 0x0f) | 0x80);
    id.b[8] = (unsigned char)((id.b[8] & 0x3f) | 0x80);
    return id;
}

enum status idempotency_job(struct req *r, const struct uuid *of, struct job *job)
{
    if (r->method != M_POST || !r->hook_state)
        return ST_OK;
    char id[UUID_TEXT_BYTES];
    job->id = idempotency_id(r, of);
    uuid_format(&job->id, id);
    job->idempotency = arena_strdup(r->arena, id);
    job->idempotency_ttl_ms = LIMIT_IDEMPOTENCY_KEEP_MS;
    return job->idempotency ? ST_OK : ST_NO_MEMORY;
}
