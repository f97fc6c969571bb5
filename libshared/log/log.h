/*
 * Structured logs: one event a line on standard error, as JSON, or as text on a terminal.
 *     log_warn("job_retry", kv_str("job", id), kv_i64("attempt", n));
 * Events are snake_case names, not prose; never pass a secret.
 */
#ifndef TOCSIN_LOG_LOG_H
#define TOCSIN_LOG_LOG_H

#include "base/defs.h"
#include "base/status.h"
#include "base/uuid.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

enum log_kv_type { LOG_KV_STR, LOG_KV_I64, LOG_KV_BOOL, LOG_KV_UUID };
struct log_kv {
    const char *key;
    enum log_kv_type type;
    union {
        const char *s;
        int64_t i;
        bool b;
        struct uuid id;
    } v;
};

static inline struct log_kv kv_str(const char *key, const char *s)
{
    return (struct log_kv){.key = key, .type = LOG_KV_STR, .v.s = s};
}
static inline struct log_kv kv_i64(const char *key, int64_t i)
{
    return (struct log_kv){.key = key, .type = LOG_KV_I64, .v.i = i};
}
static inline struct log_kv kv_bool(const char *key, bool b)
{
    return (struct log_kv){.key = key, .type = LOG_KV_BOOL, .v.b = b};
}
static inline struct log_kv kv_uuid(const char *key, struct uuid id)
{
    return (struct log_kv){.key = key, .type = LOG_KV_UUID, .v.id = id};
}
static inline struct log_kv kv_status(enum status st)
{
    return (struct log_kv){.key = "status", .type = LOG_KV_STR, .v.s = status_name(st)};
}

/* Call once before threads start. `service` is borrowed for ever. */
void log_setup(const char *service, enum log_level level, enum log_format format);
bool log_is_on(enum log_level level);
/* Whether a line could be written now without waiting for whoever reads them: for lines that are
 * better lost than waited for. */
bool log_is_flowing(void);
/* debug|info|warn|error; ST_INVALID. */
NODISCARD enum status log_level_parse(const char *text, enum log_level *out);
void log_write(enum log_level level, const char *event, const struct log_kv *kv, size_t count);

/* The {0} keeps the array from being empty when an event has no fields. */
#define LOG_AT(level, event, ...)                                         \
    do {                                                                  \
        if (log_is_on(level)) {                                           \
            const struct log_kv log_kv_[] = {{0}, ##__VA_ARGS__};         \
            log_write(level, event, log_kv_ + 1, ARRAY_LEN(log_kv_) - 1); \
        }                                                                 \
    } while (0)
#define log_debug(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...) LOG_AT(LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_LEVEL_ERROR, event, ##__VA_ARGS__)

#endif
