/* Sealing and opening; the place of a secret is authenticated with it. */
#include "auth/seal.h"

#include <sodium.h>
#include <string.h>

#include "base/rand.h"
#include "base/str.h"

enum {
    KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    ID_BYTES = 4,
    VERSION = 1,
    HEADER_BYTES = 1 + ID_BYTES + NONCE_BYTES,
    KEYS_MAX = 8,
    NAME_MAX_BYTES = 64
};

struct seal_key {
    unsigned char id[ID_BYTES];
    unsigned char secret[KEY_BYTES];
};

struct seal_keys {
    size_t count;
    struct seal_key key[KEYS_MAX]; /* the first one seals */
};

void seal_keys_free(struct seal_keys *k)
{
    if (!k)
        return;
    sodium_memzero(k, sizeof(*k));
    free(k);
}

static void keys_freep(struct seal_keys **k)
{
    seal_keys_free(*k);
}

static enum status add_key(struct seal_keys *k, const char *hex, size_t len, struct errbuf *err)
{
    if (k->count == KEYS_MAX)
        return err_set(err, ST_INVALID, "more than %d keys", KEYS_MAX);
    char digits[2 * KEY_BYTES + 1];
    if (len != sizeof(digits) - 1)
        return err_set(err, ST_INVALID, "key %zu is not %d hex digits", k->count + 1,
                       2 * KEY_BYTES);
    memcpy(digits, hex, len);
    digits[len] = '\0';
    struct seal_key *key = &k->key[k->count];
    enum status st = str_unhex(digits, KEY_BYTES, key->secret);
    sodium_memzero(digits, sizeof(digits));
    if (st != ST_OK)
        return err_set(err, ST_INVALID, "key %zu is not %d hex digits", k->count + 1,
                       2 * KEY_BYTES);

    unsigned char digest[crypto_generichash_BYTES_MIN];
    (void)crypto_generichash(digest, sizeof(digest), key->secret, KEY_BYTES, NULL, 0);
    memcpy(key->id, digest, ID_BYTES);
    for (size_t i = 0; i < k->count; i++) {
        if (memcmp(k->key[i].id, key->id, ID_BYTES) == 0)
            return err_set(err, ST_INVALID, "key %zu is given twice", k->count + 1);
    }
    k->count++;
    return ST_OK;
}

enum status seal_keys_new(const char *text, struct seal_keys **out, struct errbuf *err)
{
    if (sodium_init() < 0)
        return err_set(err, ST_INTERNAL, "libsodium did not start");
    if (str_is_empty(text))
        return err_set(err, ST_INVALID, "no key");
    CLEANUP(keys_freep) struct seal_keys *k = calloc(1, sizeof(*k));
    if (!k)
        return ST_NO_MEMORY;
    for (const char *p = text; p;) {
        size_t len = strcspn(p, ",");
        TRY(add_key(k, p, len, err));
        p = p[len] == ',' ? p + len + 1 : NULL;
    }
    *out = take(&k);
    return ST_OK;
}

/* version ‖ table ‖ 0 ‖ row ‖ column: names hold no NUL, so that no two places read alike. */
static enum status describe(const struct seal_place *place, unsigned char *out, size_t *len)
{
    size_t table = strlen(place->table), column = strlen(place->column);
    if (table > NAME_MAX_BYTES || column > NAME_MAX_BYTES)
        return ST_INVALID;
    unsigned char *p = out;
    *p++ = VERSION;
    memcpy(p, place->table, table + 1);
    p += table + 1;
    memcpy(p, place->row.b, sizeof(place->row.b));
    p += sizeof(place->row.b);
    memcpy(p, place->column, column);
    *len = (size_t)(p - out) + column;
    return ST_OK;
}

enum { PLACE_BYTES = 1 + NAME_MAX_BYTES + 1 + 16 + NAME_MAX_BYTES };

enum status seal_close(const struct seal_keys *k, const struct seal_place *place,
                       const char *secret, struct arena *arena, unsigned char **out, size_t *len)
{
    unsigned char about[PLACE_BYTES];
    size_t about_len = 0;
    TRY(describe(place, about, &about_len));
    size_t text = strlen(secret);
    unsigned char *sealed = arena_alloc(arena, HEADER_BYTES + text + TAG_BYTES);
    if (!sealed)
        return ST_NO_MEMORY;

    unsigned char *nonce = sealed + 1 + ID_BYTES;
    sealed[0] = VERSION;
    memcpy(sealed + 1, k->key[0].id, ID_BYTES);
    rand_bytes(nonce, NONCE_BYTES);
    unsigned long long written = 0;
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + HEADER_BYTES, &written,
                                                     (const unsigned char *)secret, text, about,
                                                     about_len, NULL, nonce, k->key[0].secret);
    *len = HEADER_BYTES + (size_t)written;
    *out = sealed;
    return ST_OK;
}

enum status seal_open(const struct seal_keys *k, const struct seal_place *place,
                      const unsigned char *sealed, size_t len, struct arena *arena,
                      const char **out)
{
    if (!sealed || len < HEADER_BYTES + TAG_BYTES || sealed[0] != VERSION)
        return ST_CORRUPT;
    const struct seal_key *key = NULL;
    for (size_t i = 0; i < k->count && !key; i++)
        key = memcmp(k->key[i].id, sealed + 1, ID_BYTES) == 0 ? &k->key[i] : NULL;
    if (!key)
        return ST_CORRUPT;

    unsigned char about[PLACE_BYTES];
    size_t about_len = 0;
    TRY(describe(place, about, &about_len));
    size_t text_len = len - HEADER_BYTES - TAG_BYTES;
    char *text = arena_alloc(arena, text_len + 1);
    if (!text)
        return ST_NO_MEMORY;
    unsigned long long written = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            (unsigned char *)text, &written, NULL, sealed + HEADER_BYTES, len - HEADER_BYTES, about,
            about_len, sealed + 1 + ID_BYTES, key->secret) != 0)
        return ST_CORRUPT;
    text[text_len] = '\0';
    *out = text;
    return ST_OK;
}
