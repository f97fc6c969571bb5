/* The report of what a post held that was not taken. */
#include "services/ingest/post.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"

void report_done(struct report *r)
{
    json_decref(r->errors);
    r->errors = NULL;
}

static json_t *place_json(const struct place *p)
{
    json_t *loc = json_pack("[s]", "body");
    if (p->item >= 0)
        (void)json_array_append_new(loc, json_integer(p->item));
    if (p->section) {
        (void)json_array_append_new(loc, json_string(p->section));
        if (p->index >= 0)
            (void)json_array_append_new(loc, json_integer(p->index));
    }
    if (p->field)
        (void)json_array_append_new(loc, json_string(p->field));
    return loc;
}

void report_reject(struct report *r, const struct place *place, size_t count, const char *type,
                   const char *fmt, ...)
{
    r->rejected += count;
    if (!r->errors)
        r->errors = json_array();
    if (!r->errors || json_array_size(r->errors) >= LIMIT_VALIDATION_ERRORS)
        return;
    char reason[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    /* A text that was cut within a character would not be JSON: pack fails and nothing is added. */
    json_t *error = json_pack("{s:o, s:s%, s:s, s:s%, s:I}", "loc", place_json(place), "msg",
                              reason, strnlen(reason, sizeof(reason) - 1), "type", type, "reason",
                              reason, strnlen(reason, sizeof(reason) - 1), "index",
                              (json_int_t)(place->section     ? place->index
                                           : place->item >= 0 ? place->item
                                                              : 0));
    if (error)
        (void)json_array_append_new(r->errors, error);
}
