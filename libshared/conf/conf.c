/* Reading the settings table from file and environment. The only place that calls getenv. */
#include "conf/conf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "log/log.h"

extern char **environ;

const struct setting conf_settings[] = {
#define SETTING(field, name_, type_, fallback_, min_, max_, unit_, flags_, services_, help_) \
    {.name = (name_),                                                                        \
     .type = SETTING_##type_,                                                                \
     .fallback = (fallback_),                                                                \
     .min = (min_),                                                                          \
     .max = (max_),                                                                          \
     .unit = (unit_),                                                                        \
     .flags = (flags_),                                                                      \
     .services = (services_),                                                                \
     .help = (help_),                                                                        \
     .offset = offsetof(struct conf, field)},
#include "conf/settings.def"
#undef SETTING
};
const size_t conf_settings_count = ARRAY_LEN(conf_settings);

enum { FILE_LIMIT = 65536 };

enum status conf_parse_ms(const char *text, int64_t *out)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1},        {"s", 1000},        {"", 1000},
                 {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}};
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 12)
        return ST_INVALID;
    char number[16];
    memcpy(number, text, digits);
    number[digits] = '\0';
    int64_t v = 0;
    TRY(str_to_i64(number, &v));
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_eq(text + digits, units[i].unit))
            return __builtin_mul_overflow(v, units[i].ms, out) ? ST_INVALID : ST_OK;
    }
    return ST_INVALID;
}

static void *field_of(struct conf *c, const struct setting *s)
{
    return (char *)c + s->offset;
}

static enum status set_number(const struct setting *s, int64_t v, struct conf *c,
                              struct errbuf *err)
{
    if ((s->min != 0 || s->max != 0) && (v < s->min || v > s->max))
        return err_set(err, ST_INVALID, "TOCSIN_%s: must be between %" PRId64 " and %" PRId64 "%s",
                       s->name, s->min, s->max, s->type == SETTING_MS ? " ms" : "");
    *(int64_t *)field_of(c, s) = v;
    return ST_OK;
}

static enum status set_value(const struct setting *s, const char *text, struct conf *c,
                             struct errbuf *err)
{
    int64_t number = 0;
    char *copy = NULL;
    switch (s->type) {
    case SETTING_STR:
        TRY(str_dup(text, &copy));
        free(*(char **)field_of(c, s));
        *(char **)field_of(c, s) = copy;
        return ST_OK;
    case SETTING_INT:
        if (str_to_i64(text, &number) != ST_OK)
            return err_set(err, ST_INVALID, "TOCSIN_%s: not a whole number", s->name);
        return set_number(s, number, c, err);
    case SETTING_MS:
        if (conf_parse_ms(text, &number) != ST_OK)
            return err_set(err, ST_INVALID,
                           "TOCSIN_%s: not a duration like 500ms, 10s, 5m, 2h, 30d", s->name);
        return set_number(s, number, c, err);
    case SETTING_BOOL:
        if (str_to_bool(text, field_of(c, s)) != ST_OK)
            return err_set(err, ST_INVALID, "TOCSIN_%s: not true or false", s->name);
        return ST_OK;
    }
    return ST_INTERNAL;
}

static const struct setting *find(const char *name)
{
    for (size_t i = 0; i < conf_settings_count; i++) {
        if (str_eq(conf_settings[i].name, name))
            return &conf_settings[i];
    }
    return NULL;
}

/* The whole file into *out (heap, terminated), without trailing white space. */
static enum status read_file(const char *path, char **out, struct errbuf *err)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return err_set(err, ST_IO, "%s: %s", path, strerror(errno));
    AUTO_FREE char *text = calloc(1, FILE_LIMIT + 1);
    size_t len = text ? fread(text, 1, FILE_LIMIT + 1, f) : 0;
    (void)fclose(f);
    if (!text)
        return ST_NO_MEMORY;
    if (len > FILE_LIMIT)
        return err_set(err, ST_TOO_LARGE, "%s: larger than %d bytes", path, FILE_LIMIT);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    text[len] = '\0';
    *out = take(&text);
    return ST_OK;
}

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    size_t len = strlen(s);
    while (len > 0 && isspace((unsigned char)s[len - 1]))
        s[--len] = '\0';
    return s;
}

static enum status load_file(const char *path, struct conf *c, struct errbuf *err)
{
    AUTO_FREE char *text = NULL;
    TRY(read_file(path, &text, err));
    char *rest = text;
    for (int number = 1; rest; number++) {
        char *line = trim(strsep(&rest, "\n"));
        if (line[0] == '\0' || line[0] == '#')
            continue;
        char *value = strchr(line, '=');
        if (!value)
            return err_set(err, ST_INVALID, "%s:%d: not NAME=value", path, number);
        *value++ = '\0';
        char *name = trim(line);
        if (str_starts(name, "TOCSIN_"))
            name += strlen("TOCSIN_");
        const struct setting *s = find(name);
        if (!s)
            return err_set(err, ST_INVALID, "%s:%d: unknown setting %s", path, number, name);
        TRY(set_value(s, trim(value), c, err));
    }
    return ST_OK;
}

