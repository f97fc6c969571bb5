/* UUID version 7. */
#include "base/uuid.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "base/str.h"

static void put_time(struct uuid *id, uint64_t ms)
{
    for (int i = 0; i < 6; i++)
        id->b[i] = (uint8_t)(ms >> (40 - 8 * i));
}

static void put_version(struct uuid *id)
{
    id->b[6] = (uint8_t)((id->b[6] & 0x0f) | 0x70);
    id->b[8] = (uint8_t)((id->b[8] & 0x3f) | 0x80);
}

struct uuid uuid_at(int64_t wall_ms)
{
    struct uuid id;
    rand_bytes(id.b + 6, 10);
    put_time(&id, (uint64_t)wall_ms);
    put_version(&id);
    return id;
}

struct uuid uuid_new(void)
{
    /* RFC 9562 section 6.2, method 3: 12 bits of sub-millisecond time behind the milliseconds;
     * the last value handed out never repeats or goes back, whatever the clock does. */
    static _Atomic uint64_t last;
    int64_t us = clock_wall_us();
    uint64_t now = ((uint64_t)(us / 1000) << 12) | (uint64_t)((us % 1000) * 4096 / 1000);
    uint64_t seen = atomic_load(&last);
    uint64_t mine;
    do {
        mine = now > seen ? now : seen + 1;
    } while (!atomic_compare_exchange_weak(&last, &seen, mine));

    struct uuid id;
    rand_bytes(id.b + 8, 8);
    put_time(&id, mine >> 12);
    id.b[6] = (uint8_t)((mine >> 8) & 0x0f);
    id.b[7] = (uint8_t)(mine & 0xff);
    put_version(&id);
    return id;
}

struct uuid uuid_new_plain(void)
{
    struct uuid id;
    const uint64_t a = rand_below(UINT64_MAX), b = rand_below(UINT64_MAX);
    memcpy(id.b, &a, sizeof(a));
    memcpy(id.b + sizeof(a), &b, sizeof(b));
    put_time(&id, (uint64_t)clock_wall_ms());
    put_version(&id);
    return id;
}

int64_t uuid_time_ms(const struct uuid *id)
{
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id->b[i];
    return (int64_t)ms;
}

void uuid_format(const struct uuid *id, char out[UUID_TEXT_BYTES])
{
    char hex[33];
    str_hex(id->b, sizeof(id->b), hex);
    size_t at = 0;
    for (size_t i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            out[at++] = '-';
        out[at++] = hex[i];
    }
    out[at] = '\0';
}

enum status uuid_parse(const char *text, struct uuid *out)
{
    struct uuid id;
    size_t at = 0;
    for (size_t i = 0; i < sizeof(id.b); i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
            return ST_INVALID;
        const int high = str_hex_digit(text[at]); /* the terminator is none */
        const int low = high < 0 ? -1 : str_hex_digit(text[at + 1]);
        if (low < 0)
            return ST_INVALID;
        id.b[i] = (uint8_t)(high * 16 + low);
        at += 2;
    }
    if (text[at] != '\0')
        return ST_INVALID;
    *out = id;
    return ST_OK;
}

bool uuid_eq(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool uuid_is_nil(const struct uuid *id)
{
    static const struct uuid nil;
    return uuid_eq(id, &nil);
}

int uuid_cmp(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, sizeof(a->b));
}

uint64_t uuid_hash(const struct uuid *id)
{
    uint64_t h = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < sizeof(id->b); i++)
        h = (h ^ id->b[i]) * 0x100000001b3ULL;
    return h;
}
