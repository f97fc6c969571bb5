/* /livez, /readyz and /metrics. They run on the I/O thread, so that they answer under overload and
 * while every handler waits for a store. */
#include "daemon/daemon_internal.h"

#include "auth/scopes.h"
#include "base/clock.h"
#include "json/write.h"
#include "obs/health.h"
#include "obs/metrics.h"

static struct daemon *the_daemon; /* a process is one daemon; set before its servers start */
static atomic_bool is_stopping;

void daemon_health_setup(struct daemon *d)
{
    the_daemon = d;
}

void daemon_health_stopping(void)
{
    atomic_store(&is_stopping, true);
}

static void write_about(struct jw *w, const char *status)
{
    jw_kv_str(w, "status", status);
    jw_kv_str(w, "service", the_daemon ? the_daemon->name : "");
    jw_kv_str(w, "version", tocsin_version);
}

static enum status livez(struct req *r)
{
    struct jw *w = reply_json(r, 200);
    jw_object(w);
    write_about(w, "ok");
    jw_kv_i64(w, "uptime", the_daemon ? (clock_wall_ms() - the_daemon->started_at_ms) / 1000 : 0);
    jw_end(w);
    return ST_OK;
}

static enum status readyz(struct req *r)
{
    enum health_state state = health_state();
    bool stopping = atomic_load(&is_stopping);
    struct jw *w = reply_json(r, state == HEALTH_DOWN || stopping ? 503 : 200);
    jw_object(w);
    write_about(w, stopping ? "stopping" : health_state_name(state));
    jw_key(w, "items");
    jw_array(w);
    for (const struct health_item *i = health_next(NULL); i; i = i->next) {
        jw_object(w);
        jw_kv_str(w, "name", i->name);
        jw_kv_bool(w, "ok", atomic_load(&i->is_ok));
        jw_kv_bool(w, "required", i->is_required);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
    return ST_OK;
}

static enum status metrics(struct req *r)
{
    reply_text(r, 200, "text/plain; version=0.0.4; charset=utf-8", "", 0);
    metrics_write(&r->out);
    return ST_OK;
}

enum { OPEN = ROUTE_NO_RATE | ROUTE_NO_STORE_NEEDED | ROUTE_INLINE };
static const struct route routes[] = {
    {.method = M_GET,
     .path = "/livez",
     .summary = "Whether the process works",
     .tag = "Health",
     .scope = SCOPE_PUBLIC,
     .flags = OPEN,
     .handler = livez},
    {.method = M_GET,
     .path = "/readyz",
     .summary = "Whether it can do its work, and what it lacks",
     .tag = "Health",
     .scope = SCOPE_PUBLIC,
     .flags = OPEN,
     .handler = readyz},
    {.method = M_GET,
     .path = "/metrics",
     .summary = "Prometheus metrics of this process",
     .tag = "Health",
     .scope = SCOPE_PUBLIC,
     .flags = OPEN,
     .handler = metrics},
};
const struct route_set daemon_health_routes = {routes, ARRAY_LEN(routes)};
