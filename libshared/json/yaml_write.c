/* YAML out: libyaml's emitter fed from a JSON value, with a stack of our own. */
#include <string.h>
#include <yaml.h>

#include "base/limits.h"
#include "json/write.h"
#include "json/yaml.h"
#include "json/yaml_scalar.h"

struct level {
    const json_t *value;
    size_t index; /* of the next element */
    void *iter;   /* of the next member */
};

struct writer {
    yaml_emitter_t emitter;
    struct level stack[LIMIT_JSON_DEPTH];
    int depth;
};

static int put_bytes(void *arg, unsigned char *bytes, size_t len)
{
    struct buf *out = arg;
    buf_append(out, bytes, len);
    return buf_status(out) == ST_OK;
}

static enum status emit(struct writer *w, yaml_event_t *event, int made)
{
    /* The emitter owns the event, also when it fails. */
    return made && yaml_emitter_emit(&w->emitter, event) ? ST_OK : ST_TOO_LARGE;
}

static enum status put_scalar(struct writer *w, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t e;
    int made = yaml_scalar_event_initialize(&e, NULL, NULL, (const yaml_char_t *)text,
                                            (int)strlen(text), 1, 1, style);
    return emit(w, &e, made);
}

static enum status put_text(struct writer *w, const char *text)
{
    return put_scalar(w, text,
                      yaml_is_plain_text(text) ? YAML_PLAIN_SCALAR_STYLE
                                               : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

static enum status open_level(struct writer *w, const json_t *value)
{
    yaml_event_t e;
    if (w->depth == LIMIT_JSON_DEPTH)
        return ST_INVALID;
    struct level level = {.value = value};
    int made = 0;
    if (json_is_object(value)) {
        level.iter = json_object_iter((json_t *)(uintptr_t)value);
        made = yaml_mapping_start_event_initialize(&e, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
    } else {
        made = yaml_sequence_start_event_initialize(&e, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE);
    }
    TRY(emit(w, &e, made));
    w->stack[w->depth++] = level;
    return ST_OK;
}

static enum status put_number(struct writer *w, const json_t *value)
{
    AUTO_BUF text;
    struct jw jw;
    buf_init(&text, 64);
    jw_init(&jw, &text);
    if (json_is_real(value))
        jw_f64(&jw, json_real_value(value));
    else
        jw_i64(&jw, json_integer_value(value));
    TRY(buf_status(&text));
    return put_scalar(w, buf_cstr(&text), YAML_PLAIN_SCALAR_STYLE);
}

static enum status put_value(struct writer *w, const json_t *value)
{
    if (json_is_string(value))
        return put_text(w, json_string_value(value));
    if (json_is_number(value))
        return put_number(w, value);
    if (json_is_boolean(value))
        return put_scalar(w, json_is_true(value) ? "true" : "false", YAML_PLAIN_SCALAR_STYLE);
    if (json_is_null(value))
        return put_scalar(w, "null", YAML_PLAIN_SCALAR_STYLE);
    return open_level(w, value);
}

static enum status close_level(struct writer *w)
{
    yaml_event_t e;
    const json_t *value = w->stack[--w->depth].value; /* json_is_object looks twice */
    bool is_object = json_is_object(value);
    return emit(w, &e,
                is_object ? yaml_mapping_end_event_initialize(&e)
                          : yaml_sequence_end_event_initialize(&e));
}

/* The next element of the innermost collection, or its end. */
static enum status step(struct writer *w)
{
    struct level *l = &w->stack[w->depth - 1];
    if (json_is_array(l->value)) {
        const json_t *value = json_array_get(l->value, l->index++);
        return value ? put_value(w, value) : close_level(w);
    }
    if (!l->iter)
        return close_level(w);
    const char *key = json_object_iter_key(l->iter);
    const json_t *value = json_object_iter_value(l->iter);
    l->iter = json_object_iter_next((json_t *)(uintptr_t)l->value, l->iter);
    TRY(put_text(w, key));
    return put_value(w, value);
}

static enum status write_all(struct writer *w, const json_t *value)
{
    yaml_event_t e;
    TRY(emit(w, &e, yaml_stream_start_event_initialize(&e, YAML_UTF8_ENCODING)));
    TRY(emit(w, &e, yaml_document_start_event_initialize(&e, NULL, NULL, NULL, 1)));
    TRY(put_value(w, value));
    while (w->depth > 0)
        TRY(step(w));
    TRY(emit(w, &e, yaml_document_end_event_initialize(&e, 1)));
    TRY(emit(w, &e, yaml_stream_end_event_initialize(&e)));
    return yaml_emitter_flush(&w->emitter) ? ST_OK : ST_TOO_LARGE;
}

enum status yaml_write(const json_t *value, struct buf *out)
{
    AUTO_FREE struct writer *w = calloc(1, sizeof(*w));
    if (!w || !yaml_emitter_initialize(&w->emitter))
        return ST_NO_MEMORY;
    yaml_emitter_set_output(&w->emitter, put_bytes, out);
    yaml_emitter_set_unicode(&w->emitter, 1);
    yaml_emitter_set_width(&w->emitter, -1);
    enum status st = write_all(w, value);
    yaml_emitter_delete(&w->emitter);
    return st;
}
