/* The table of scopes turned into names and role sets. */
#include "auth/scopes.h"

#include <string.h>

#include "base/str.h"

static const struct {
    const char *name;
    const char *roles; /* letters of the roles below owner */
} scopes[SCOPE_COUNT_] = {
#define SCOPE_ROW(id, name_, roles_) [id] = {.name = (name_), .roles = (roles_)},
    SCOPE_TABLE(SCOPE_ROW)
#undef SCOPE_ROW
};

/* The owner has no letter: he has every scope. */
static const struct {
    const char *name;
    char letter;
} roles[] = {
    [ROLE_VIEWER] = {"viewer", 'v'},
    [ROLE_OPERATOR] = {"operator", 'o'},
    [ROLE_ADMIN] = {"admin", 'a'},
    [ROLE_OWNER] = {"owner", '\0'},
};

const char *scope_name(enum scope s)
{
    if (s == SCOPE_PUBLIC)
        return "public";
    if (s == SCOPE_SELF)
        return "self";
    const char *name = (unsigned)s < SCOPE_COUNT_ ? scopes[s].name : NULL;
    return name ? name : "unset";
}

enum status scope_parse(const char *name, enum scope *out)
{
    for (unsigned i = SCOPE_SELF + 1; i < SCOPE_COUNT_; i++) {
        if (str_eq(scopes[i].name, name)) {
            *out = (enum scope)i;
            return ST_OK;
        }
    }
    return ST_INVALID;
}

const char *role_name(enum role role)
{
    return (unsigned)role < ARRAY_LEN(roles) ? roles[role].name : "viewer";
}

enum status role_parse(const char *name, enum role *out)
{
    for (unsigned i = 0; i < ARRAY_LEN(roles); i++) {
        if (str_eq(roles[i].name, name)) {
            *out = (enum role)i;
            return ST_OK;
        }
    }
    return ST_INVALID;
}

uint64_t role_scopes(enum role role)
{
    uint64_t set = SCOPE_BIT(SCOPE_SELF);
    if ((unsigned)role >= ARRAY_LEN(roles))
        return 0;
    for (unsigned i = SCOPE_SELF + 1; i < SCOPE_COUNT_; i++) {
        if (role == ROLE_OWNER || strchr(scopes[i].roles, roles[role].letter))
            set |= SCOPE_BIT(i);
    }
    return set;
}
