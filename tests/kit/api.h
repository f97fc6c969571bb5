/*
 * A whole API in the test's own process, in front of the kit's stores, and a caller. Linked only
 * into tests below tests/integration/services/api, which see the API's archive.
 */
#ifndef TOCSIN_TESTS_KIT_API_H
#define TOCSIN_TESTS_KIT_API_H

#include "services/api/api.h"
#include "tests/kit/http_client.h"
#include "tests/kit/kit.h"

#define KIT_PASSWORD "correct horse battery"
#define KIT_JWT_SECRET "0123456789abcdef0123456789abcdef"
#define KIT_SECRET_KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* What differs from a plain API on the kit's stores; NULL and 0: as usual. */
struct kit_api_options {
    const char *database, *redis, *auth, *registration, *trusted_proxies, *forward_roles;
    int64_t anonymous_rate; /* 0: never in the way */
    bool has_no_cache;
};
struct kit_api {
    struct daemon daemon;
    struct api *api;
    int port;
};
/* Ends the test when the API does not start. `options` may be NULL. */
struct kit_api *kit_api_start(const char *database, const char *redis,
                              const struct kit_api_options *options);
void kit_api_stop(struct kit_api *i);
void kit_set_text(char **setting, const char *text);

struct kit_reply kit_call(const struct kit_api *i, const char *method, const char *path,
                          const char *bearer, const char *body);
/* Only the status of the reply. */
int kit_status(const struct kit_api *i, const char *method, const char *path, const char *bearer,
               const char *body);

/* A user NAME, NAME@example.test with KIT_PASSWORD. */
struct uuid kit_api_user(struct db *db, const struct uuid *org, const char *name, const char *role);
struct kit_tokens {
    char access[2048], refresh[128];
};
struct kit_tokens kit_sign_in(const struct kit_api *i, const char *name);
/* Takes the tokens out of a reply and frees it. */
struct kit_tokens kit_tokens_of(struct kit_reply r);

#endif
