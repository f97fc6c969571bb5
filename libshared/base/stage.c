/* Named threads that can be asked to end. */
#include "base/stage.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { STACK_BYTES = 256 * 1024, NAME_BYTES = 16 };

struct stage {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    bool woken;
    stage_fn *fn;
    void *arg;
    char name[NAME_BYTES];
};

static void *run(void *p)
{
    struct stage *s = p;
    (void)pthread_setname_np(pthread_self(), s->name);
    s->fn(s, s->arg);
    return NULL;
}

static int create_thread(struct stage *s)
{
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    /* Signals belong to the main thread. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&s->thread, &attr, run, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return rc;
}

enum status stage_start(const char *name, stage_fn *fn, void *arg, struct stage **out)
{
    struct stage *s = calloc(1, sizeof(*s));
    if (!s)
        return ST_NO_MEMORY;
    s->fn = fn;
    s->arg = arg;
    for (size_t i = 0; i + 1 < sizeof(s->name) && name[i]; i++)
        s->name[i] = name[i];
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->wake, &attr);
    (void)pthread_condattr_destroy(&attr);

    /* Set before the thread runs: its function may reach the stage through the caller's pointer. */
    *out = s;
    if (create_thread(s) != 0) {
        *out = NULL;
        (void)pthread_cond_destroy(&s->wake);
        (void)pthread_mutex_destroy(&s->lock);
        free(s);
        return ST_NO_MEMORY;
    }
    return ST_OK;
}

void stage_stop(struct stage *s)
{
    if (!s)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->stopping = true;
    (void)pthread_cond_broadcast(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
}

void stage_join(struct stage *s)
{
    if (!s)
        return;
    stage_stop(s);
    (void)pthread_join(s->thread, NULL);
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

bool stage_is_stopping(struct stage *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool stopping = s->stopping;
    (void)pthread_mutex_unlock(&s->lock);
    return stopping;
}

bool stage_sleep(struct stage *s, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&s->lock);
    while (!s->stopping && !s->woken) {
        if (pthread_cond_timedwait(&s->wake, &s->lock, &until) == ETIMEDOUT)
            break;
    }
    s->woken = false;
    bool go_on = !s->stopping;
    (void)pthread_mutex_unlock(&s->lock);
    return go_on;
}

void stage_wake(struct stage *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->woken = true;
    (void)pthread_cond_broadcast(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
}
