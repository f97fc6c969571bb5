/* The document as a whole: head, tags, paths, components. */
#include <stdlib.h>

#include "base/str.h"
#include "openapi/internal.h"

static const struct {
    const char *name, *help;
} tags[] = {
#define TAG(name, help) {name, help},
#include "net/tags.def"
#undef TAG
};

static bool is_tag(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(tags); i++) {
        if (str_eq(tags[i].name, name))
            return true;
    }
    return false;
}

static enum status routes_collect(struct doc *d)
{
    for (size_t i = 0; i < d->about->set_count; i++) {
        const struct route_set *set = &d->about->sets[i];
        for (size_t k = 0; k < set->count; k++) {
            const struct route *r = &set->routes[k];
            if (!is_tag(r->tag))
                return err_set(d->err, ST_INVALID, "%s has no tag of net/tags.def", r->path);
            if (d->route_count == ROUTES_MAX)
                return err_set(d->err, ST_INVALID, "more than %d routes", ROUTES_MAX);
            d->route[d->route_count++] = r;
        }
    }
    return ST_OK;
}

static void write_head(struct doc *d)
{
    struct jw *w = &d->w;
    jw_kv_str(w, "openapi", "3.1.0");
    jw_key(w, "info");
    jw_object(w);
    jw_kv_str(w, "title", d->about->title);
    jw_kv_str(w, "version", d->about->version);
    jw_kv_str(w, "description", d->about->description);
    jw_key(w, "license");
    jw_object(w);
    jw_kv_str(w, "name", "Apache-2.0");
    jw_kv_str(w, "identifier", "Apache-2.0");
    jw_end(w);
    jw_end(w);
    jw_key(w, "servers");
    jw_array(w);
    jw_object(w);
    jw_kv_str(w, "url", "/");
    jw_kv_str(w, "description", "The host that this document came from");
    jw_end(w);
    jw_end(w);
}

static bool is_used(const struct doc *d, const char *tag)
{
    for (size_t i = 0; i < d->route_count; i++) {
        if (str_eq(d->route[i]->tag, tag))
            return true;
    }
    return false;
}

static void write_tags(struct doc *d)
{
    jw_key(&d->w, "tags");
    jw_array(&d->w);
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        if (!is_used(d, tags[i].name))
            continue;
        jw_object(&d->w);
        jw_kv_str(&d->w, "name", tags[i].name);
        jw_kv_str(&d->w, "description", tags[i].help);
        jw_end(&d->w);
    }
    jw_end(&d->w);
}

/* Whether an earlier route has the same path, whose object then has this one too. */
static bool is_written(const struct doc *d, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (str_eq(d->route[k]->path, d->route[i]->path))
            return true;
    }
    return false;
}

static enum status write_paths(struct doc *d)
{
    jw_key(&d->w, "paths");
    jw_object(&d->w);
    for (size_t i = 0; i < d->route_count; i++) {
        if (is_written(d, i))
            continue;
        jw_key(&d->w, d->route[i]->path);
        jw_object(&d->w);
        for (size_t k = i; k < d->route_count; k++) {
            if (str_eq(d->route[k]->path, d->route[i]->path))
                TRY(operation_write(d, d->route[k]));
        }
        jw_end(&d->w);
    }
    jw_end(&d->w);
    return ST_OK;
}

static enum status write_document(struct doc *d)
{
    TRY(routes_collect(d));
    TRY(components_collect(d));
    jw_object(&d->w);
    write_head(d);
    write_tags(d);
    TRY(write_paths(d));
    components_write(d);
    jw_end(&d->w);
    return ST_OK;
}

enum status openapi_write(const struct openapi_about *about, struct buf *out, struct errbuf *err)
{
    AUTO_FREE struct doc *d = calloc(1, sizeof(*d));
    if (!d)
        return ST_NO_MEMORY;
    d->about = about;
    d->err = err;
    jw_init(&d->w, out);
    TRY(write_document(d));
    return buf_status(out);
}
