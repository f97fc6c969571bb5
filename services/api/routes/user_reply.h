/* How a user (store/users.h) is shown, in token replies and by the user routes, and what a user can
 * be called. */
#ifndef TOCSIN_API_ROUTES_USER_REPLY_H
#define TOCSIN_API_ROUTES_USER_REPLY_H

#include "json/schema.h"
#include "net/http.h"

extern const struct schema user_reply_schema;
extern const char *const role_names[]; /* ends with NULL */

struct message_reply {
    const char *message;
};
extern const struct schema message_schema;

/* Checks of a schema's fields. */
const char *check_username(const char *text);
const char *check_email(const char *text);
/* What a name of people or organisations must not hold. */
const char *check_plain_text(const char *text);

/* An API key may act for a person, but not take over the account: 403 unless a person signed in. */
NODISCARD enum status need_person(struct req *r);
/* 422 at `field` when the password is too easy to guess; username and email may be NULL. */
NODISCARD enum status need_good_password(struct req *r, const char *field, const char *password,
                                         const char *username, const char *email);

#endif
