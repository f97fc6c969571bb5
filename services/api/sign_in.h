/* Whether somebody is who he says: password, second factor, and the waits between attempts. */
#ifndef TOCSIN_API_SIGN_IN_H
#define TOCSIN_API_SIGN_IN_H

#include "net/http.h"
#include "store/users.h"

struct sign_in {
    const char *login, *password;
    const char *otp; /* of the second factor, or a recovery code; NULL: none given */
};
/* Why not, for a reply of the caller's making. */
struct sign_in_refusal {
    const char *code; /* of net/errors.def, with the status that was returned */
    const char *text;
    int64_t wait_s; /* ST_RATE_LIMITED */
};
/* ST_OK: it is this user. ST_UNAUTHENTICATED and ST_RATE_LIMITED with the refusal; another status:
 * a store does not answer. What was tried is recorded. */
NODISCARD enum status sign_in_check(struct req *r, const struct sign_in *in, struct user *out,
                                    struct sign_in_refusal *why);

/* Asks the signed-in caller for his password once more, since a stolen session must not be enough,
 * nor a way to guess. Replies when it is wrong (422 at `field`) or has to wait (429). */
NODISCARD enum status sign_in_confirm(struct req *r, const char *field, const char *password,
                                      struct user *out);

/* Writes "user.<verb>" about the user into the audit log; after: JSON or NULL. `by_himself`: he was
 * not signed in yet, but it was him. */
NODISCARD enum status sign_in_record(struct req *r, const struct user *user, const char *action,
                                     bool by_himself, const char *after);
/* 429 LOGIN_DELAYED with Retry-After. */
enum status sign_in_ask_to_wait(struct req *r, int64_t wait_s);

#endif
