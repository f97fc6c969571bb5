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

/* These are written by hand above; the tables describe them. */
static const struct field live_fields[] = {
    {.name = "status", .type = FT_STRING, .example = "\"ok\""},
    {.name = "service", .type = FT_STRING, .example = "\"api\""},
    {.name = "version", .type = FT_STRING, .example = "\"0.1.0\""},
    {.name = "uptime", .type = FT_INT, .help = "Seconds"},
};
static const struct schema live_schema = {
    .name = "Live", .fields = live_fields, .count = ARRAY_LEN(live_fields)};

static const struct field item_fields[] = {
    {.name = "name", .type = FT_STRING, .example = "\"postgresql\""},
    {.name = "ok", .type = FT_BOOL},
    {.name = "required", .type = FT_BOOL, .help = "Without it nothing works"},
};
static const struct schema item_schema = {
    .name = "ReadyItem", .fields = item_fields, .count = ARRAY_LEN(item_fields)};

static const struct field ready_fields[] = {
    {.name = "status",
     .type = FT_STRING,
     .help = "ok, degraded, down or stopping",
     .example = "\"ok\""},
    {.name = "service", .type = FT_STRING, .example = "\"api\""},
    {.name = "version", .type = FT_STRING, .example = "\"0.1.0\""},
    {.name = "items", .type = FT_LIST, .sub = &item_schema, .help = "What it needs"},
};
static const struct schema ready_schema = {
    .name = "Ready", .fields = ready_fields, .count = ARRAY_LEN(ready_fields)};

enum { OPEN = ROUTE_NO_RATE | ROUTE_NO_STORE_NEEDED | ROUTE_INLINE };
static const struct route routes[] = {
    {.method = M_GET,
     .path = "/livez",
     .summary = "Whether the process works",
     .reply = &live_schema,
     .tag = "Health",
     .scope = SCOPE_PUBLIC,
     .flags = OPEN,
     .handler = livez},
    {.method = M_GET,
     .path = "/readyz",
     .summary = "Whether it can do its work, and what it lacks",
     .reply = &ready_schema,
     .more = MORE_REPLIES(
         {.status = 503, .help = "It cannot, or is stopping", .reply = &ready_schema}),
     .tag = "Health",
     .scope = SCOPE_PUBLIC,
     .flags = OPEN,
     .handler = readyz},
    {.method = M_GET,
     .path = "/metrics",
     .summary = "Prometheus metrics of this process",
     .produces = "text/plain",
     .tag = "Health",
     .scope = SCOPE_PUBLIC,
     .flags = OPEN,
     .handler = metrics},
};
const struct route_set daemon_health_routes = {routes, ARRAY_LEN(routes)};
