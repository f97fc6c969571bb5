/*
 * For tests: a line of JSON for each reply, so that all that the tests made a service say can be
 * compared with its published description afterwards. Of one route and status the first some
 * dozens are enough.
 */
#include "net/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "log/log.h"

enum { EACH_MAX = 60, COUNTERS = 8192, BODY_MAX_BYTES = 256 * 1024 };

struct http_traffic {
    int fd;
    _Atomic unsigned char seen[COUNTERS]; /* by hash of route and status; a clash costs lines */
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
    const uintptr_t key = (uintptr_t)r->route / sizeof(void *) * 31 + (uintptr_t)r->status;
    _Atomic unsigned char *seen = &t->seen[key % COUNTERS];
    if (atomic_load(seen) >= EACH_MAX)
        return true;
    (void)atomic_fetch_add(seen, 1);
    return false;
}

static void write_line(struct jw *w, const struct exchange *ex)
{
    const struct req *r = &ex->req;
    bool is_encoded = false;
    jw_object(w);
    jw_kv_str(w, "service", ex->server->config.traffic_name);
    jw_kv_str(w, "method", http_method_name(r->route->method));
    jw_kv_str(w, "path", r->route->path);
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

void http_traffic_note(const struct exchange *ex)
{
    struct http_traffic *t = ex->server->traffic;
    if (!t || !ex->req.route || ex->req.method == M_HEAD || is_enough(t, &ex->req))
        return;
    AUTO_BUF line;
    struct jw w;
    buf_init(&line, 2 * BODY_MAX_BYTES);
    jw_init(&w, &line);
    write_line(&w, ex);
    buf_char(&line, '\n');
    /* In one piece, so that the lines of several processes do not mix. */
    if (buf_status(&line) == ST_OK && write(t->fd, line.data, line.len) != (ssize_t)line.len)
        log_warn("http_traffic_not_recorded");
}
