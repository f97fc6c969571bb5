/* Slots and redirections of Redis Cluster. */
#include "redis/cluster.h"

#include <string.h>

#include "base/str.h"

static unsigned crc16(const char *data, size_t len)
{
    unsigned crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned)(unsigned char)data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1 ^ (crc & 0x8000u ? 0x1021u : 0)) & 0xffffu;
    }
    return crc;
}

int redis_slot(const char *key, size_t len)
{
    const char *open = memchr(key, '{', len);
    if (open) {
        const char *tag = open + 1;
        const char *close = memchr(tag, '}', len - (size_t)(tag - key));
        if (close && close > tag)
            return (int)(crc16(tag, (size_t)(close - tag)) % REDIS_SLOTS);
    }
    return (int)(crc16(key, len) % REDIS_SLOTS);
}

/* Where the first key is; 0: nowhere. */
static int key_at(int count, const char *const *value)
{
    static const char *const none[] = {"PING", "MULTI",     "EXEC", "PUBLISH", "CONFIG",  "CLIENT",
                                       "INFO", "SUBSCRIBE", "AUTH", "SELECT",  "CLUSTER", "KEYS"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        if (str_eq(value[0], none[i]))
            return 0;
    }
    if (str_starts(value[0], "EVAL"))
        return count > 3 && !str_eq(value[2], "0") ? 3 : 0;
    if (str_eq(value[0], "XINFO") || str_eq(value[0], "XGROUP"))
        return 2;
    if (!str_starts(value[0], "XREAD"))
        return 1;
    for (int i = 1; i < count; i++) {
        if (str_eq(value[i], "STREAMS"))
            return i + 1;
    }
    return 0;
}

int redis_command_slot(int count, const char *const *value, const size_t *length)
{
    int at = key_at(count, value);
    return at > 0 && at < count ? redis_slot(value[at], length[at]) : -1;
}

static enum status take_number(const char **at, char end, int max, int *out)
{
    int v = 0;
    const char *p = *at;
    for (; *p >= '0' && *p <= '9' && v <= max; p++)
        v = v * 10 + (*p - '0');
    if (p == *at || v > max || *p != end)
        return ST_NOT_FOUND;
    *at = p + (end != '\0');
    *out = v;
    return ST_OK;
}

enum status redis_redirect_parse(const char *error, struct redis_redirect *out)
{
    struct redis_redirect to = {.is_ask = str_starts(error, "ASK ")};
    if (!to.is_ask && !str_starts(error, "MOVED "))
        return ST_NOT_FOUND;
    const char *at = strchr(error, ' ') + 1;
    TRY(take_number(&at, ' ', REDIS_SLOTS - 1, &to.slot));
    const char *colon = strrchr(at, ':');
    size_t len = colon ? (size_t)(colon - at) : 0;
    if (len == 0 || len >= sizeof(to.host))
        return ST_NOT_FOUND;
    memcpy(to.host, at, len);
    at = colon + 1;
    TRY(take_number(&at, '\0', 65535, &to.port));
    *out = to;
    return ST_OK;
}