static enum status load_env(const struct setting *s, struct conf *c, struct errbuf *err)
{
    char name[80];
    (void)snprintf(name, sizeof(name), "TOCSIN_%s_FILE", s->name);
    const char *path = getenv(name);
    if (!str_is_empty(path)) {
        AUTO_FREE char *text = NULL;
        TRY(read_file(path, &text, err));
        TRY(set_value(s, text, c, err));
    }
    (void)snprintf(name, sizeof(name), "TOCSIN_%s", s->name);
    const char *value = getenv(name);
    return str_is_empty(value) ? ST_OK : set_value(s, value, c, err);
}

/* A misspelt setting would otherwise be silently without effect. */
static void warn_unknown(void)
{
    for (char **e = environ; *e; e++) {
        if (!str_starts(*e, "TOCSIN_") || str_starts(*e, "TOCSIN_TEST_"))
            continue;
        char name[80];
        const char *end = strchr(*e, '=');
        size_t len = end ? (size_t)(end - *e) - 7 : 0;
        if (len == 0 || len >= sizeof(name))
            continue;
        memcpy(name, *e + 7, len);
        name[len] = '\0';
        if (str_eq(name, "CONFIG") || find(name))
            continue;
        if (str_ends(name, "_FILE")) {
            name[len - 5] = '\0';
            if (find(name))
                continue;
        }
        log_debug("setting_unknown", kv_str("name", name));
    }
}

enum status conf_load(const char *path, struct conf *out, struct errbuf *err)
{
    struct conf c = {0};
    enum status st = ST_OK;
    for (size_t i = 0; i < conf_settings_count && st == ST_OK; i++)
        st = set_value(&conf_settings[i], conf_settings[i].fallback, &c, err);
    if (!path)
        path = getenv("TOCSIN_CONFIG");
    if (st == ST_OK && !str_is_empty(path))
        st = load_file(path, &c, err);
    for (size_t i = 0; i < conf_settings_count && st == ST_OK; i++)
        st = load_env(&conf_settings[i], &c, err);
    if (st != ST_OK) {
        conf_done(&c);
        return st;
    }
    warn_unknown();
    *out = c;
    return ST_OK;
}

void conf_done(struct conf *c)
{
    for (size_t i = 0; i < conf_settings_count; i++) {
        if (conf_settings[i].type == SETTING_STR)
            free(*(char **)field_of(c, &conf_settings[i]));
    }
    *c = (struct conf){0};
}

void conf_help(struct buf *out, const char *program, const char *summary, unsigned service)
{
    buf_printf(out,
               "%s: %s\n\nUsage: %s [--help] [--version] [--self-test] [--config FILE]\n\n"
               "Settings come from FILE (NAME=value lines), then from the environment.\n"
               "NAME_FILE names a file that holds the value.\n\n",
               program, summary, program);
    for (size_t i = 0; i < conf_settings_count; i++) {
        const struct setting *s = &conf_settings[i];
        if (!(s->services & service) || (s->flags & SF_TEST))
            continue;
        buf_printf(out, "  TOCSIN_%s%s%s%s\n      %s\n", s->name, s->fallback[0] ? " (" : "",
                   s->fallback, s->fallback[0] ? ")" : "", s->help);
    }
}

static void put_services(struct buf *out, unsigned services)
{
    static const char *const names[] = {"api", "scheduler", "worker", "notifier", "ingest", "cli"};
    if (services == SVC_ALL) {
        buf_str(out, "all");
        return;
    }
    const char *between = "";
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (services & (1u << i)) {
            buf_printf(out, "%s%s", between, names[i]);
            between = ", ";
        }
    }
}

static void put_range(struct buf *out, const struct setting *s)
{
    if (s->min != 0 || s->max != 0)
        buf_printf(out, "%" PRId64 "–%" PRId64 "%s%s", s->min, s->max,
                   s->type == SETTING_MS ? " ms"
                   : s->unit[0]          ? " "
                                         : "",
                   s->type == SETTING_MS ? "" : s->unit);
}

void conf_markdown(struct buf *out)
{
    buf_str(out,
            "# Configuration\n\n"
            "Generated from `libshared/conf/settings.def` by `tocsin docs-config`; do not edit.\n\n"
            "Each setting is read from `--config FILE` (or the file that `TOCSIN_CONFIG` "
            "names; `NAME=value` lines), then from `TOCSIN_<NAME>_FILE` (a file that holds the "
            "value, for secrets), then from `TOCSIN_<NAME>`; the last one found wins. "
            "Durations are written `500ms`, `10s`, `5m`, `2h` or `30d`; a bare number is "
            "seconds.\n\n| setting | default | range | used by | what it does |\n"
            "|---|---|---|---|---|\n");
    for (size_t i = 0; i < conf_settings_count; i++) {
        const struct setting *s = &conf_settings[i];
        buf_printf(out, "| `TOCSIN_%s` | %s%s%s | ", s->name, s->fallback[0] ? "`" : "",
                   s->fallback, s->fallback[0] ? "`" : "");
        put_range(out, s);
        buf_str(out, " | ");
        put_services(out, s->services);
        buf_str(out, " | ");
        for (const char *p = s->help; *p; p++) {
            if (*p == '|')
                buf_char(out, '\\');
            buf_char(out, *p);
        }
        buf_printf(out, "%s |\n", s->flags & SF_SECRET ? " *(secret)*" : "");
    }
}
