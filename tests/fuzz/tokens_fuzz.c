/* Whatever is presented as a token or an API key is refused unless it is one. */
#include <sodium.h>

#include "auth/api_key.h"
#include "auth/jwt.h"
#include "auth/totp.h"
#include "tests/fuzz/fuzz.h"

static const char secret[] = "0123456789abcdef0123456789abcdef";
static const struct jwt_key key = {secret, sizeof(secret) - 1};

static void must_refuse(const char *token)
{
    struct jwt_claims claims;
    struct errbuf err = {""};
    MUST(jwt_verify(&key, token, 1700000000, &claims, &err) == ST_UNAUTHENTICATED);
    MUST(err.text[0]);
}

/* Signed as it should be, so that what is behind the signature is reached: "header.payload" are
 * built of the input, '\n' between them. */
static void check_signed(const uint8_t *data, size_t size)
{
    enum { VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING, ROOM = 8192 };
    char token[ROOM];
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    struct jwt_claims claims;
    const uint8_t *end = memchr(data, '\n', size);
    if (!end || size > 4096)
        return;
    const size_t head = (size_t)(end - data);
    (void)sodium_bin2base64(token, ROOM, data, head, VARIANT);
    size_t len = strlen(token);
    token[len++] = '.';
    (void)sodium_bin2base64(token + len, ROOM - len, end + 1, size - head - 1, VARIANT);
    len = strlen(token);
    crypto_auth_hmacsha256(mac, (const unsigned char *)token, len, (const unsigned char *)secret);
    token[len++] = '.';
    (void)sodium_bin2base64(token + len, ROOM - len, mac, sizeof(mac), VARIANT);
    if (jwt_verify(&key, token, 1700000000, &claims, NULL) != ST_OK)
        return;
    MUST(claims.expires_at_s > 1700000000 && !uuid_is_nil(&claims.user_id));
}

/* One-time passwords, recovery codes and secrets of apps, as typed. */
static void check_codes(const char *text)
{
    static const char app[] = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    unsigned char hash[RECOVERY_HASH_BYTES];
    int64_t step = -1;
    uint32_t code = 0;
    if (totp_verify(app, text, 1700000000, 0, &step) == ST_OK)
        MUST(totp_looks_like_code(text) && step > 0);
    if (recovery_code_hash(text, hash) == ST_OK)
        MUST(!totp_looks_like_code(text));
    if (totp_code(text, 1, TOTP_DIGITS, &code) == ST_OK)
        MUST(code < 1000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of_input(data, size);
    struct api_key k;
    must_refuse(text);
    check_signed(data, size);
    check_codes(text);
    if (api_key_parse(text, &k) == ST_OK)
        MUST(strcmp(k.text, text) == 0 && strncmp(k.prefix, text, strlen(k.prefix)) == 0);
    free(text);
    return 0;
}
