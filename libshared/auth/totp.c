/* Codes and secrets of the second factor. */
#include "auth/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "base/str.h"

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char issuer[] = "Tocsin";

enum { BITS_A_DIGIT = 5, SECRET_MAX_BYTES = 64, GROUPS = 4, SHA1_BYTES = 20, RECOVERY_DIGITS = 16 };

/* 5 bits a digit, of `len` random bytes, without padding: len is a multiple of 5. */
static void random_base32(size_t len, char *out)
{
    unsigned char random[TOTP_SECRET_BYTES];
    rand_bytes(random, len);
    unsigned bits = 0, value = 0;
    for (size_t i = 0; i < len; i++) {
        value = (value << 8 | random[i]) & 0xfff;
        bits += 8;
        while (bits >= BITS_A_DIGIT) {
            bits -= BITS_A_DIGIT;
            *out++ = base32[value >> bits & 31];
        }
    }
    *out = '\0';
    sodium_memzero(random, sizeof(random));
}

void totp_secret_new(char out[TOTP_SECRET_TEXT])
{
    random_base32(TOTP_SECRET_BYTES, out);
}

static int base32_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

static enum status decode(const char *text, unsigned char *out, size_t *len)
{
    unsigned bits = 0, value = 0;
    size_t n = 0;
    for (; *text; text++) {
        const int digit = base32_value(*text);
        if (digit < 0 || n == SECRET_MAX_BYTES)
            return ST_INVALID;
        value = (value << BITS_A_DIGIT | (unsigned)digit) & 0xfff;
        bits += BITS_A_DIGIT;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (unsigned char)(value >> bits & 0xff);
        }
    }
    if (n == 0)
        return ST_INVALID;
    *len = n;
    return ST_OK;
}

enum status totp_code(const char *secret, int64_t step, int digits, uint32_t *out)
{
    static const uint32_t powers[] = {1000000, 10000000, 100000000, 1000000000};
    unsigned char key[SECRET_MAX_BYTES], counter[8], mac[EVP_MAX_MD_SIZE];
    size_t key_len = 0;
    unsigned mac_len = 0;
    if (digits < 6 || digits > 9)
        return ST_INVALID;
    TRY(decode(secret, key, &key_len));
    for (size_t i = 0; i < sizeof(counter); i++)
        counter[i] = (unsigned char)((uint64_t)step >> (56 - 8 * i));
    const bool made = HMAC(EVP_sha1(), key, (int)key_len, counter, sizeof(counter), mac, &mac_len);
    sodium_memzero(key, sizeof(key));
    if (!made || mac_len != SHA1_BYTES)
        return ST_INTERNAL;
    /* RFC 4226, 5.3: four bytes at an offset that the last one names, without the sign. */
    const unsigned at = mac[SHA1_BYTES - 1] & 0xf;
    const uint32_t value = (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
                           (uint32_t)mac[at + 2] << 8 | mac[at + 3];
    *out = value % powers[digits - 6];
    return ST_OK;
}

/* The digits of a code as apps show it: "123456", "123 456". */
static enum status read_code(const char *text, uint32_t *out)
{
    uint32_t value = 0;
    int digits = 0;
    for (; *text; text++) {
        if (*text == ' ')
            continue;
        if (*text < '0' || *text > '9' || digits == TOTP_DIGITS)
            return ST_INVALID;
        value = value * 10 + (uint32_t)(*text - '0');
        digits++;
    }
    if (digits != TOTP_DIGITS)
        return ST_INVALID;
    *out = value;
    return ST_OK;
}

bool totp_looks_like_code(const char *text)
{
    uint32_t ignored;
    return read_code(text, &ignored) == ST_OK;
}

enum status totp_verify(const char *secret, const char *code, int64_t now_s, int64_t last_step,
                        int64_t *step)
{
    uint32_t given = 0;
    TRY(read_code(code, &given));
    const int64_t now = now_s / TOTP_STEP_S;
    int64_t found = -1;
    for (int64_t at = now - TOTP_SKEW_STEPS; at <= now + TOTP_SKEW_STEPS; at++) {
        uint32_t right = 0;
        TRY(totp_code(secret, at, TOTP_DIGITS, &right));
        /* All are looked at, whichever fits: the time tells nothing. */
        if (sodium_memcmp(&right, &given, sizeof(right)) == 0 && at > last_step && found < 0)
            found = at;
    }
    if (found < 0)
        return ST_UNAUTHENTICATED;
    *step = found;
    return ST_OK;
}

const char *totp_uri(const char *secret, const char *account, struct arena *arena)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~@";
    AUTO_BUF label;
    buf_init(&label, 4096);
    for (const char *p = account; *p; p++) {
        if (strchr(plain, *p))
            buf_char(&label, *p);
        else
            buf_printf(&label, "%%%02X", (unsigned char)*p);
    }
    if (buf_status(&label) != ST_OK)
        return NULL;
    return arena_printf(arena,
                        "otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=SHA1&digits=%d&"
                        "period=%d",
                        issuer, buf_cstr(&label), secret, issuer, TOTP_DIGITS, TOTP_STEP_S);
}

void recovery_code_new(char out[RECOVERY_CODE_TEXT])
{
    char digits[RECOVERY_DIGITS + 1];
    random_base32(RECOVERY_DIGITS * BITS_A_DIGIT / 8, digits);
    char *at = out;
    for (size_t i = 0; i < RECOVERY_DIGITS; i++) {
        if (i > 0 && i % GROUPS == 0)
            *at++ = '-';
        *at++ = (char)(digits[i] >= 'A' ? digits[i] - 'A' + 'a' : digits[i]);
    }
    *at = '\0';
    sodium_memzero(digits, sizeof(digits));
}

enum status recovery_code_hash(const char *code, unsigned char out[RECOVERY_HASH_BYTES])
{
    char digits[RECOVERY_DIGITS];
    size_t n = 0;
    for (; *code; code++) {
        if (*code == '-' || *code == ' ')
            continue;
        const int value = base32_value(*code);
        if (value < 0 || n == sizeof(digits))
            return ST_INVALID;
        digits[n++] = base32[value];
    }
    if (n != sizeof(digits))
        return ST_INVALID;
    (void)crypto_hash_sha256(out, (const unsigned char *)digits, n);
    return ST_OK;
}
