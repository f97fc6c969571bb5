/* Block-chained arena. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 4096, SMALL_BYTES = 512 };

struct block {
    struct block *next;
    size_t cap;
    size_t used;
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *head;
    size_t total;
    size_t limit;
    size_t first_bytes; /* of the first block */
};

struct arena *arena_new(size_t limit_bytes)
{
    struct arena *a = calloc(1, sizeof(*a));
    if (a) {
        a->limit = limit_bytes;
        a->first_bytes = BLOCK_BYTES;
    }
    return a;
}

struct arena *arena_new_small(size_t limit_bytes)
{
    struct arena *a = arena_new(limit_bytes);
    if (a)
        a->first_bytes = SMALL_BYTES;
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->head; b;) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
    free(a);
}

void arena_reset(struct arena *a)
{
    struct block *keep = NULL;
    for (struct block *b = a->head; b;) {
        struct block *next = b->next;
        if (!keep && b->cap == BLOCK_BYTES)
            keep = b;
        else
            free(b);
        b = next;
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
    }
    a->head = keep;
    a->total = 0;
}

static struct block *block_add(struct arena *a, size_t bytes)
{
    size_t cap = MAX_OF(bytes, a->head ? (size_t)BLOCK_BYTES : a->first_bytes);
    struct block *b = malloc(sizeof(*b) + cap);
    if (!b)
        return NULL;
    b->cap = cap;
    b->used = 0;
    /* An oversized block goes behind the head, so that the head's free room stays in use. */
    if (cap > BLOCK_BYTES && a->head) {
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    if (bytes > a->limit || a->total > a->limit - bytes)
        return NULL;
    size_t rounded = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (rounded == 0)
        rounded = alignof(max_align_t);

    struct block *b = a->head;
    if (!b || b->cap - b->used < rounded) {
        b = block_add(a, rounded);
        if (!b)
            return NULL;
    }
    void *p = b->data + b->used;
    b->used += rounded;
    a->total += bytes;
    memset(p, 0, rounded);
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t bytes)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    return arena_alloc(a, total);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (copy && len > 0)
        memcpy(copy, s, len);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    char most[128];
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(most, sizeof(most), fmt, again);
    va_end(again);
    char *text = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
    if (text && (size_t)len < sizeof(most))
        memcpy(text, most, (size_t)len);
    else if (text)
        (void)vsnprintf(text, (size_t)len + 1, fmt, ap);
    va_end(ap);
    return text;
}
