/* Private Redis servers as child processes. */
#include "tests/kit/redis_server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kit/kit.h"

enum { CALL_MS = 5000, PATH_BYTES = 640 };

static void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "kit: %s: %s\n", what, why);
    abort();
}

static void init(struct redis_server *s, const char *name)
{
    *s = (struct redis_server){0};
    (void)snprintf(s->dir, sizeof(s->dir), "%s/%s", kit_dir(), name);
    if (mkdir(s->dir, 0755) != 0)
        give_up(s->dir, "mkdir failed");
}

void redis_server_init(struct redis_server *s, const char *name)
{
    init(s, name);
    (void)snprintf(s->url, sizeof(s->url), "unix://%s/s", s->dir);
}

void redis_server_init_node(struct redis_server *s, const char *name)
{
    init(s, name);
    s->is_cluster = true;
    s->port = kit_port();
    s->bus_port = kit_port();
    (void)snprintf(s->url, sizeof(s->url), "redis://127.0.0.1:%d", s->port);
}

_Noreturn static void become_server(const struct redis_server *s)
{
    char port[16], bus_port[16], socket_path[PATH_BYTES], log[PATH_BYTES];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(port, sizeof(port), "%d", s->port);
    (void)snprintf(bus_port, sizeof(bus_port), "%d", s->bus_port);
    (void)snprintf(socket_path, sizeof(socket_path), "%s/s", s->dir);
    (void)snprintf(log, sizeof(log), "%s/log", s->dir);
    /* The file only grows, so that a place in it is a moment in time. */
    const char *argv[32] = {"redis-server",
                            "--port",
                            port,
                            "--bind",
                            "127.0.0.1",
                            "--dir",
                            s->dir,
                            "--unixsocket",
                            socket_path,
                            "--logfile",
                            log,
                            "--save",
                            "",
                            "--appendonly",
                            "yes",
                            "--appendfsync",
                            "everysec",
                            "--maxmemory-policy",
                            "noeviction",
                            "--auto-aof-rewrite-percentage",
                            "0",
                            NULL};
    int n = 21;
    if (s->is_cluster) {
        argv[n++] = "--cluster-enabled";
        argv[n++] = "yes";
        argv[n++] = "--cluster-port";
        argv[n++] = bus_port;
    }
    argv[n] = NULL;
    (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static bool answers(struct redis *r)
{
    return redis_ping(r) == ST_OK;
}

void redis_server_start(struct redis_server *s)
{
    s->pid = fork();
    if (s->pid < 0)
        give_up("fork", "failed");
    if (s->pid == 0)
        become_server(s);
    struct errbuf err = {{0}};
    AUTO_REDIS r = NULL;
    if (redis_new(s->url, CALL_MS, &r, &err) != ST_OK)
        give_up(s->url, err.text);
    if (!kit_wait(answers(r), KIT_PATIENCE_MS))
        give_up(s->dir, "redis-server does not answer; its log is there");
}

void redis_server_kill(struct redis_server *s)
{
    if (s->pid <= 0)
        return;
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

/* --- its file --- */

static void aof_path(const struct redis_server *s, char out[PATH_BYTES])
{
    (void)snprintf(out, PATH_BYTES, "%s/appendonlydir/appendonly.aof.1.incr.aof", s->dir);
}

int64_t redis_server_aof_bytes(const struct redis_server *s)
{
    char path[PATH_BYTES];
    struct stat st;
    aof_path(s, path);
    if (stat(path, &st) != 0)
        give_up(path, "not there");
    return st.st_size;
}

void redis_server_truncate(const struct redis_server *s, int64_t bytes)
{
    char path[PATH_BYTES];
    aof_path(s, path);
    if (truncate(path, bytes) != 0)
        give_up(path, "cannot be cut");
    /* Redis 7.0 itself leaves half a transaction in the file when the cut is inside of an argument,
     * and takes it for the beginning of the next one when it starts a second time. */
    char command[PATH_BYTES * 2];
    (void)snprintf(command, sizeof(command),
                   "echo y | redis-check-aof --fix '%s/appendonlydir/appendonly.aof.manifest' "
                   ">>'%s/check' 2>&1",
                   s->dir, s->dir);
    if (system(command) != 0)
        give_up(path, "cannot be repaired");
}
