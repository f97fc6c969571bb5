/* Crash points for chaos tests: SIGKILL to oneself, as hard as an outsider's. */
#include "base/crash.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

/* Set once before threads start; read by every thread afterwards. */
bool crash_is_armed;
static char armed_point[64];
static _Atomic int64_t passes_left;

void crash_arm(const char *spec)
{
    crash_is_armed = false;
    if (str_is_empty(spec))
        return;
    (void)str_copy(armed_point, sizeof(armed_point), spec);
    int64_t n = 1;
    char *colon = strchr(armed_point, ':');
    if (colon) {
        *colon = '\0';
        if (str_to_i64(colon + 1, &n) != ST_OK || n < 1)
            n = 1;
    }
    atomic_store(&passes_left, n);
    crash_is_armed = true;
}

void crash_pass(const char *point)
{
    if (strcmp(point, armed_point) != 0)
        return;
    if (atomic_fetch_sub(&passes_left, 1) == 1)
        (void)kill(getpid(), SIGKILL);
}
