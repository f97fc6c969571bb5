/*
 * Time-based one-time passwords (RFC 6238 over RFC 4226) as authenticator apps have them:
 * HMAC-SHA-1, 30 s, 6 digits; and recovery codes for whoever lost his app.
 */
#ifndef TOCSIN_AUTH_TOTP_H
#define TOCSIN_AUTH_TOTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/defs.h"
#include "base/status.h"

enum {
    TOTP_STEP_S = 30,
    TOTP_DIGITS = 6,
    TOTP_SECRET_BYTES = 20, /* RFC 4226, 4: R6 */
    TOTP_SECRET_TEXT = 33,  /* 32 base32 digits */
    TOTP_SKEW_STEPS = 1,    /* one's clock may be half a minute off, either way */
    RECOVERY_CODES = 10,
    RECOVERY_CODE_TEXT = 20, /* "abcd-efgh-ijkl-mnop": 80 bits */
    RECOVERY_HASH_BYTES = 32
};

/* A fresh secret in base32 (RFC 4648), as apps take it. */
void totp_secret_new(char out[TOTP_SECRET_TEXT]);
/* The code of one step as a number below 10^digits (6 to 9). ST_INVALID: the secret is no base32.
 */
FOR_TESTS NODISCARD enum status totp_code(const char *secret, int64_t step, int digits,
                                          uint32_t *out);
/* The step whose code this is, near now and above last_step. ST_UNAUTHENTICATED: none; ST_INVALID.
 */
NODISCARD enum status totp_verify(const char *secret, const char *code, int64_t now_s,
                                  int64_t last_step, int64_t *step);
/* Whether the text is made like a code of an app (digits, spaces allowed), not like a recovery one.
 */
bool totp_looks_like_code(const char *text);
/* "otpauth://totp/Tocsin:ann?secret=…&issuer=Tocsin": what the QR code says. NULL without memory.
 */
const char *totp_uri(const char *secret, const char *account, struct arena *arena);

void recovery_code_new(char out[RECOVERY_CODE_TEXT]);
/* Its digest, whatever case and hyphens it was typed with. ST_INVALID: it is made otherwise. */
NODISCARD enum status recovery_code_hash(const char *code, unsigned char out[RECOVERY_HASH_BYTES]);

#endif
