/*
 * TOCSIN_AUTH=forward: a proxy in front (Authelia, oauth2-proxy …) has signed the caller in and
 * says who it is in Remote-User, Remote-Groups, Remote-Email and Remote-Name. Believed from
 * TOCSIN_TRUSTED_PROXIES alone. Whoever comes for the first time gets an account in the first
 * organisation; the role of such accounts follows the groups.
 */
#ifndef TOCSIN_API_FORWARD_H
#define TOCSIN_API_FORWARD_H

#include "auth/cache.h"
#include "auth/scopes.h"
#include "net/http.h"

struct forward_roles;

/* "admins=admin, *=viewer". ST_INVALID with the bad part. */
NODISCARD enum status forward_roles_new(const char *text, struct forward_roles **out,
                                        struct errbuf *err);
/* NULL is fine. */
void forward_roles_free(struct forward_roles *roles);

/* Whether the request names a user whom a trusted proxy stands for. */
bool forward_has_user(const struct req *r);
/* Who it is, from the cache or the database, made when new. ST_UNAUTHENTICATED: the headers are no
 * good; ST_FORBIDDEN: no group gives a role, or the user is inactive; with the reason. */
NODISCARD enum status forward_identify(struct req *r, struct auth_entry *out, struct errbuf *why);

#endif
