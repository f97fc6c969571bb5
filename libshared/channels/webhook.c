/* webhook: signed POST requests. */
#include "channels/webhook.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/rand.h"
#include "base/str.h"
#include "net/header.h"
#include "net/url.h"

static const char prefix[] = "whsec_";

/* Headers that the notifier sets, and those that would break the request's framing. */
static const char *const reserved[] = {
    "host",       "content-length", "content-type", "transfer-encoding",
    "connection", "expect",         "trailer",      "te",
    "upgrade",    "webhook-",       "user-agent",   NULL};

static enum status decode(const char *text, unsigned char key[WEBHOOK_KEY_MAX], size_t *len)
{
    if (!str_starts(text, prefix))
        return ST_INVALID;
    const char *code = text + sizeof(prefix) - 1;
    const char *end = NULL;
    size_t n = 0;
    if (sodium_base642bin(key, WEBHOOK_KEY_MAX, code, strlen(code), NULL, &n, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        *end != '\0' || n < WEBHOOK_KEY_MIN)
        return ST_INVALID;
    *len = n;
    return ST_OK;
}

const char *webhook_secret_check(const char *text)
{
    unsigned char key[WEBHOOK_KEY_MAX];
    size_t len = 0;
    enum status st = decode(text, key, &len);
    sodium_memzero(key, sizeof(key));
    return st == ST_OK ? NULL : "must be whsec_ and the base64 of 24 to 64 bytes";
}

/* Of WEBHOOK_KEY_NEW random bytes. */
static void new_secret(char out[WEBHOOK_SECRET_BYTES])
{
    unsigned char key[WEBHOOK_KEY_NEW];
    rand_bytes(key, sizeof(key));
    (void)str_copy(out, WEBHOOK_SECRET_BYTES, prefix);
    size_t used = sizeof(prefix) - 1;
    (void)sodium_bin2base64(out + used, WEBHOOK_SECRET_BYTES - used, key, sizeof(key),
                            sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(key, sizeof(key));
}

enum status webhook_sign(const char *secret, const char *id, int64_t timestamp_s, const void *body,
                         size_t body_len, char out[WEBHOOK_SIGNATURE_BYTES])
{
    unsigned char key[WEBHOOK_KEY_MAX];
    size_t key_len = 0;
    TRY(decode(secret, key, &key_len));

    char stamp[32];
    int stamp_len = snprintf(stamp, sizeof(stamp), ".%" PRId64 ".", timestamp_s);
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    (void)crypto_auth_hmacsha256_init(&state, key, key_len);
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)id, strlen(id));
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)stamp,
                                        (unsigned long long)stamp_len);
    (void)crypto_auth_hmacsha256_update(&state, body, body_len);
    (void)crypto_auth_hmacsha256_final(&state, mac);
    sodium_memzero(key, sizeof(key));
    sodium_memzero(&state, sizeof(state));

    (void)str_copy(out, WEBHOOK_SIGNATURE_BYTES, "v1,");
    (void)sodium_bin2base64(out + 3, WEBHOOK_SIGNATURE_BYTES - 3, mac, sizeof(mac),
                            sodium_base64_VARIANT_ORIGINAL);
    return ST_OK;
}

#define AT(member) offsetof(struct webhook_config, member)
static const struct field fields[] = {
    {.name = "url",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(url),
     .min = 1,
     .max = LIMIT_URL_BYTES,
     .check = url_check_http,
     .format = "http-url",
     .help = "Where the request is sent to",
     .example = "\"https://hooks.example.com/tocsin\""},
    {.name = "secret",
     .type = FT_STRING,
     .flags = F_SECRET | F_NULLABLE,
     .offset = AT(secret),
     .max = WEBHOOK_SECRET_BYTES,
     .check = webhook_secret_check,
     .pattern = "^whsec_([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{4}|[A-Za-z0-9+/][AQgw]==|"
                "[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$",
     .help = "Key of the signature (Standard Webhooks); made when absent and shown once"},
    {.name = "headers",
     .type = FT_MAP,
     .offset = AT(headers),
     .rules = HEADERS_RULES,
     .help = "More request headers, an object of strings",
     .example = "{\"X-Team\":\"web\"}"},
    {.name = "timeout",
     .type = FT_NUMBER,
     .offset = AT(timeout),
     .min = 1,
     .max = WEBHOOK_TIMEOUT_S,
     .help = "Seconds that the receiver may take (default: 15)",
     .example = "10"},
};
static const struct schema config = SCHEMA("WebhookChannelConfig", struct webhook_config, fields);

static void check(const void *bound, struct field_errors *errors)
{
    const struct webhook_config *c = bound;
    if (c->headers.set && !c->headers.null)
        headers_check("config.headers", c->headers.v, reserved, errors);
}

static enum status complete(json_t *given)
{
    if (json_is_string(json_object_get(given, "secret")))
        return ST_OK;
    char secret[WEBHOOK_SECRET_BYTES];
    new_secret(secret);
    return json_object_set_new(given, "secret", json_string(secret)) == 0 ? ST_OK : ST_NO_MEMORY;
}

const struct channel_type channel_type_webhook = {
    .name = "webhook",
    .summary = "A signed POST request",
    .config = &config,
    .check = check,
    .complete = complete,
};
