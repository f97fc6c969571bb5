/* Random numbers. */
#include "base/rand.h"

#include <sys/random.h>

void rand_bytes(void *out, size_t len)
{
    unsigned char *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, MIN_OF(len, (size_t)256), 0);
        if (n <= 0)
            abort();
        p += n;
        len -= (size_t)n;
    }
}

/* splitmix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014). */
static uint64_t next(void)
{
    /* One generator a thread: no lock, and no two threads draw the same jitter. */
    static __thread uint64_t state;
    static __thread bool seeded;
    if (!seeded) {
        rand_bytes(&state, sizeof(state));
        seeded = true;
    }
    uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

uint64_t rand_below(uint64_t n)
{
    return (uint64_t)(((unsigned __int128)next() * n) >> 64);
}

int64_t rand_backoff_ms(int attempt, int64_t base_ms, int64_t cap_ms)
{
    int64_t top = base_ms;
    for (int i = 0; i < attempt && top < cap_ms; i++)
        top *= 2;
    if (top > cap_ms)
        top = cap_ms;
    return (int64_t)rand_below((uint64_t)top + 1);
}
