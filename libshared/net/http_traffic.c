/*
 * For tests: a line of JSON for each reply, so that all that the tests made a service say can be
 * compared with its published description afterwards. Of one route, status and code the first some
 * dozens are enough. What was refused before it had a route has none here.
 */
#include "net/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "log/log.h"

enum { EACH_MAX = 60, COUNTERS = 8192, BODY_MAX_BYTES = 256 * 1024 };

struct seen {
    _Atomic uint64_t what; /* hash of route, status and code; 0: free */
    _Atomic int count;
};

struct http_traffic {
    int fd;
    struct seen seen[COUNTERS];
};

enum status http_traffic_open(const char *path, struct http_traffic **out)
{
    struct http_traffic *t = calloc(1, sizeof(*t));
    if (!t)
        return ST_NO_MEMORY;
    t->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (t->fd < 0) {
        log_warn("http_traffic_not_recorded", kv_str("path", path),
                 kv_str("error", strerror(errno)));
        free(t);
        return ST_IO;
    }
    *out = t;
    return ST_OK;
}

void http_traffic_close(struct http_traffic *t)
{
    if (!t)
        return;
    (void)close(t->fd);
    free(t);
}

static bool is_enough(struct http_traffic *t, const struct req *r)
{
    const void *code = r->status < 400 ? NULL : r->code;
    uint64_t what = (uint64_t)(uintptr_t)r->route * UINT64_C(0x9E3779B97F4A7C15);
    what = (what ^ (uint64_t)(uintptr_t)code) * UINT64_C(0x9E3779B97F4A7C15);
    what = (what ^ (uint64_t)r->status) * UINT64_C(0x9E3779B97F4A7C15) | 1;
    for (size_t i = 0; i < COUNTERS; i++) {
        struct seen *s = &t->seen[((what >> 32) + i) % COUNTERS];
        uint64_t found = 0;
        if (atomic_compare_exchange_strong(&s->what, &found, what) || found == what)
            return atomic_fetch_add(&s->count, 1) >= EACH_MAX;
    }
    return true;
}

static void write_line(struct jw *w, const struct exchange *ex)
{
    const struct req *r = &ex->req;
    bool is_encoded = false;
    jw_object(w);
    jw_kv_str(w, "service", ex->server->config.traffic_name);
    jw_kv_str(w, "method", http_method_name(r->route ? r->route->method : r->method));
    jw_kv_str(w, "path", r->route ? r->route->path : NULL);
    jw_kv_str(w, "target", r->target);
    jw_kv_i64(w, "status", r->status);
    jw_kv_str(w, "type", r->content_type);
    jw_key(w, "headers");
    jw_array(w);
    for (size_t i = 0; i < r->reply_header_count; i++) {
        jw_str(w, r->reply_headers[i].name);
        is_encoded |= str_ieq(r->reply_headers[i].name, "Content-Encoding");
    }
    jw_end(w);
    const bool is_json = r->content_type && strstr(r->content_type, "json");
    if (is_json && !is_encoded && r->out.len > 0 && r->out.len <= BODY_MAX_BYTES) {
        jw_key(w, "body");
        jw_raw(w, buf_cstr(&r->out));
    }
    jw_end(w);
}

/* In one piece, so that the lines of several processes do not mix. */
static void append(const struct http_traffic *t, struct buf *line)
{
    buf_char(line, '\n');
    if (buf_status(line) == ST_OK && write(t->fd, line->data, line->len) != (ssize_t)line->len)
        log_warn("http_traffic_not_recorded");
}

void http_traffic_note(const struct exchange *ex)
{
    struct http_traffic *t = ex->server->traffic;
    if (!t || ex->req.method == M_HEAD || is_enough(t, &ex->req))
        return;
    AUTO_BUF line;
    struct jw w;
    buf_init(&line, 2 * BODY_MAX_BYTES);
    jw_init(&w, &line);
    write_line(&w, ex);
    append(t, &line);
}

void http_traffic_note_refusal(const struct http_server *s, int status, const char *code)
{
    if (!s->traffic)
        return;
    AUTO_BUF line;
    struct jw w;
    buf_init(&line, 1024);
    jw_init(&w, &line);
    jw_object(&w);
    jw_kv_str(&w, "service", s->config.traffic_name);
    jw_kv_str(&w, "path", NULL);
    jw_kv_i64(&w, "status", status);
    jw_key(&w, "body");
    jw_object(&w);
    jw_kv_str(&w, "code", code);
    jw_end(&w);
    jw_end(&w);
    append(s->traffic, &line);
}
