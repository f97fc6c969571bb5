/* Serving files: small in number, few kinds, read when asked for. */
#include "services/api/web_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "net/http_accept.h"
#include "net/http_etag.h"
#include "services/api/api.h"

/* The kinds of files that are served at all. */
static const struct {
    const char *extension, *type;
} kinds[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".png", "image/png"},
    {".svg", "image/svg+xml"},
    {".woff2", "font/woff2"},
};

/* Everything from this host. Swagger UI and ReDoc set styles from scripts; ReDoc searches in a
 * worker that it makes from a blob. */
static const char page_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const char *type_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_ends(name, kinds[i].extension))
            return kinds[i].type;
    }
    return NULL;
}

static bool is_name(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t len = strlen(name);
    return len > 0 && len <= 128 && name[0] != '.' && strspn(name, good) == len;
}

/* -1: it is not there, or is no plain file. */
static int open_file(const struct req *r, const char *folder, const char *name, const char *suffix)
{
    char path[1024];
    const int len = snprintf(path, sizeof(path), "%s/%s%s%s", req_ctx(r)->conf->web_dir, folder,
                             name, suffix);
    if (len < 0 || (size_t)len >= sizeof(path))
        return -1;
    struct stat about;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static enum status read_into(int fd, struct buf *out)
{
    for (;;) {
        enum { CHUNK = 65536 };
        char *room = buf_reserve(out, CHUNK);
        if (!room)
            return buf_status(out);
        const ssize_t n = read(fd, room, CHUNK);
        if (n == 0)
            return ST_OK;
        if (n < 0 && errno != EINTR)
            return ST_IO;
        if (n > 0)
            buf_advance(out, (size_t)n);
    }
}

static void about_headers(struct req *r, const char *folder, const char *type)
{
    const bool is_asset = folder[0] != '\0';
    reply_header(r, "Cache-Control",
                 is_asset ? "public, max-age=31536000, immutable" : "public, no-cache");
    if (str_starts(type, "text/html"))
        reply_header(r, "Content-Security-Policy", page_policy);
}

enum status web_file_reply(struct req *r, const char *folder, const char *name)
{
    const char *type = is_name(name) ? type_of(name) : NULL;
    if (!type)
        return ST_NOT_FOUND;
    const bool takes_gzip = http_accepts_gzip(req_header(r, "Accept-Encoding"));
    int fd = takes_gzip ? open_file(r, folder, name, ".gz") : -1;
    const bool is_packed = fd >= 0;
    if (!is_packed)
        fd = open_file(r, folder, name, "");
    if (fd < 0)
        return ST_NOT_FOUND;
    reply_text(r, 200, type, "", 0);
    const enum status st = read_into(fd, &r->out);
    (void)close(fd);
    TRY(st);
    r->vary |= VARY_ENCODING;
    etag_make(r->out.data, r->out.len, 0, r->etag);
    if (is_packed)
        reply_header(r, "Content-Encoding", "gzip");
    about_headers(r, folder, type);
    return ST_OK;
}
