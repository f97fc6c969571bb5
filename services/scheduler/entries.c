/* Slabs of entries, and a table with linear probing whose places hold enough of the hash to grow
 * and to close gaps without a look at the entries. */
#include "services/scheduler/entries.h"

#include <string.h>

enum { TABLE_START = 1024, SLAB_ENTRIES = 4096, SLABS_START = 16 };

struct place {
    uint32_t hash;
    uint32_t number; /* of the entry, from 1; 0: empty */
};

struct slab {
    struct slab *next; /* made before */
    struct entry entries[SLAB_ENTRIES];
};

struct entries {
    struct place *places;
    size_t mask; /* a power of two, less one */
    size_t count;
    struct slab *newest; /* of the chain of all */
    struct slab **slabs; /* by number */
    size_t slab_cap;
    uint32_t used; /* numbers ever given */
    uint32_t free; /* one to give again, the next in its from_s; 0: none */
};

static uint32_t hash_of(const struct uuid *id)
{
    return (uint32_t)uuid_hash(id);
}

static struct entry *entry_of(const struct entries *t, uint32_t number)
{
    return &t->slabs[(number - 1) / SLAB_ENTRIES]->entries[(number - 1) % SLAB_ENTRIES];
}

struct entries *entries_new(void)
{
    struct entries *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->mask = TABLE_START - 1;
    t->places = calloc(TABLE_START, sizeof(*t->places));
    if (!t->places) {
        free(t);
        return NULL;
    }
    return t;
}

void entries_free(struct entries *t)
{
    if (!t)
        return;
    for (struct slab *slab = t->newest; slab;) {
        struct slab *next = slab->next;
        free(slab);
        slab = next;
    }
    free(t->slabs);
    free(t->places);
    free(t);
}

size_t entries_count(const struct entries *t)
{
    return t->count;
}

/* The place of this id, or the empty one where it would be. */
static size_t probe(const struct entries *t, uint32_t hash, const struct uuid *id)
{
    size_t at = hash & t->mask;
    for (; t->places[at].number != 0; at = (at + 1) & t->mask) {
        if (t->places[at].hash == hash && uuid_eq(&entry_of(t, t->places[at].number)->id, id))
            break;
    }
    return at;
}

struct entry *entries_find(const struct entries *t, const struct uuid *id)
{
    const struct place *p = &t->places[probe(t, hash_of(id), id)];
    return p->number ? entry_of(t, p->number) : NULL;
}

static enum status grow(struct entries *t)
{
    const size_t mask = t->mask * 2 + 1;
    struct place *places = calloc(mask + 1, sizeof(*places));
    if (!places)
        return ST_NO_MEMORY;
    for (size_t i = 0; i <= t->mask; i++) {
        if (t->places[i].number == 0)
            continue;
        size_t at = t->places[i].hash & mask;
        while (places[at].number != 0)
            at = (at + 1) & mask;
        places[at] = t->places[i];
    }
    free(t->places);
    t->places = places;
    t->mask = mask;
    return ST_OK;
}

static enum status reserve_slab(struct entries *t, size_t i)
{
    if (i < t->slab_cap)
        return ST_OK;
    const size_t cap = MAX_OF(t->slab_cap * 2, (size_t)SLABS_START);
    struct slab **slabs = realloc(t->slabs, cap * sizeof(*slabs));
    if (!slabs)
        return ST_NO_MEMORY;
    t->slabs = slabs;
    t->slab_cap = cap;
    return ST_OK;
}

static enum status add_slab(struct entries *t)
{
    const size_t i = t->used / SLAB_ENTRIES;
    TRY(reserve_slab(t, i));
    struct slab *slab = calloc(1, sizeof(*slab));
    if (!slab)
        return ST_NO_MEMORY;
    slab->next = t->newest;
    t->newest = slab;
    t->slabs[i] = slab;
    return ST_OK;
}

static enum status take_number(struct entries *t, uint32_t *out)
{
    if (t->free != 0) {
        *out = t->free;
        t->free = entry_of(t, t->free)->from_s;
        return ST_OK;
    }
    if (t->used == UINT32_MAX)
        return ST_NO_MEMORY;
    if (t->used % SLAB_ENTRIES == 0)
        TRY(add_slab(t));
    *out = ++t->used;
    return ST_OK;
}

enum status entries_add(struct entries *t, const struct uuid *id, struct entry **out)
{
    uint32_t number = 0;
    if ((t->count + 1) * 4 > (t->mask + 1) * 3)
        TRY(grow(t));
    TRY(take_number(t, &number));
    const uint32_t hash = hash_of(id);
    t->places[probe(t, hash, id)] = (struct place){.hash = hash, .number = number};
    struct entry *e = entry_of(t, number);
    *e = (struct entry){.id = *id};
    t->count++;
    *out = e;
    return ST_OK;
}

void entries_remove(struct entries *t, struct entry *e)
{
    size_t gap = probe(t, hash_of(&e->id), &e->id);
    const uint32_t number = t->places[gap].number;
    /* What comes after the gap moves into it, unless it is at home behind it (Knuth, The Art of
     * Computer Programming 3, 6.4, algorithm R). */
    for (size_t at = (gap + 1) & t->mask; t->places[at].number != 0; at = (at + 1) & t->mask) {
        const size_t home = t->places[at].hash & t->mask;
        if (((at - home) & t->mask) < ((at - gap) & t->mask))
            continue;
        t->places[gap] = t->places[at];
        gap = at;
    }
    t->places[gap] = (struct place){0};
    *e = (struct entry){.from_s = t->free};
    t->free = number;
    t->count--;
}
