/* Binary min-heap with remembered places. */
#include "base/heap.h"

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_done(struct heap *h)
{
    for (size_t i = 1; i <= h->count; i++)
        h->nodes[i]->place = 0;
    free(h->nodes);
    *h = (struct heap){0};
}

struct heap_node *heap_top(const struct heap *h)
{
    return h->count > 0 ? h->nodes[1] : NULL;
}

static void set(struct heap *h, size_t place, struct heap_node *n)
{
    h->nodes[place] = n;
    n->place = place;
}

static void sift_up(struct heap *h, size_t place)
{
    struct heap_node *n = h->nodes[place];
    while (place > 1 && h->nodes[place / 2]->at > n->at) {
        set(h, place, h->nodes[place / 2]);
        place /= 2;
    }
    set(h, place, n);
}

static void sift_down(struct heap *h, size_t place)
{
    struct heap_node *n = h->nodes[place];
    for (;;) {
        size_t child = place * 2;
        if (child > h->count)
            break;
        if (child < h->count && h->nodes[child + 1]->at < h->nodes[child]->at)
            child++;
        if (h->nodes[child]->at >= n->at)
            break;
        set(h, place, h->nodes[child]);
        place = child;
    }
    set(h, place, n);
}

/* Floyd's: from the last parent on, linear in all. */
void heap_reorder(struct heap *h)
{
    for (size_t place = h->count / 2; place > 0; place--)
        sift_down(h, place);
}

enum status heap_put(struct heap *h, struct heap_node *n, int64_t at)
{
    if (n->place == 0) {
        if (h->count + 1 >= h->cap) {
            size_t cap = MAX_OF(h->cap * 2, (size_t)64);
            struct heap_node **nodes = realloc(h->nodes, cap * sizeof(struct heap_node *));
            if (!nodes)
                return ST_NO_MEMORY;
            h->nodes = nodes;
            h->cap = cap;
        }
        n->at = at;
        h->count++;
        set(h, h->count, n);
        sift_up(h, h->count);
        return ST_OK;
    }
    int64_t before = n->at;
    n->at = at;
    if (at < before)
        sift_up(h, n->place);
    else
        sift_down(h, n->place);
    return ST_OK;
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    size_t place = n->place;
    if (place == 0)
        return;
    struct heap_node *last = h->nodes[h->count--];
    n->place = 0;
    if (last == n)
        return;
    set(h, place, last);
    sift_up(h, place);
    sift_down(h, last->place);
}
