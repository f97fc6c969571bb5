/* Strict JSON parsing over jansson (library-notes: NUL after a number is swallowed by 2.14). */
#include "json/parse.h"

#include <string.h>

#include "base/limits.h"
#include "base/rand.h"

void json_setup(void)
{
    uint32_t seed = 0;
    rand_bytes(&seed, sizeof(seed));
    json_object_seed(seed | 1); /* 0 would make jansson find a seed by itself, later, in a thread */
}

struct json_shape json_measure(const char *text, size_t len)
{
    struct json_shape shape = {0};
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            shape.containers++;
            depth++;
            shape.depth = MAX_OF(shape.depth, depth);
        } else if (c == ']' || c == '}') {
            depth--;
        } else if (c == ',' || c == ':') {
            shape.separators++;
        }
    }
    return shape;
}

enum status json_parse(const char *text, size_t len, json_t **out, struct errbuf *err)
{
    if (len == 0)
        return err_set(err, ST_MALFORMED, "empty where JSON was expected");
    const char *nul = memchr(text, 0, len);
    if (nul)
        return err_set(err, ST_MALFORMED, "NUL byte at offset %zu", (size_t)(nul - text));
    if (json_measure(text, len).depth > LIMIT_JSON_DEPTH)
        return err_set(err, ST_MALFORMED, "nested deeper than %d levels", LIMIT_JSON_DEPTH);

    json_error_t error;
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value)
        return err_set(err, ST_MALFORMED, "line %d, column %d: %.180s", error.line, error.column,
                       error.text);
    *out = value;
    return ST_OK;
}

json_t *json_load_kept(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    return value ? value : json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
}
