/*
 * The skeleton of a daemon: options, settings, logs, self-test of the security primitives, health
 * and metrics, start, wait for a signal, graceful drain. A service fills in `struct service` and
 * calls daemon_main.
 */
#ifndef TOCSIN_DAEMON_DAEMON_H
#define TOCSIN_DAEMON_DAEMON_H

#include "base/defs.h"
#include "base/status.h"
#include "conf/conf.h"
#include "net/http.h"

struct daemon {
    const char *name; /* "worker" */
    struct conf conf;
    int64_t started_at_ms;
    struct http_server *health_http; /* own listener of services without an API, else NULL */
};

/* An option of one daemon that stands for a setting: --NAME VALUE. */
struct service_option {
    const char *name, *setting; /* "concurrency", "WORKER_CONCURRENCY" */
    const char *value, *help;
};

struct service {
    const char *name; /* "worker": the program is tocsin-worker */
    unsigned bit;     /* SVC_WORKER */
    const char *summary;
    const struct service_option *options;
    size_t option_count;
    bool has_own_http; /* api, ingest: they add daemon_health_routes to their own server */
    /* Starts the stages; *state is the service's own. Detail of a failure in err. Stores that are
     * down at start are no failure: the service comes up degraded and goes on trying. */
    enum status (*start)(struct daemon *d, void **state, struct errbuf *err);
    /* TERM came: stop taking work in, finish within grace_ms. Then everything is freed. */
    void (*stop)(void *state, int64_t grace_ms);
    /* Of services with an API: writes its description (--openapi). Needs no settings. */
    enum status (*openapi)(struct buf *out, struct errbuf *err);
};

/* Returns the exit status. SIGTERM/SIGINT drain; a second one exits at once (status 130). */
int daemon_main(int argc, char **argv, const struct service *service);
/* For a child process that a daemon starts from its own program, with its environment: settings,
 * logs, clock, crash points. The caller frees *out with conf_done. `name` is borrowed for ever. */
NODISCARD enum status daemon_child_setup(const char *name, struct conf *out, struct errbuf *err);
/* /livez, /readyz, /metrics: public, no store needed. */
extern const struct route_set daemon_health_routes;
/* Version of this build ("0.1.0"). */
extern const char tocsin_version[];

/* The start-up self-test of JSON, JWT, password, seal, egress and URL checks: ST_CORRUPT naming the
 * failed one. */
NODISCARD enum status self_test(struct errbuf *err);

#endif
