/* Small texts from outside: schedules, times, uuids, durations, mail addresses, retry schedules. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/uuid.h"
#include "channels/address.h"
#include "conf/conf.h"
#include "model/schedule.h"
#include "services/notifier/retry.h"
#include "tests/fuzz/fuzz.h"

static void check_schedule(const char *text)
{
    struct schedule s;
    struct errbuf err = {""};
    const int64_t now = 1700000000000;
    if (schedule_parse(text, NULL, &s, &err) != ST_OK) {
        MUST(err.text[0] && schedule_refusal(text, NULL));
        return;
    }
    MUST(!schedule_refusal(text, NULL) && schedule_eq(&s, &s));
    const int64_t phase = schedule_phase(&s, strlen(text) * 2654435761u);
    const int64_t slot = schedule_slot_at(&s, phase, now);
    const int64_t next = schedule_next(&s, phase, now);
    MUST(slot <= now && next > now);
    MUST(next == INT64_MAX || schedule_slot_at(&s, phase, next) == next);
    if (s.interval_ms == 0)
        return;
    MUST(s.interval_ms >= LIMIT_SCHEDULE_MIN_MS && s.interval_ms <= LIMIT_SCHEDULE_MAX_MS);
    MUST(next == slot + s.interval_ms);
}

static void check_time(const char *text)
{
    int64_t at = 0;
    int64_t again = 0;
    char out[TIME_TEXT_BYTES];
    if (time_parse_us(text, &at) != ST_OK)
        return;
    time_format_us(at, out);
    MUST(time_parse_us(out, &again) == ST_OK && again == at);
}

static void check_uuid(const char *text)
{
    struct uuid id;
    char out[UUID_TEXT_BYTES];
    if (uuid_parse(text, &id) != ST_OK)
        return;
    uuid_format(&id, out);
    MUST(strcasecmp(out, text) == 0);
}

static void check_durations(const char *text)
{
    int64_t ms = 0;
    struct retry_schedule retry;
    if (conf_parse_ms(text, &ms) == ST_OK)
        MUST(ms >= 0);
    if (retry_schedule_parse(text, &retry, NULL) == ST_OK) {
        MUST(retry.count >= 1 && retry.count <= RETRY_STEPS_MAX);
        for (size_t i = 0; i < retry.count; i++)
            MUST(retry.wait_ms[i] > 0);
    }
    MUST(retry_after_parse_ms(text, 1700000000) >= 0);
}

static void check_address(const char *text)
{
    struct mailbox m;
    if (!mail_address_check(text))
        MUST(strlen(text) <= MAIL_ADDRESS_MAX && !strpbrk(text, "\r\n<> ,;\"\\"));
    if (mailbox_parse(text, &m, NULL) != ST_OK)
        return;
    MUST(!mail_address_check(m.address) && !str_has_control(m.name));
    MUST(str_is_utf8(m.name, strlen(m.name)) && mailbox_domain(&m)[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of_input(data, size);
    check_schedule(text);
    check_time(text);
    check_uuid(text);
    check_durations(text);
    check_address(text);
    free(text);
    return 0;
}
