/* The list of what this daemon depends on. */
#include "obs/health.h"

/* Filled at start, before threads; only the items' states change afterwards. */
static struct health_item *first;
static struct health_item **last = &first;

void health_add(struct health_item *item)
{
    item->next = NULL;
    *last = item;
    last = &item->next;
}

enum health_state health_state(void)
{
    enum health_state state = HEALTH_OK;
    for (struct health_item *i = first; i; i = i->next) {
        if (atomic_load(&i->is_ok))
            continue;
        if (i->is_required)
            return HEALTH_DOWN;
        state = HEALTH_DEGRADED;
    }
    return state;
}

const char *health_state_name(enum health_state state)
{
    static const char *const names[] = {
        [HEALTH_OK] = "ok", [HEALTH_DEGRADED] = "degraded", [HEALTH_DOWN] = "down"};
    return (size_t)state < ARRAY_LEN(names) ? names[state] : "?";
}

const struct health_item *health_next(const struct health_item *item)
{
    return item ? item->next : first;
}
