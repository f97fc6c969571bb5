/* YAML in: libyaml's events become a JSON value, with a stack of our own. */
#include "json/yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/limits.h"
#include "base/str.h"
#include "json/parse.h"
#include "json/yaml_scalar.h"

enum { ANCHORS_MAX = 256 };

/* A collection that is being read. */
struct frame {
    json_t *value;  /* borrowed: its parent, or the reader, owns it */
    char *key;      /* of a mapping: the key whose value comes next */
    json_t *merges; /* what `<<` named, in order; NULL: nothing */
    size_t anchor;  /* its place among the anchors, or ANCHORS_MAX */
    json_t *held;   /* owned: a sequence behind `<<`, which is put when it is whole */
};

struct anchor {
    char *name;
    json_t *value; /* owned */
    size_t nodes;  /* that it expands to */
    bool is_open;
};

struct reader {
    yaml_parser_t parser;
    struct errbuf *err;
    struct frame stack[LIMIT_JSON_DEPTH];
    int depth;
    size_t nodes;
    struct anchor anchors[ANCHORS_MAX];
    size_t anchor_count;
    json_t *root;
    bool has_root;
};

static void reader_done(struct reader *r)
{
    yaml_parser_delete(&r->parser);
    for (int i = 0; i < r->depth; i++) {
        free(r->stack[i].key);
        json_decref(r->stack[i].merges);
        json_decref(r->stack[i].held);
    }
    for (size_t i = 0; i < r->anchor_count; i++) {
        free(r->anchors[i].name);
        json_decref(r->anchors[i].value);
    }
    json_decref(r->root);
}

static enum status bad(const struct reader *r, const yaml_event_t *at, const char *why)
{
    return err_set(r->err, ST_MALFORMED, "line %zu, column %zu: %s", at->start_mark.line + 1,
                   at->start_mark.column + 1, why);
}

static enum status count_nodes(struct reader *r, const yaml_event_t *at, size_t nodes)
{
    if (nodes > LIMIT_YAML_NODES - r->nodes)
        return bad(r, at, "the document is too large, with all its aliases");
    r->nodes += nodes;
    return ST_OK;
}

/* --- anchors --- */

/* A later anchor of the same name takes its place. */
static enum status add_anchor(struct reader *r, const yaml_event_t *at, const char *name,
                              json_t *value, bool is_open, size_t *place)
{
    *place = ANCHORS_MAX;
    if (!name)
        return ST_OK;
    if (r->anchor_count == ANCHORS_MAX)
        return bad(r, at, "too many anchors");
    struct anchor a = {.value = json_incref(value), .nodes = 1, .is_open = is_open};
    if (str_dup(name, &a.name) != ST_OK) {
        json_decref(a.value);
        return ST_NO_MEMORY;
    }
    *place = r->anchor_count;
    r->anchors[r->anchor_count++] = a;
    return ST_OK;
}

/* Copies, so that nothing is shared: who changes one place does not change another. */
static enum status expand(struct reader *r, const yaml_event_t *at, json_t **out)
{
    const char *name = (const char *)at->data.alias.anchor;
    for (size_t i = r->anchor_count; i-- > 0;) {
        const struct anchor *a = &r->anchors[i];
        if (!str_eq(a->name, name))
            continue;
        if (a->is_open)
            return bad(r, at, "an alias inside of what it names");
        TRY(count_nodes(r, at, a->nodes));
        *out = json_deep_copy(a->value);
        return *out ? ST_OK : ST_NO_MEMORY;
    }
    return bad(r, at, "an alias without its anchor");
}

/* --- putting values where they belong --- */

static enum status put_merge(struct reader *r, const yaml_event_t *at, struct frame *f,
                             json_t *value)
{
    if (!f->merges)
        f->merges = json_array();
    size_t i = 0;
    json_t *one = NULL;
    if (json_is_object(value)) {
        if (json_array_append(f->merges, value) != 0)
            return ST_NO_MEMORY;
        return ST_OK;
    }
    if (!json_is_array(value))
        return bad(r, at, "<< merges mappings");
    json_array_foreach (value, i, one) {
        if (!json_is_object(one))
            return bad(r, at, "<< merges mappings");
        if (json_array_append(f->merges, one) != 0)
            return ST_NO_MEMORY;
    }
    return ST_OK;
}

/* Takes the reference over. */
static enum status put(struct reader *r, const yaml_event_t *at, json_t *value)
{
    AUTO_JSON own = value;
    if (r->depth == 0) {
        r->root = take(&own);
        r->has_root = true;
        return ST_OK;
    }
    struct frame *f = &r->stack[r->depth - 1];
    if (json_is_array(f->value))
        return json_array_append(f->value, own) == 0 ? ST_OK : ST_NO_MEMORY;
    AUTO_FREE char *key = take(&f->key);
    if (!key)
        return bad(r, at, "a key must be a text");
    if (str_eq(key, "<<")) {
        /* An empty collection is filled after it was put: only aliases and inline merges of
         * aliases are known by now. */
        return put_merge(r, at, f, own);
    }
    return json_object_set(f->value, key, own) == 0 ? ST_OK : ST_NO_MEMORY;
}

/* Whether the scalar is a key; then it is kept as one. */
static enum status take_key(struct reader *r, const yaml_event_t *at, bool *taken)
{
    struct frame *f = r->depth > 0 ? &r->stack[r->depth - 1] : NULL;
    *taken = f && json_is_object(f->value) && !f->key;
    if (!*taken)
        return ST_OK;
    const char *text = (const char *)at->data.scalar.value;
    if (strlen(text) != at->data.scalar.length)
        return bad(r, at, "a NUL in a key");
    if (json_object_get(f->value, text) || (str_eq(text, "<<") && f->merges))
        return bad(r, at, "a key that the mapping has already");
    return str_dup(text, &f->key);
}

