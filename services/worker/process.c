/* Starting this very program as an executor, and how such a process ended. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "log/log.h"
#include "services/worker/executor.h"
#include "services/worker/pool_internal.h"

extern char **environ;

enum status process_start(int fd, pid_t *out)
{
    char name[] = "tocsin-worker", option[] = EXECUTOR_OPTION;
    char *const argv[] = {name, option, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawnattr_init(&attr);
    int rc = posix_spawn_file_actions_adddup2(&files, fd, EXECUTOR_FD);
    /* Nothing of ours: no store's connection, no listener. */
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(&files, EXECUTOR_FD + 1);
    /* A group of its own: what a task starts is killed with it, and a terminal's Ctrl-C is for the
     * worker alone. */
    (void)posix_spawnattr_setpgroup(&attr, 0);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    if (rc == 0)
        rc = posix_spawn(out, "/proc/self/exe", &files, &attr, argv, environ);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&files);
    errno = rc;
    return rc == 0 ? ST_OK : ST_UNAVAILABLE;
}

void process_adopt_orphans(void)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        log_warn("orphans_not_adopted", kv_str("error", strerror(errno)));
}

bool process_reap_orphans(bool (*is_known)(const void *arg, pid_t pid), const void *arg)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
            return false;
        if (info.si_pid == 0 || is_known(arg, info.si_pid))
            return true;
        (void)waitpid(info.si_pid, NULL, WNOHANG);
    }
}

void process_describe(int status, char *out, size_t cap)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        (void)snprintf(out, cap, "executor ended by signal 9 (Killed: out of memory?)");
    else if (WIFSIGNALED(status))
        (void)snprintf(out, cap, "executor ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(out, cap, "executor exited with status %d", WEXITSTATUS(status));
}
