/* Callers whom a proxy has signed in. */
#include "services/api/forward.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"
#include "services/api/api.h"
#include "store/users.h"

enum { RULES_MAX = 64, GROUP_MAX = 100, NAME_BYTES = 100, HEADER_MAX = 4096 };

struct rule {
    char group[GROUP_MAX + 1]; /* "*": everybody */
    enum role role;
};
struct forward_roles {
    size_t count;
    struct rule rule[RULES_MAX];
};

/* The next part of a comma separated list without the space around it; false at the end. */
static bool next_part(const char **list, const char **part, size_t *len)
{
    const char *at = *list + strspn(*list, ", \t");
    if (*at == '\0')
        return false;
    size_t n = strcspn(at, ",");
    *list = at + n;
    while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t'))
        n--;
    *part = at;
    *len = n;
    return true;
}

static enum status parse_rule(const char *text, size_t len, struct rule *out, struct errbuf *err)
{
    const char *eq = memchr(text, '=', len);
    char role[16] = "";
    const size_t group_len = eq ? (size_t)(eq - text) : 0;
    const size_t role_len = eq ? len - group_len - 1 : 0;
    if (!eq || group_len == 0 || group_len > GROUP_MAX || role_len >= sizeof(role))
        return err_set(err, ST_INVALID, "%.*s is not group=role", (int)MIN_OF(len, (size_t)80),
                       text);
    memcpy(role, eq + 1, role_len);
    memcpy(out->group, text, group_len);
    out->group[group_len] = '\0';
    if (role_parse(role, &out->role) != ST_OK)
        return err_set(err, ST_INVALID, "%s is no role: viewer, operator, admin or owner", role);
    return ST_OK;
}

enum status forward_roles_new(const char *text, struct forward_roles **out, struct errbuf *err)
{
    AUTO_FREE struct forward_roles *roles = calloc(1, sizeof(*roles));
    if (!roles)
        return ST_NO_MEMORY;
    const char *part = NULL;
    size_t len = 0;
    while (next_part(&text, &part, &len)) {
        if (roles->count == RULES_MAX)
            return err_set(err, ST_INVALID, "more than %d groups", RULES_MAX);
        TRY(parse_rule(part, len, &roles->rule[roles->count], err));
        roles->count++;
    }
    *out = take(&roles);
    return ST_OK;
}

void forward_roles_free(struct forward_roles *roles)
{
    free(roles);
}

/* The highest role that one of the groups (comma separated) gives. ST_FORBIDDEN: none does. */
static enum status role_of(const struct forward_roles *roles, const char *groups, enum role *out)
{
    int found = -1;
    for (size_t i = 0; i < roles->count; i++) {
        const struct rule *rule = &roles->rule[i];
        bool is_member = str_eq(rule->group, "*");
        const char *list = groups, *part = NULL;
        size_t len = 0;
        while (!is_member && next_part(&list, &part, &len))
            is_member = strlen(rule->group) == len && memcmp(rule->group, part, len) == 0;
        if (is_member)
            found = MAX_OF(found, (int)rule->role);
    }
    if (found < 0)
        return ST_FORBIDDEN;
    *out = (enum role)found;
    return ST_OK;
}

/* --- a request --- */

struct remote {
    const char *user, *groups, *email, *name;
    enum role role;
};

bool forward_has_user(const struct req *r)
{
    return r->is_proxied && !str_is_empty(req_header(r, "Remote-User"));
}

/* A text header that comes once at most: one of two could be the client's own. */
static enum status read_header(const struct req *r, const char *name, size_t max, const char **out,
                               struct errbuf *why)
{
    const char *value = req_header(r, name);
    if (req_header_count(r, name) > 1)
        return err_set(why, ST_UNAUTHENTICATED, "%s came more than once", name);
    if (value &&
        (strlen(value) > max || str_has_control(value) || !str_is_utf8(value, strlen(value))))
        return err_set(why, ST_UNAUTHENTICATED, "%s is too long or no text", name);
    *out = value ? value : "";
    return ST_OK;
}

static enum status read_headers(const struct req *r, struct remote *out, struct errbuf *why)
{
    TRY(read_header(r, "Remote-User", NAME_BYTES, &out->user, why));
    TRY(read_header(r, "Remote-Groups", HEADER_MAX, &out->groups, why));
    TRY(read_header(r, "Remote-Email", 320, &out->email, why));
    TRY(read_header(r, "Remote-Name", 200, &out->name, why));
    if (role_of(req_ctx(r)->api->forward_roles, out->groups, &out->role) != ST_OK)
        return err_set(why, ST_FORBIDDEN, "none of the groups of %s has a role here", out->user);
    return ST_OK;
}

