/*
 * Configuration of a webhook channel, and the secret that signs its requests (Standard Webhooks
 * 1.0.0, "Symmetric signatures": HMAC-SHA256, serialised as whsec_<base64>).
 */
#ifndef TOCSIN_CHANNELS_WEBHOOK_H
#define TOCSIN_CHANNELS_WEBHOOK_H

#include "base/buf.h"
#include "channels/channel.h"

enum {
    WEBHOOK_KEY_MIN = 24, /* bytes of a key, as the specification demands */
    WEBHOOK_KEY_MAX = 64,
    WEBHOOK_KEY_NEW = 32,
    WEBHOOK_SECRET_BYTES = 128,   /* room for the text of any secret */
    WEBHOOK_SIGNATURE_BYTES = 64, /* … and of a signature: "v1," and 44 characters */
    WEBHOOK_TIMEOUT_S = 15
};

struct webhook_config {
    struct in_str url;
    struct in_str secret;   /* whsec_…; absent: requests are not signed */
    struct in_json headers; /* object of texts */
    struct in_f64 timeout;  /* s */
};

/* NULL when the text is a secret, else why not: for schema tables. */
FOR_TESTS const char *webhook_secret_check(const char *text);
/* "v1,<base64>" of HMAC-SHA256 over "<id>.<timestamp>.<body>". ST_INVALID: not a secret. */
NODISCARD enum status webhook_sign(const char *secret, const char *id, int64_t timestamp_s,
                                   const void *body, size_t body_len,
                                   char out[WEBHOOK_SIGNATURE_BYTES]);

#endif
