/* Scopes: what a credential may do. Roles are sets of scopes. */
#ifndef TOCSIN_AUTH_SCOPES_H
#define TOCSIN_AUTH_SCOPES_H

#include "base/defs.h"
#include "base/status.h"

/* enum, name, roles that have it: v viewer, o operator, a admin (owner has all) */
#define SCOPE_TABLE(X)                                \
    X(SCOPE_CHECKS_READ, "checks:read", "voa")        \
    X(SCOPE_CHECKS_WRITE, "checks:write", "oa")       \
    X(SCOPE_CHECKS_RUN, "checks:run", "oa")           \
    X(SCOPE_SCHEDULES_READ, "schedules:read", "voa")  \
    X(SCOPE_SCHEDULES_WRITE, "schedules:write", "a")  \
    X(SCOPE_RESULTS_READ, "results:read", "voa")      \
    X(SCOPE_INCIDENTS_READ, "incidents:read", "voa")  \
    X(SCOPE_INCIDENTS_WRITE, "incidents:write", "oa") \
    X(SCOPE_CHANNELS_READ, "channels:read", "voa")    \
    X(SCOPE_CHANNELS_WRITE, "channels:write", "a")    \
    X(SCOPE_SERVERS_READ, "servers:read", "voa")      \
    X(SCOPE_SERVERS_WRITE, "servers:write", "oa")     \
    X(SCOPE_METRICS_READ, "metrics:read", "voa")      \
    X(SCOPE_METRICS_WRITE, "metrics:write", "oa")     \
    X(SCOPE_KEYS_READ, "keys:read", "voa")            \
    X(SCOPE_KEYS_WRITE, "keys:write", "oa")           \
    X(SCOPE_USERS_READ, "users:read", "a")            \
    X(SCOPE_USERS_WRITE, "users:write", "a")          \
    X(SCOPE_ORG_READ, "organisation:read", "voa")     \
    X(SCOPE_ORG_WRITE, "organisation:write", "a")     \
    X(SCOPE_AUDIT_READ, "audit:read", "a")            \
    X(SCOPE_JOBS_READ, "jobs:read", "voa")            \
    X(SCOPE_JOBS_WRITE, "jobs:write", "oa")           \
    X(SCOPE_SYSTEM_READ, "system:read", "voa")        \
    X(SCOPE_SYSTEM_WRITE, "system:write", "a")

enum scope {
    SCOPE_UNSET = 0, /* a forgotten scope: refused at start */
    SCOPE_PUBLIC,    /* no credentials needed */
    SCOPE_SELF,      /* any signed-in caller, about himself */
#define SCOPE_ENUM(id, name, roles) id,
    SCOPE_TABLE(SCOPE_ENUM)
#undef SCOPE_ENUM
        SCOPE_COUNT_
};

enum role { ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN, ROLE_OWNER };

_Static_assert(SCOPE_COUNT_ <= 64, "a set of scopes is 64 bits");
#define SCOPE_BIT(s) ((uint64_t)1 << (unsigned)(s))

const char *scope_name(enum scope s);
/* ST_INVALID for an unknown name. */
NODISCARD enum status scope_parse(const char *name, enum scope *out);
const char *role_name(enum role role);
NODISCARD enum status role_parse(const char *name, enum role *out);
/* All scopes of a role as a set of SCOPE_BITs, SCOPE_SELF included. */
uint64_t role_scopes(enum role role);

#endif