/* The headers as they are stand for a credential. */
static void key_of(const struct remote *m, unsigned char *out)
{
    const char *const parts[] = {"forward", m->user, m->groups, m->email, m->name};
    crypto_hash_sha256_state s;
    (void)crypto_hash_sha256_init(&s);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        (void)crypto_hash_sha256_update(&s, (const unsigned char *)parts[i], strlen(parts[i]) + 1);
    (void)crypto_hash_sha256_final(&s, out);
}

static bool is_email(const char *text)
{
    const char *at = strchr(text, '@');
    return at && at != text && at[1] != '\0' && !strchr(at + 1, '@') &&
           strpbrk(text, " \t,;<>\"") == NULL;
}

/* A name is an address where the proxy's users are called so. */
static enum status find(struct req *r, const struct remote *m, struct user *out)
{
    struct db *db = req_ctx(r)->db;
    const enum status st = user_by_name(db, m->user, r->arena, out);
    if (st != ST_NOT_FOUND || !strchr(m->user, '@'))
        return st;
    return user_by_login(db, m->user, r->arena, out);
}

/* Addresses are unique; one that is somebody else's already, or none, gives way to a made up one.
 */
static enum status provision(struct req *r, const struct remote *m, struct user *out)
{
    struct db *db = req_ctx(r)->db;
    struct user other, made = {.id = uuid_new(),
                               .username = m->user,
                               .display_name = m->name[0] ? m->name : NULL,
                               .email = m->email,
                               .role = m->role};
    enum status st = organisation_first(db, &made.org_id);
    if (st == ST_NOT_FOUND)
        return req_fail(r, ST_UNAVAILABLE, "NOT_SET_UP",
                        "there is no organisation yet; run `tocsin bootstrap`");
    TRY(st);
    st = is_email(m->email) ? user_by_login(db, m->email, r->arena, &other) : ST_OK;
    if (st != ST_OK && st != ST_NOT_FOUND)
        return st;
    if (st == ST_OK)
        made.email = strchr(m->user, '@') ? m->user
                                          : arena_printf(r->arena, "%s@proxy.invalid", m->user);
    if (!made.email)
        return ST_NO_MEMORY;
    st = user_insert(db, &made, r->arena);
    /* Two requests of a page that is opened for the first time: the other one was quicker. */
    if (st != ST_OK && st != ST_CONFLICT)
        return st;
    if (st == ST_OK)
        log_info("user_provisioned", kv_str("username", m->user),
                 kv_str("role", role_name(m->role)));
    return find(r, m, out);
}

/* The proxy's users are as it says. A local account keeps the role that it was given here. */
static enum status keep_up(struct req *r, const struct remote *m, struct user *user)
{
    struct user_change change = {0};
    if (!user->is_external)
        return ST_OK;
    if (m->role != user->role)
        change.role = role_name(m->role);
    if (is_email(m->email) && !str_ieq(m->email, user->email))
        change.email = m->email;
    if (m->name[0] && !str_eq(m->name, user->display_name))
        change.display_name = m->name;
    if (!change.role && !change.email && !change.display_name)
        return ST_OK;
    struct db *db = req_ctx(r)->db;
    enum status st = user_change(db, &user->org_id, &user->id, &change, r->arena, user);
    if (st == ST_CONFLICT && change.email) { /* somebody else's address */
        change.email = NULL;
        st = user_change(db, &user->org_id, &user->id, &change, r->arena, user);
    }
    return st == ST_FORBIDDEN ? ST_OK : st; /* the last owner stays one */
}

/* What is changed on the way in is nobody's doing but the proxy's. */
static enum status note_proxy(struct req *r)
{
    const char *actor = arena_printf(
        r->arena,
        "{\"type\":\"system\",\"name\":\"proxy\",\"address\":\"%s\",\"request_id\":\"%s\"}",
        req_peer_text(r), r->request_id);
    return actor ? db_set_actor(req_ctx(r)->db, actor) : ST_NO_MEMORY;
}

enum status forward_identify(struct req *r, struct auth_entry *out, struct errbuf *why)
{
    const struct api_ctx *ctx = req_ctx(r);
    struct remote m;
    struct auth_entry e = {0};
    struct user user;
    TRY(read_headers(r, &m, why));
    key_of(&m, e.key);
    const int64_t asked_us = clock_mono_us();
    if (auth_cache_get(ctx->api->auth_cache, e.key, asked_us, out))
        return ST_OK;

    TRY(note_proxy(r));
    enum status st = find(r, &m, &user);
    if (st == ST_NOT_FOUND)
        st = provision(r, &m, &user);
    if (st == ST_OK)
        st = keep_up(r, &m, &user);
    TRY(st);
    if (!user.is_active)
        return err_set(why, ST_FORBIDDEN, "the user %s is inactive here", m.user);
    e.who = (struct principal){.org_id = user.org_id,
                               .user_id = user.id,
                               .role = user.role,
                               .scopes = role_scopes(user.role)};
    auth_cache_put(ctx->api->auth_cache, &e, asked_us);
    *out = e;
    return ST_OK;
}
