/* Scalars of YAML's core schema. */
#include "json/yaml_scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (str_eq(text, *words))
            return true;
    }
    return false;
}

static bool all_of(const char *text, const char *digits)
{
    return *text && text[strspn(text, digits)] == '\0';
}

/* [-+]? digits, 0o octal, 0x hexadecimal; the base, or 0. */
static int int_base(const char *text)
{
    if (str_starts(text, "0o"))
        return all_of(text + 2, "01234567") ? 8 : 0;
    if (str_starts(text, "0x"))
        return all_of(text + 2, "0123456789abcdefABCDEF") ? 16 : 0;
    return all_of(text + (*text == '-' || *text == '+'), "0123456789") ? 10 : 0;
}

/* [-+]? ( . digits | digits ( . digits* )? ) ( [eE] [-+]? digits )? */
static bool is_float(const char *text)
{
    static const char digits[] = "0123456789";
    const char *p = text + (*text == '-' || *text == '+');
    size_t whole = strspn(p, digits);
    p += whole;
    size_t part = 0;
    if (*p == '.') {
        part = strspn(++p, digits);
        p += part;
    }
    if (whole + part == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        return all_of(p, digits);
    }
    return *p == '\0';
}

static bool is_no_number(const char *text)
{
    static const char *const words[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    return is_one_of(text + (*text == '-' || *text == '+'), words);
}

static const char *read_int(const char *text, int base, json_t **out)
{
    errno = 0;
    long long v = strtoll(base == 10 ? text : text + 2, NULL, base);
    if (errno == ERANGE)
        return "a number that is too large";
    *out = json_integer(v);
    return NULL;
}

static const char *read_float(const char *text, json_t **out)
{
    double v = 0;
    const char *p = text + (*text == '+');
    char padded[64];
    /* ".5" and "5." are numbers here and not in C's plain notation alone. */
    if (strlen(p) + 3 > sizeof(padded))
        return "a number that is too long";
    (void)str_copy(padded, sizeof(padded), p);
    v = strtod(padded, NULL);
    if (!isfinite(v))
        return "a number that is too large";
    *out = json_real(v);
    return NULL;
}

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const trues[] = {"true", "True", "TRUE", NULL};
static const char *const falses[] = {"false", "False", "FALSE", NULL};

static const char *resolve(const char *text, json_t **out)
{
    int base = int_base(text);
    if (is_one_of(text, nulls))
        *out = json_null();
    else if (is_one_of(text, trues))
        *out = json_true();
    else if (is_one_of(text, falses))
        *out = json_false();
    else if (base != 0)
        return read_int(text, base, out);
    else if (is_float(text))
        return read_float(text, out);
    else if (is_no_number(text))
        return "no number that JSON has";
    else
        *out = json_string(text);
    return NULL;
}

const char *yaml_scalar(const yaml_event_t *event, json_t **out)
{
    const char *text = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;
    *out = NULL;
    if (strlen(text) != event->data.scalar.length)
        return "a NUL in a text";
    if (tag && !str_eq(tag, "!") && !str_eq(tag, YAML_STR_TAG))
        return "a tag that is not known here";
    if (!tag && event->data.scalar.plain_implicit)
        return resolve(text, out);
    *out = json_string(text);
    return NULL;
}

bool yaml_is_plain_text(const char *text)
{
    static const char *const words_1_1[] = {"y", "n", "yes", "no", "on", "off", NULL};
    for (const char *const *w = words_1_1; *w; w++) {
        if (str_ieq(text, *w))
            return false;
    }
    /* Dates and times of day are more than text in YAML 1.1. */
    if (strchr("0123456789.+-~<=", text[0]))
        return false;
    json_t *value = NULL;
    bool is_text = !resolve(text, &value) && json_is_string(value);
    json_decref(value);
    return is_text;
}
