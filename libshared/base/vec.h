/*
 * A growable array of any type, as a macro pair over one function:
 *     VEC(struct check) checks = {0};   TRY(vec_push(&checks, check));   vec_done(&checks);
 */
#ifndef TOCSIN_BASE_VEC_H
#define TOCSIN_BASE_VEC_H

#include "base/defs.h"
#include "base/status.h"

#define VEC(type)     \
    struct {          \
        type *at;     \
        size_t count; \
        size_t cap;   \
    }

/* Makes room for one more element of `bytes`. ST_NO_MEMORY leaves everything as it was. */
NODISCARD enum status vec_grow(void *at_pointer, size_t count, size_t *cap, size_t bytes);

#define vec_push(v, value)                                                                     \
    ({                                                                                         \
        enum status vec_status_ = vec_grow(&(v)->at, (v)->count, &(v)->cap, sizeof(*(v)->at)); \
        if (vec_status_ == ST_OK)                                                              \
            (v)->at[(v)->count++] = (value);                                                   \
        vec_status_;                                                                           \
    })

#define vec_done(v)                \
    do {                           \
        free((v)->at);             \
        (v)->at = NULL;            \
        (v)->count = (v)->cap = 0; \
    } while (0)

#endif
