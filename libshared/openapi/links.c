/*
 * Links: where the values of a reply lead. They follow from the tables by three rules.
 *
 * 1. What was made (201) is behind the paths below its collection: POST /checks answers with an
 *    `id`, which GET, PUT, DELETE /checks/{id} and POST /checks/{id}/pause take.
 * 2. So is each element of a list; the link shows the first one.
 * 3. A member `check_id` of a single object leads to GET …/checks/{id}.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "openapi/internal.h"

enum { NAME_BYTES = 64, EXPRESSION_BYTES = 192 };

/* The one parameter of a path, "" where there is none or more. */
static void only_param(const char *path, char out[NAME_BYTES])
{
    out[0] = '\0';
    const char *open = strchr(path, '{');
    if (!open || strchr(open + 1, '{'))
        return;
    const size_t len = strcspn(open + 1, "}");
    if (len >= NAME_BYTES)
        return;
    memcpy(out, open + 1, len);
    out[len] = '\0';
}

static void write_link(struct doc *d, const struct route *to, const char *param, const char *from,
                       bool *has_any)
{
    struct jw *w = &d->w;
    AUTO_BUF id;
    buf_init(&id, 512);
    put_operation_id(&id, to);
    if (!*has_any) {
        jw_key(w, "links");
        jw_object(w);
    }
    *has_any = true;
    jw_key(w, buf_cstr(&id));
    jw_object(w);
    jw_kv_str(w, "operationId", buf_cstr(&id));
    jw_key(w, "parameters");
    jw_object(w);
    jw_kv_str(w, param, from);
    jw_end(w);
    jw_kv_str(w, "description", to->summary);
    jw_end(w);
}

/* Rules 1 and 2. */
static void write_below(struct doc *d, const struct route *r, bool *has_any)
{
    char param[NAME_BYTES], from[EXPRESSION_BYTES];
    const size_t len = strlen(r->path);
    for (size_t i = 0; i < d->route_count; i++) {
        const struct route *to = d->route[i];
        if (!str_starts(to->path, r->path) || !str_starts(to->path + len, "/{"))
            continue;
        only_param(to->path, param);
        if (param[0] == '\0' || !has_member(r->reply, param))
            continue;
        const char *list = r->shape == REPLY_ARRAY ? NULL : r->list;
        if (r->method == M_POST)
            (void)snprintf(from, sizeof(from), "$response.body#/%s", param);
        else
            (void)snprintf(from, sizeof(from), "$response.body#%s%s/0/%s", list ? "/" : "",
                           list ? list : "", param);
        write_link(d, to, param, from, has_any);
    }
}

/* "check_id" fits /api/v1/checks/{id}. */
static bool is_its_object(const char *member, const struct route *to)
{
    const char *cut = strrchr(member, '_');
    const char *open = strchr(to->path, '{');
    if (to->method != M_GET || !cut || !str_eq(cut, "_id") || !open || !str_eq(open, "{id}"))
        return false;
    const size_t len = (size_t)(cut - member);
    const char *end = open - 2; /* the plural's s */
    return end - to->path > (ptrdiff_t)len && strncmp(end - len, member, len) == 0 &&
           end[0] == 's' && end[-(ptrdiff_t)len - 1] == '/';
}

static void write_related(struct doc *d, const struct route *r, bool *has_any)
{
    char from[EXPRESSION_BYTES];
    for (size_t k = 0; k < r->reply->count; k++) {
        const struct field *f = &r->reply->fields[k];
        if (f->type != FT_UUID)
            continue;
        for (size_t i = 0; i < d->route_count; i++) {
            if (!is_its_object(f->name, d->route[i]))
                continue;
            (void)snprintf(from, sizeof(from), "$response.body#/%s", f->name);
            write_link(d, d->route[i], "id", from, has_any);
        }
    }
}

void write_links(struct doc *d, const struct route *r, int status)
{
    if (!r->reply)
        return;
    const bool is_list = r->method == M_GET && (r->list || r->shape == REPLY_ARRAY);
    bool has_any = false;
    if (is_list || (r->method == M_POST && status == 201))
        write_below(d, r, &has_any);
    if (!is_list)
        write_related(d, r, &has_any);
    if (has_any)
        jw_end(&d->w);
}
