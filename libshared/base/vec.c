/* Growth of VEC arrays. */
#include "base/vec.h"

#include <string.h>

enum status vec_grow(void *at_pointer, size_t count, size_t *cap, size_t bytes)
{
    if (count < *cap)
        return ST_OK;
    size_t bigger = MAX_OF(*cap * 2, (size_t)8);
    void *old = NULL;
    memcpy(&old, at_pointer, sizeof(old)); /* the caller's pointer has another type */
    void *at = reallocarray(old, bigger, bytes);
    if (!at)
        return ST_NO_MEMORY;
    memcpy(at_pointer, &at, sizeof(at));
    *cap = bigger;
    return ST_OK;
}
