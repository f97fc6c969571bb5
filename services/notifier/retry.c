/* When a failed delivery is tried again. */
#include "services/notifier/retry.h"

#include <curl/curl.h>
#include <string.h>

#include "base/limits.h"
#include "base/rand.h"
#include "base/str.h"
#include "conf/conf.h"

enum status retry_schedule_parse(const char *text, struct retry_schedule *out, struct errbuf *err)
{
    struct retry_schedule s = {0};
    AUTO_FREE char *copy = NULL;
    TRY(str_dup(text, &copy));
    char *rest = copy;
    while (rest) {
        const char *item = strsep(&rest, ",");
        item += strspn(item, " ");
        if (s.count == RETRY_STEPS_MAX)
            return err_set(err, ST_INVALID, "more than %d waits", (int)RETRY_STEPS_MAX);
        if (conf_parse_ms(item, &s.wait_ms[s.count]) != ST_OK || s.wait_ms[s.count] <= 0)
            return err_set(err, ST_INVALID, "not a duration above zero: \"%.40s\"", item);
        s.count++;
    }
    *out = s;
    return ST_OK;
}

int64_t retry_wait_ms(const struct retry_schedule *s, int64_t attempt, int64_t retry_after_ms)
{
    size_t step = attempt > 0 ? (size_t)(attempt - 1) : 0;
    const int64_t base = s->wait_ms[MIN_OF(step, s->count - 1)];
    const int64_t fifth = base / 5;
    const int64_t wait = base - fifth + (int64_t)rand_below((uint64_t)(2 * fifth) + 1);
    return MAX_OF(wait, MIN_OF(retry_after_ms, (int64_t)LIMIT_NOTIFY_RETRY_AFTER_MS));
}

int64_t retry_after_parse_ms(const char *value, int64_t now_s)
{
    if (!value)
        return 0;
    int64_t seconds = 0;
    if (str_to_i64(value, &seconds) != ST_OK) {
        const time_t at = curl_getdate(value, NULL);
        if (at < 0)
            return 0;
        seconds = (int64_t)at - now_s;
    }
    if (seconds <= 0)
        return 0;
    return MIN_OF(seconds, (int64_t)LIMIT_NOTIFY_RETRY_AFTER_MS / 1000) * 1000;
}
