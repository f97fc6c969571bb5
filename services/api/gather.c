/* Several jobs and one parked request. */
#include "services/api/gather.h"

#include <pthread.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"

struct slot {
    struct gather *gather;
    struct uuid job_id;
    bool is_expected;
    char *message; /* NULL: none yet, or taken */
    struct slot *next;
};

struct gather {
    struct gathers *all;
    struct uuid key;
    struct slot *heard, **heard_end; /* slots with a message, as they came */
    struct gather *next, **self;     /* among all */
    size_t count;
    struct slot slots[];
};

struct gathers {
    pthread_mutex_t lock; /* of everything in this file */
    struct map *by_job;
    struct gather *list;
};

enum status gathers_new(struct gathers **out)
{
    struct gathers *all = calloc(1, sizeof(*all));
    if (!all)
        return ST_NO_MEMORY;
    all->by_job = map_new(LIMIT_BATCH_JOBS);
    if (!all->by_job) {
        free(all);
        return ST_NO_MEMORY;
    }
    (void)pthread_mutex_init(&all->lock, NULL);
    *out = all;
    return ST_OK;
}

void gathers_free(struct gathers *all)
{
    if (!all)
        return;
    while (all->list)
        gather_free(all->list);
    map_free(all->by_job);
    (void)pthread_mutex_destroy(&all->lock);
    free(all);
}

enum status gather_new(struct gathers *all, size_t count, struct gather **out)
{
    struct gather *g = calloc(1, sizeof(*g) + count * sizeof(g->slots[0]));
    if (!g)
        return ST_NO_MEMORY;
    g->all = all;
    g->key = uuid_new();
    g->heard_end = &g->heard;
    g->count = count;
    (void)pthread_mutex_lock(&all->lock);
    g->next = all->list;
    if (g->next)
        g->next->self = &g->next;
    g->self = &all->list;
    all->list = g;
    (void)pthread_mutex_unlock(&all->lock);
    *out = g;
    return ST_OK;
}

void gather_free(struct gather *g)
{
    if (!g)
        return;
    struct gathers *all = g->all;
    (void)pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < g->count; i++) {
        if (g->slots[i].is_expected)
            (void)map_remove(all->by_job, &g->slots[i].job_id, sizeof(struct uuid));
        free(g->slots[i].message);
    }
    *g->self = g->next;
    if (g->next)
        g->next->self = g->self;
    (void)pthread_mutex_unlock(&all->lock);
    free(g);
}

const struct uuid *gather_key(const struct gather *g)
{
    return &g->key;
}

enum status gather_expect(struct gather *g, size_t place, const struct uuid *job_id)
{
    struct slot *s = &g->slots[place];
    (void)pthread_mutex_lock(&g->all->lock);
    s->gather = g;
    s->job_id = *job_id;
    enum status st = map_set(g->all->by_job, job_id, sizeof(*job_id), s);
    s->is_expected = st == ST_OK;
    (void)pthread_mutex_unlock(&g->all->lock);
    return st;
}

bool gather_take(struct gather *g, size_t *place, char **message)
{
    (void)pthread_mutex_lock(&g->all->lock);
    struct slot *s = g->heard;
    if (s) {
        g->heard = s->next;
        if (!g->heard)
            g->heard_end = &g->heard;
        *place = (size_t)(s - g->slots);
        *message = take(&s->message);
    }
    (void)pthread_mutex_unlock(&g->all->lock);
    return s != NULL;
}

bool gather_has_messages(struct gather *g)
{
    (void)pthread_mutex_lock(&g->all->lock);
    bool has = g->heard != NULL;
    (void)pthread_mutex_unlock(&g->all->lock);
    return has;
}

static char *copy_of(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

/* One message a job: what comes twice is the same. Its key is left in *key. */
static bool keep(struct gathers *all, const struct uuid *job_id, const char *text, size_t len,
                 struct uuid *key)
{
    (void)pthread_mutex_lock(&all->lock);
    struct slot *s = map_remove(all->by_job, job_id, sizeof(*job_id));
    if (s) {
        s->is_expected = false;
        s->message = copy_of(text, len);
        s->next = NULL;
        if (s->message) { /* without memory it is a message that got lost */
            *s->gather->heard_end = s;
            s->gather->heard_end = &s->next;
        }
        *key = s->gather->key;
    }
    (void)pthread_mutex_unlock(&all->lock);
    return s != NULL;
}

bool gather_hear(struct gathers *all, struct http_server *server, const struct uuid *job_id,
                 const char *message, size_t len)
{
    struct uuid key;
    if (!keep(all, job_id, message, len, &key))
        return false;
    (void)http_wake(server, &key, "", 0);
    return true;
}
