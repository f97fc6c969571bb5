/* Reads zone files by name, and keeps what it read. */
#include "zone/zone.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/str.h"
#include "log/log.h"

/* Of the process, as zones are the machine's, and pointers to them must outlive whoever asks. */
static struct {
    pthread_mutex_t lock;
    struct map *zones;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Letters, digits, "_+-" in parts joined by "/": nothing that leaves the folder. */
static bool is_name(const char *name)
{
    static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-";
    size_t len = strlen(name);
    if (len == 0 || len > LIMIT_TZ_NAME)
        return false;
    for (const char *p = name;; p++) {
        size_t part = strspn(p, word);
        if (part == 0)
            return false;
        p += part;
        if (*p == '\0')
            return true;
        if (*p != '/')
            return false;
    }
}

/* How many bytes the file has; 0 when it is none, or larger than a zone's. */
static size_t read_file(const char *name, unsigned char *out)
{
    char path[sizeof("/usr/share/zoneinfo/") + LIMIT_TZ_NAME];
    struct stat about;
    size_t len = 0;
    (void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return 0;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size <= LIMIT_TZ_FILE_BYTES) {
        ssize_t got = 0;
        while (len < LIMIT_TZ_FILE_BYTES &&
               (got = read(fd, out + len, LIMIT_TZ_FILE_BYTES - len)) > 0)
            len += (size_t)got;
        if (got < 0)
            len = 0;
    }
    (void)close(fd);
    return len;
}

static struct tz *load(const char *name)
{
    AUTO_FREE unsigned char *data = malloc(LIMIT_TZ_FILE_BYTES);
    struct tz *tz = NULL;
    struct errbuf err = {""};
    size_t len = data ? read_file(name, data) : 0;
    if (len == 0)
        return NULL;
    if (tz_new(data, len, &tz, &err) != ST_OK) {
        log_warn("zone_not_read", kv_str("zone", name), kv_str("error", err.text));
        return NULL;
    }
    return tz;
}

const struct tz *zone_find(const char *name)
{
    if (!is_name(name))
        return NULL;
    size_t len = strlen(name);
    (void)pthread_mutex_lock(&cache.lock);
    if (!cache.zones)
        cache.zones = map_new(LIMIT_TZ_CACHED);
    struct tz *tz = cache.zones ? map_get(cache.zones, name, len) : NULL;
    if (!tz && cache.zones) {
        tz = load(name);
        if (tz && map_set(cache.zones, name, len, tz) != ST_OK) {
            log_warn("zones_full", kv_str("zone", name));
            tz_free(tz);
            tz = NULL;
        }
    }
    (void)pthread_mutex_unlock(&cache.lock);
    return tz;
}

enum status schedule_read(const char *text, struct schedule *out, struct errbuf *err)
{
    return schedule_parse(text, zone_find, out, err);
}

const char *schedule_check(const char *text)
{
    return schedule_refusal(text, zone_find);
}

const char *schedule_check_interval(const char *text)
{
    struct schedule s;
    if (schedule_read(text, &s, NULL) == ST_OK && s.interval_ms == 0)
        return "must be an interval, such as \"30 seconds\" or \"PT1M\"";
    return schedule_check(text);
}