/* --- events --- */

static enum status on_scalar(struct reader *r, const yaml_event_t *at)
{
    bool is_key = false;
    size_t place = 0;
    TRY(take_key(r, at, &is_key));
    if (is_key)
        return at->data.scalar.anchor ? bad(r, at, "an anchor at a key") : ST_OK;
    json_t *value = NULL;
    const char *why = yaml_scalar(at, &value);
    if (why)
        return bad(r, at, why);
    AUTO_JSON own = value;
    if (!own)
        return ST_NO_MEMORY;
    TRY(add_anchor(r, at, (const char *)at->data.scalar.anchor, own, false, &place));
    return put(r, at, json_incref(own));
}

static enum status open_frame(struct reader *r, const yaml_event_t *at, json_t *value,
                              const char *anchor, const char *tag)
{
    AUTO_JSON own = value;
    if (!own)
        return ST_NO_MEMORY;
    if (tag && !str_eq(tag, "!") && !str_eq(tag, YAML_MAP_TAG) && !str_eq(tag, YAML_SEQ_TAG))
        return bad(r, at, "a tag that is not known here");
    if (r->depth == LIMIT_JSON_DEPTH)
        return bad(r, at, "nested too deeply");
    struct frame *parent = r->depth > 0 ? &r->stack[r->depth - 1] : NULL;
    bool is_merge = parent && json_is_object(parent->value) && str_eq(parent->key, "<<");
    if (is_merge && json_is_object(own))
        return bad(r, at, "<< wants an alias");
    struct frame f = {.value = own};
    TRY(add_anchor(r, at, anchor, own, true, &f.anchor));
    if (f.anchor < ANCHORS_MAX)
        r->anchors[f.anchor].nodes = r->nodes; /* until its end */
    /* A sequence of aliases behind `<<` is put when it is whole. */
    if (!is_merge)
        TRY(put(r, at, json_incref(own)));
    else
        f.held = json_incref(own);
    r->stack[r->depth++] = f;
    return ST_OK;
}

static enum status fill_merges(struct frame *f)
{
    size_t i = 0;
    json_t *from = NULL;
    json_array_foreach (f->merges, i, from) {
        if (json_object_update_missing(f->value, from) != 0)
            return ST_NO_MEMORY;
    }
    return ST_OK;
}

static enum status close_frame(struct reader *r, const yaml_event_t *at)
{
    struct frame f = r->stack[--r->depth];
    if (f.anchor < ANCHORS_MAX) {
        struct anchor *a = &r->anchors[f.anchor];
        a->is_open = false;
        a->nodes = r->nodes - a->nodes + 1;
    }
    enum status st = f.merges ? fill_merges(&f) : ST_OK;
    json_decref(f.merges);
    free(f.key);
    if (st == ST_OK && f.held)
        return put(r, at, f.held);
    json_decref(f.held);
    return st;
}

static enum status on_event(struct reader *r, const yaml_event_t *at)
{
    json_t *copy = NULL;
    if (at->type == YAML_SCALAR_EVENT || at->type == YAML_SEQUENCE_START_EVENT ||
        at->type == YAML_MAPPING_START_EVENT)
        TRY(count_nodes(r, at, 1));
    if (at->type == YAML_DOCUMENT_START_EVENT && r->has_root)
        return bad(r, at, "more than one document");
    if (at->type == YAML_SCALAR_EVENT)
        return on_scalar(r, at);
    if (at->type == YAML_SEQUENCE_START_EVENT)
        return open_frame(r, at, json_array(), (const char *)at->data.sequence_start.anchor,
                          (const char *)at->data.sequence_start.tag);
    if (at->type == YAML_MAPPING_START_EVENT)
        return open_frame(r, at, json_object(), (const char *)at->data.mapping_start.anchor,
                          (const char *)at->data.mapping_start.tag);
    if (at->type == YAML_SEQUENCE_END_EVENT || at->type == YAML_MAPPING_END_EVENT)
        return close_frame(r, at);
    if (at->type != YAML_ALIAS_EVENT)
        return ST_OK;
    TRY(expand(r, at, &copy));
    return put(r, at, copy);
}

static enum status syntax_error(const struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return ST_NO_MEMORY;
    return err_set(r->err, ST_MALFORMED, "line %zu, column %zu: %.120s", p->problem_mark.line + 1,
                   p->problem_mark.column + 1, p->problem ? p->problem : "no YAML");
}

static enum status read_all(struct reader *r)
{
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event))
            return syntax_error(r);
        more = event.type != YAML_STREAM_END_EVENT;
        enum status st = on_event(r, &event);
        yaml_event_delete(&event);
        TRY(st);
    }
    return r->has_root ? ST_OK : err_set(r->err, ST_MALFORMED, "the document is empty");
}

enum status yaml_parse(const char *text, size_t len, json_t **out, struct errbuf *err)
{
    /* libyaml also reads UTF-16; nobody sends that. */
    if (memchr(text, '\0', len) || !str_is_utf8(text, len))
        return err_set(err, ST_MALFORMED, "the text is not UTF-8");
    AUTO_FREE struct reader *r = calloc(1, sizeof(*r));
    if (!r || !yaml_parser_initialize(&r->parser))
        return ST_NO_MEMORY;
    r->err = err;
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, len);
    enum status st = read_all(r);
    if (st == ST_OK)
        *out = take(&r->root);
    reader_done(r);
    return st;
}
