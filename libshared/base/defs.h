/* Small macros that every file may use. TRY is the only macro that returns. */
#ifndef TOCSIN_BASE_DEFS_H
#define TOCSIN_BASE_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define NODISCARD __attribute__((warn_unused_result))
/* Before what the product calls in no other file than its own: tests do (scripts/check/unused.sh).
 */
#define FOR_TESTS
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/* The structure that holds `member` at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Returns the status of `expr` from the calling function unless it is ST_OK. */
#define TRY(expr)                         \
    do {                                  \
        enum status try_status_ = (expr); \
        if (try_status_ != ST_OK)         \
            return try_status_;           \
    } while (0)

/* Hands the pointer in *pp over to the caller and forgets it, so that a CLEANUP leaves it alone. */
#define take(pp)                               \
    ({                                         \
        __typeof__(*(pp)) take_value_ = *(pp); \
        *(pp) = NULL;                          \
        take_value_;                           \
    })

static inline void cleanup_free(void *pp)
{
    free(*(void **)pp);
}
/* A heap pointer that is freed at the end of its scope unless taken. */
#define AUTO_FREE CLEANUP(cleanup_free)

#endif
