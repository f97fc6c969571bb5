/*
 * Configuration: one table of settings (settings.def) read from an optional file, the environment
 * and *_FILE secrets, in growing precedence. The result is a plain struct, read-only afterwards.
 */
#ifndef TOCSIN_CONF_CONF_H
#define TOCSIN_CONF_CONF_H

#include "base/buf.h"
#include "base/defs.h"
#include "base/status.h"

enum setting_flags { SF_SECRET = 1, SF_TEST = 2 };
enum setting_services {
    SVC_API = 1,
    SVC_SCHEDULER = 2,
    SVC_WORKER = 4,
    SVC_NOTIFIER = 8,
    SVC_INGEST = 16,
    SVC_CLI = 32,
    SVC_ALL = 63
};
enum setting_type { SETTING_STR, SETTING_INT, SETTING_BOOL, SETTING_MS };

struct setting {
    const char *name; /* without TOCSIN_ */
    enum setting_type type;
    const char *fallback;
    int64_t min, max; /* both 0: unbounded */
    const char *unit;
    unsigned flags;
    unsigned services;
    const char *help;
    size_t offset; /* in struct conf */
};

#define CONF_TYPE_STR char *
#define CONF_TYPE_INT int64_t
#define CONF_TYPE_BOOL bool
#define CONF_TYPE_MS int64_t
struct conf {
#define SETTING(field, name, type, fallback, min, max, unit, flags, services, help) \
    CONF_TYPE_##type field;
#include "conf/settings.def"
#undef SETTING
};

extern const struct setting conf_settings[];
extern const size_t conf_settings_count;

/* Reads everything. `path` (may be NULL) is a file of NAME=value lines, # comments, read first;
 * TOCSIN_CONFIG names one when path is NULL. Unknown TOCSIN_* names are logged at debug, a bad
 * value is ST_INVALID with the setting and the reason in err. Free with conf_done. */
NODISCARD enum status conf_load(const char *path, struct conf *out, struct errbuf *err);
void conf_done(struct conf *c);

/* "10s" → 10000; a bare number is seconds. ST_INVALID. */
NODISCARD enum status conf_parse_ms(const char *text, int64_t *out);

/* The --help text for one service (SVC_…), and docs/configuration.md for all. */
void conf_help(struct buf *out, const char *program, const char *summary, unsigned service);
void conf_markdown(struct buf *out);

#endif
