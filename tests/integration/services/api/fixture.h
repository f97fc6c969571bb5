/* A whole API with an organisation of three roles and a stranger, for tests of routes. */
#ifndef TOCSIN_TESTS_INTEGRATION_SERVICES_API_FIXTURE_H
#define TOCSIN_TESTS_INTEGRATION_SERVICES_API_FIXTURE_H

#include "tests/kit/api.h"

/* Set between fx_setup and fx_teardown. */
struct api_fixture {
    const char *database;
    struct db *db;
    struct redis *redis;
    struct uuid org, other_org; /* the first organisation, and the stranger's */
    struct kit_api *api;
    struct kit_tokens admin, me, viewer; /* ada, olga (operator), viktor */
    struct kit_tokens stranger;          /* eve, owner of the other organisation */
};

extern struct api_fixture fx;

/* Of the program. */
int fx_setup(void **state);
int fx_teardown(void **state);
/* A call that must have this status; the caller releases the reply. */
struct kit_reply fx_reply(const struct kit_tokens *who, const char *method, const char *path,
                          const char *body, int status);
/* The same for the status and the problem's code alone (NULL: any); a 503 says when to come again.
 */
void fx_must(const struct kit_tokens *who, const char *method, const char *path, const char *body,
             int status, const char *code);
/* A call of the operator; the caller releases the reply. */
struct kit_reply fx_call(const char *method, const char *path, const char *body);
/* A member by path, "config.url"; fails when it is not there. */
const json_t *fx_at(const struct kit_reply *r, const char *path);
/* The same for a text and for an integer. */
const char *fx_text(const struct kit_reply *r, const char *path);
int64_t fx_number(const struct kit_reply *r, const char *path);
/* A body that makes a check, as the documentation shows it. */
extern const char fx_documented[];
/* A check of the operator. */
struct uuid fx_create(const char *body);
/* /api/v1/checks/ID and what follows; valid for two calls. */
const char *fx_path_of(const struct uuid *id, const char *suffix);
/* A call of the operator is refused with this status and code; `loc` (may be NULL): of the first
 * error. */
void fx_must_fail(const char *method, const char *path, const char *body, int status,
                  const char *code, const char *loc);

#endif
