/* A binary min-heap of due times with places remembered, so that an entry can move or leave. */
#ifndef TOCSIN_BASE_HEAP_H
#define TOCSIN_BASE_HEAP_H

#include "base/defs.h"
#include "base/status.h"

/* Embed in what is scheduled. `place` is the heap's; 0 means "not in a heap". */
struct heap_node {
    int64_t at;
    size_t place;
};

struct heap {
    struct heap_node **nodes; /* from 1 */
    size_t count;
    size_t cap;
};

void heap_init(struct heap *h);
/* Does not free the nodes. */
void heap_done(struct heap *h);
/* The earliest node, or NULL. */
struct heap_node *heap_top(const struct heap *h);
/* Restores the order after `at` of any nodes was set in place. */
void heap_reorder(struct heap *h);
/* Adds the node, or moves it when it is in the heap already, to be due at `at`. */
NODISCARD enum status heap_put(struct heap *h, struct heap_node *n, int64_t at);
/* No effect on a node that is not in the heap. */
void heap_remove(struct heap *h, struct heap_node *n);

#endif
