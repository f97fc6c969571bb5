/* A daemon refuses to run when one of the checks that its security rests on does not hold: a
 * library of another version, or one built differently, is found here and not by an attacker. */
#include "daemon/daemon.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "auth/api_key.h"
#include "auth/jwt.h"
#include "auth/password.h"
#include "auth/seal.h"
#include "base/str.h"
#include "json/parse.h"
#include "net/egress.h"
#include "net/url.h"

static bool json_is_strict(void)
{
    static const struct {
        const char *text;
        size_t len;
        bool good;
    } cases[] = {
        {"{\"a\":1}", 7, true},
        {"{\"a\":1\0}", 8, false},
        {"{\"a\":1,\"a\":2}", 13, false},
        {"{\"a\":\"\\u0000\"}", 14, false},
        {"[1] x", 5, false},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", 80,
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_JSON json = NULL;
        if ((json_parse(cases[i].text, cases[i].len, &json, NULL) == ST_OK) != cases[i].good)
            return false;
    }
    return true;
}

static bool jwt_is_strict(struct arena *arena)
{
    const struct jwt_key key = {"self-test-key-of-thirty-two-bytes", 33};
    const struct jwt_key other = {"another-test-key-of-thirty-2-bytes", 34};
    const struct jwt_key shorter = {"too short", 9};
    const struct jwt_claims claims = {.user_id = uuid_new(),
                                      .org_id = uuid_new(),
                                      .role = ROLE_OPERATOR,
                                      .epoch = 1,
                                      .issued_at_s = 1000,
                                      .expires_at_s = 2000,
                                      .id = uuid_new()};
    struct jwt_claims back;
    const char *token = NULL;
    if (jwt_issue(&key, &claims, arena, &token) != ST_OK ||
        jwt_issue(&shorter, &claims, arena, &token) == ST_OK)
        return false;
    if (jwt_verify(&key, token, 1500, &back, NULL) != ST_OK ||
        !uuid_eq(&back.user_id, &claims.user_id))
        return false;
    /* {"alg":"none"} . {} . nothing, and with something in place of the signature */
    return jwt_verify(&key, token, 2500, &back, NULL) != ST_OK &&
           jwt_verify(&other, token, 1500, &back, NULL) != ST_OK &&
           jwt_verify(&key, "..", 1500, &back, NULL) != ST_OK &&
           jwt_verify(&key, "eyJhbGciOiJub25lIn0.e30.", 1500, &back, NULL) != ST_OK &&
           jwt_verify(&key, "eyJhbGciOiJub25lIn0.e30.AAAA", 1500, &back, NULL) != ST_OK;
}

static bool password_is_sound(void)
{
    char hash[PASSWORD_HASH_BYTES];
    return password_hash("correct horse", hash) == ST_OK && str_starts(hash, "$argon2id$") &&
           password_verify(hash, "correct horse") == ST_OK &&
           password_verify(hash, "correct hors") != ST_OK;
}

static bool seal_is_sound(struct arena *arena)
{
    static const char keys[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const struct seal_place place = {"t", uuid_new(), "c"};
    const struct seal_place moved = {"t", uuid_new(), "c"};
    struct seal_keys *k = NULL;
    unsigned char *sealed = NULL;
    size_t len = 0;
    const char *text = NULL;
    if (seal_keys_new(keys, &k, NULL) != ST_OK)
        return false;
    bool ok = seal_close(k, &place, "secret", arena, &sealed, &len) == ST_OK &&
              seal_open(k, &place, sealed, len, arena, &text) == ST_OK && str_eq(text, "secret") &&
              seal_open(k, &moved, sealed, len, arena, &text) != ST_OK;
    if (ok) {
        sealed[len - 1] ^= 1;
        ok = seal_open(k, &place, sealed, len, arena, &text) != ST_OK;
    }
    seal_keys_free(k);
    return ok;
}

static bool egress_decides(const struct egress *e, const char *address, bool allowed)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    const struct sockaddr *a = (const struct sockaddr *)&v4;
    if (inet_pton(AF_INET, address, &v4.sin_addr) != 1) {
        if (inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
            return false;
        a = (const struct sockaddr *)&v6;
    }
    return (egress_check(e, a, NULL) == ST_OK) == allowed;
}

static bool egress_is_sound(void)
{
    struct egress *e = NULL;
    if (egress_new("strict", "", "", &e, NULL) != ST_OK)
        return false;
    bool ok = egress_decides(e, "8.8.8.8", true) && egress_decides(e, "127.0.0.1", false) &&
              egress_decides(e, "10.0.0.1", false) && egress_decides(e, "169.254.169.254", false) &&
              egress_decides(e, "::1", false) && egress_decides(e, "::ffff:127.0.0.1", false) &&
              egress_decides(e, "64:ff9b::7f00:1", false);
    egress_free(e);
    return ok;
}

static bool url_is_strict(void)
{
    static const char *const bad[] = {"http://2130706433/", "http://0x7f.1/", "file:///etc/passwd",
                                      "http://a\\@b/", "http://"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (!url_check_http(bad[i]))
            return false;
    }
    return url_check_http("https://example.com/path?q=1") == NULL;
}

static bool api_key_is_sound(void)
{
    struct api_key fresh;
    struct api_key parsed;
    api_key_new(&fresh);
    return api_key_parse(fresh.text, &parsed) == ST_OK &&
           api_key_hash_eq(fresh.hash, parsed.hash) && str_eq(fresh.prefix, parsed.prefix) &&
           api_key_parse("tocsin_short", &parsed) != ST_OK;
}

enum status self_test(struct errbuf *err)
{
    AUTO_ARENA arena = arena_new(65536);
    if (!arena)
        return ST_NO_MEMORY;
    const struct {
        const char *name;
        bool ok;
    } results[] = {
        {"JSON", json_is_strict()},        {"JWT", jwt_is_strict(arena)},
        {"password", password_is_sound()}, {"seal", seal_is_sound(arena)},
        {"egress", egress_is_sound()},     {"URL", url_is_strict()},
        {"API key", api_key_is_sound()},
    };
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        if (!results[i].ok)
            return err_set(err, ST_CORRUPT, "the self-test of %s failed", results[i].name);
    }
    return ST_OK;
}
