/*
 * If-Match: the connection is told which version of which row the handler may change. What has no
 * versions is never of the one that is asked for, but that is the last thing to find (RFC 9110,
 * section 13.2.1: a failure that comes without the condition goes before it). So the handler runs
 * in a transaction, and where it succeeds, nothing of that is kept.
 */
#include <inttypes.h>

#include "base/str.h"
#include "net/errors.h"
#include "net/http_etag.h"
#include "services/api/hooks.h"

enum { VERSIONS_MAX = 16 };

/* What a request's hook_state says is to be ended. */
static char versions_are_told, is_in_vain;

/* Whether what a GET of this path shows has versions. */
static bool has_versions(const struct req *r)
{
    const struct route *get = req_sibling(r, M_GET);
    const struct schema *schema = get ? get->reply : NULL;
    for (size_t i = 0; schema && i < schema->count; i++) {
        if (str_eq(schema->fields[i].name, "updated_at"))
            return true;
    }
    return false;
}

/* "<id> <version> …", the id as the path names the row; without one it is the caller's own. */
static const char *requirement(struct req *r, const int64_t *versions, size_t count)
{
    const char *name = r->param_count > 0 ? r->param[r->param_count - 1] : NULL;
    char text[UUID_TEXT_BYTES];
    struct uuid id = r->who->user_id;
    if (!name || uuid_parse(name, &id) == ST_OK) {
        uuid_format(&id, text);
        name = text;
    }
    const char *all = arena_strdup(r->arena, name);
    for (size_t i = 0; i < count && all; i++)
        all = arena_printf(r->arena, "%s %" PRId64, all, versions[i]);
    return all;
}

/* As the route's handler would say it. */
static enum status not_found(struct req *r)
{
    for (const char *const *code = r->route->errors; code && *code; code++) {
        const struct error_code *e = error_code_find(*code);
        if (e && e->st == ST_NOT_FOUND)
            return req_fail(r, ST_NOT_FOUND, *code, "%s", e->help);
    }
    return ST_NOT_FOUND;
}

enum status precondition_begin(struct req *r)
{
    const char *list = req_header(r, "If-Match");
    int64_t versions[VERSIONS_MAX];
    size_t count = 0;
    bool any = false;
    if (!list || !r->who)
        return ST_OK;
    if (etag_list_versions(list, versions, VERSIONS_MAX, &count, &any) != ST_OK)
        return req_fail(r, ST_MALFORMED, NULL, "If-Match is no list of entity tags");
    if (any)
        return ST_OK; /* it must be there: the handler will see */
    if (!has_versions(r)) {
        TRY(db_hold(req_ctx(r)->db));
        r->may_not_park = true;
        r->hook_state = &is_in_vain;
        return ST_OK;
    }

    const char *text = requirement(r, versions, count);
    if (!text)
        return ST_NO_MEMORY;
    /* A name with spaces would read as versions. */
    if (r->param_count > 0 && strchr(r->param[r->param_count - 1], ' '))
        return not_found(r);
    r->may_not_park = true;
    r->hook_state = &versions_are_told;
    const enum status st = db_require(req_ctx(r)->db, text);
    return st == ST_TOO_LARGE ? req_fail(r, ST_MALFORMED, NULL, "If-Match is too long") : st;
}

static enum status refuse(struct req *r)
{
    return req_fail(r, ST_PRECONDITION, NULL, "what is at this path has no versions");
}

enum status precondition_before_effect(struct req *r)
{
    return r->hook_state == &is_in_vain ? refuse(r) : ST_OK;
}

enum status precondition_end(struct req *r)
{
    const void *what = r->hook_state;
    r->hook_state = NULL;
    if (what == &versions_are_told) {
        /* A connection that cannot be told is closed by that. */
        const enum status st = db_require(req_ctx(r)->db, "");
        (void)st;
    } else if (what == &is_in_vain) {
        /* When the connection is lost nothing was kept either. */
        const enum status st = db_hold_end(req_ctx(r)->db, false);
        (void)st;
        if (r->status < 300)
            return refuse(r);
    }
    return ST_OK;
}
