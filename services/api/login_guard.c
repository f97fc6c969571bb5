/* A gate in front of the password hash. */
#include "services/api/login_guard.h"

#include <errno.h>
#include <semaphore.h>
#include <time.h>

#include "auth/password.h"

enum { GATE_WAIT_S = 5 };

struct login_guard {
    sem_t gate;
};

struct login_guard *login_guard_new(int hashes_at_a_time)
{
    struct login_guard *g = calloc(1, sizeof(*g));
    if (g)
        (void)sem_init(&g->gate, 0, (unsigned)MAX_OF(hashes_at_a_time, 1));
    return g;
}

void login_guard_free(struct login_guard *g)
{
    if (!g)
        return;
    (void)sem_destroy(&g->gate);
    free(g);
}

static enum status enter(struct login_guard *g)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += GATE_WAIT_S;
    while (sem_clockwait(&g->gate, CLOCK_MONOTONIC, &until) != 0) {
        if (errno != EINTR)
            return ST_OVERLOADED;
    }
    return ST_OK;
}

enum status login_guard_verify(struct login_guard *g, const char *hash, const char *password)
{
    TRY(enter(g));
    const enum status st = password_verify(hash, password);
    (void)sem_post(&g->gate);
    return st;
}

enum status login_guard_hash(struct login_guard *g, const char *password, char *out)
{
    TRY(enter(g));
    const enum status st = password_hash(password, out);
    (void)sem_post(&g->gate);
    return st;
}
