/*
 * libjwt 1.10 signs and compares signatures; everything else about a token is judged here, before
 * and after it: the library takes any length (and copies it to the stack), takes "..", lets the
 * header choose the algorithm, accepts duplicate claims, and never looks at exp or nbf.
 */
#include "auth/jwt.h"

#include <jwt.h>
#include <sodium.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "json/parse.h"

enum {
    LEEWAY_S = 60, /* clocks of two API servers may differ this much */
    PART_BYTES = LIMIT_TOKEN_BYTES
};

static void token_freep(jwt_t **t)
{
    jwt_free(*t);
}
#define AUTO_JWT CLEANUP(token_freep) jwt_t *

static bool is_key_good(const struct jwt_key *key)
{
    return key && key->secret && key->len >= LIMIT_KEY_MIN_BYTES && key->len <= LIMIT_TOKEN_BYTES;
}

static int add_uuid(jwt_t *t, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(id, text);
    return jwt_add_grant(t, name, text);
}

enum status jwt_issue(const struct jwt_key *key, const struct jwt_claims *claims,
                      struct arena *arena, const char **out)
{
    if (!is_key_good(key))
        return ST_INVALID;
    AUTO_JWT t = NULL;
    if (jwt_new(&t) != 0)
        return ST_NO_MEMORY;
    int failed = jwt_add_grant(t, "role", role_name(claims->role));
    failed |= add_uuid(t, "sub", &claims->user_id);
    failed |= add_uuid(t, "org", &claims->org_id);
    failed |= add_uuid(t, "jti", &claims->id);
    failed |= add_uuid(t, "sid", &claims->session);
    failed |= jwt_add_grant_int(t, "epoch", claims->epoch);
    failed |= jwt_add_grant_int(t, "iat", claims->issued_at_s);
    failed |= jwt_add_grant_int(t, "exp", claims->expires_at_s);
    failed |= jwt_set_alg(t, JWT_ALG_HS256, (const unsigned char *)key->secret, (int)key->len);
    if (failed)
        return ST_NO_MEMORY;

    char *encoded = jwt_encode_str(t);
    if (!encoded)
        return ST_NO_MEMORY;
    char *copy = arena_strdup(arena, encoded);
    free(encoded);
    if (!copy)
        return ST_NO_MEMORY;
    *out = copy;
    return ST_OK;
}

static enum status refuse(struct errbuf *err, const char *why)
{
    return err_set(err, ST_UNAUTHENTICATED, "%s", why);
}

struct part {
    const char *text;
    size_t len;
};

/* Exactly three non-empty parts. */
static enum status split(const char *token, struct part part[3], struct errbuf *err)
{
    if (!token || strnlen(token, LIMIT_TOKEN_BYTES + 1) > LIMIT_TOKEN_BYTES)
        return refuse(err, "token is too long");
    const char *p = token;
    for (int i = 0; i < 3; i++) {
        part[i].text = p;
        part[i].len = strcspn(p, ".");
        p += part[i].len;
        if (part[i].len == 0 || *p != (i < 2 ? '.' : '\0'))
            return refuse(err, "not a token");
        p++;
    }
    return ST_OK;
}

/* base64url without padding, holding one strict JSON object. */
static enum status decode(const struct part *part, json_t **out, struct errbuf *err)
{
    unsigned char text[PART_BYTES];
    size_t len = 0;
    if (sodium_base642bin(text, sizeof(text), part->text, part->len, NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return refuse(err, "not a token");
    AUTO_JSON json = NULL;
    enum status st = json_parse((const char *)text, len, &json, NULL);
    if (st == ST_NO_MEMORY)
        return st;
    if (st != ST_OK || !json_is_object(json))
        return refuse(err, "not a token");
    *out = take(&json);
    return ST_OK;
}

/* One algorithm, whatever the header would like; no extension that we would have to understand. */
static enum status check_header(const json_t *header, struct errbuf *err)
{
    const json_t *type = json_object_get(header, "typ");
    if (!str_eq(json_string_value(json_object_get(header, "alg")), "HS256"))
        return refuse(err, "token algorithm is not accepted");
    if ((type && !str_ieq(json_string_value(type), "JWT")) || json_object_get(header, "crit"))
        return refuse(err, "token type is not accepted");
    return ST_OK;
}

static bool get_uuid(const json_t *claims, const char *name, struct uuid *out)
{
    const char *text = json_string_value(json_object_get(claims, name));
    return text && uuid_parse(text, out) == ST_OK;
}

static bool get_int(const json_t *claims, const char *name, int64_t *out)
{
    const json_t *v = json_object_get(claims, name);
    if (!json_is_integer(v))
        return false;
    *out = json_integer_value(v);
    return *out >= 0;
}

static enum status read_claims(const json_t *json, struct jwt_claims *out, struct errbuf *err)
{
    const char *role = json_string_value(json_object_get(json, "role"));
    if (!get_uuid(json, "sub", &out->user_id) || !get_uuid(json, "org", &out->org_id) ||
        !get_uuid(json, "jti", &out->id) || !get_uuid(json, "sid", &out->session) ||
        !get_int(json, "epoch", &out->epoch) || !get_int(json, "iat", &out->issued_at_s) ||
        !get_int(json, "exp", &out->expires_at_s) || !role || role_parse(role, &out->role) != ST_OK)
        return refuse(err, "token claims are incomplete");
    return ST_OK;
}

static enum status check_times(const json_t *json, const struct jwt_claims *c, int64_t now_s,
                               struct errbuf *err)
{
    int64_t not_before = 0;
    if (json_object_get(json, "nbf") && !get_int(json, "nbf", &not_before))
        return refuse(err, "token claims are incomplete");
    if (c->issued_at_s > now_s + LEEWAY_S || not_before > now_s + LEEWAY_S)
        return refuse(err, "token is not valid yet");
    if (c->expires_at_s <= now_s || c->expires_at_s <= c->issued_at_s)
        return refuse(err, "token has expired");
    return ST_OK;
}

enum status jwt_verify(const struct jwt_key *key, const char *token, int64_t now_s,
                       struct jwt_claims *out, struct errbuf *err)
{
    if (!is_key_good(key))
        return err_set(err, ST_INVALID, "signing key is too short");
    struct part part[3];
    TRY(split(token, part, err));
    AUTO_JSON header = NULL;
    AUTO_JSON claims = NULL;
    TRY(decode(&part[0], &header, err));
    TRY(check_header(header, err));
    TRY(decode(&part[1], &claims, err));

    AUTO_JWT t = NULL;
    if (jwt_decode(&t, token, (const unsigned char *)key->secret, (int)key->len) != 0 || !t ||
        jwt_get_alg(t) != JWT_ALG_HS256)
        return refuse(err, "token signature is wrong");

    struct jwt_claims c = {0};
    TRY(read_claims(claims, &c, err));
    TRY(check_times(claims, &c, now_s, err));
    *out = c;
    return ST_OK;
}
