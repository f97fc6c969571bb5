/*
 * Closing a connection whose client still writes (RFC 9112, section 9.6). A socket that is closed
 * before all that came was read sends a reset, and with it the client may lose the reply that it
 * has not looked at yet. So the library closes its descriptor, and a second one of the same socket
 * stays here: our side is shut, and what comes is thrown away unseen until the client is done, or
 * for as long and as much as the limits say. When there is no room the connection just ends.
 *
 * The thread starts with the first such connection. It owns `items`; `lock` guards what is handed
 * over.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "net/http_internal.h"

enum { READ_BYTES = 1 << 20 };

struct lingering {
    int fd;
    size_t bytes;
    int64_t idle_mono_ms; /* the end, when nothing comes before */
    int64_t end_mono_ms;
};

struct http_linger {
    pthread_mutex_t lock;
    struct stage *stage; /* NULL before the first; under the lock, but for the end */
    int wake_fd;
    int handed[LIMIT_HTTP_LINGERING];
    size_t handed_count;
    size_t kept; /* handed over, and not ended yet */
    size_t count;
    struct lingering items[LIMIT_HTTP_LINGERING];
};

enum status http_linger_new(struct http_linger **out)
{
    struct http_linger *l = calloc(1, sizeof(*l));
    if (!l)
        return ST_NO_MEMORY;
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake_fd < 0) {
        free(l);
        return ST_IO;
    }
    (void)pthread_mutex_init(&l->lock, NULL);
    *out = l;
    return ST_OK;
}

static void wake(const struct http_linger *l)
{
    const uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof(one));
    (void)n; /* full: it wakes all the same */
}

/* Takes over what was handed in; returns how many there are now. */
static size_t take_handed(struct http_linger *l, int64_t now)
{
    uint64_t wakes = 0;
    ssize_t n = read(l->wake_fd, &wakes, sizeof(wakes));
    (void)n;
    (void)pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->handed_count; i++) {
        l->items[l->count++] = (struct lingering){.fd = l->handed[i],
                                                  .idle_mono_ms = now + LIMIT_HTTP_LINGER_IDLE_MS,
                                                  .end_mono_ms = now + LIMIT_HTTP_LINGER_MS};
    }
    l->handed_count = 0;
    (void)pthread_mutex_unlock(&l->lock);
    return l->count;
}

/* Whether there may be more to come. TCP throws away what MSG_TRUNC reads without copying it. */
static bool discard(struct lingering *item, int64_t now)
{
    ssize_t n = 0;
    while ((n = recv(item->fd, NULL, READ_BYTES, MSG_TRUNC | MSG_DONTWAIT)) > 0) {
        item->bytes += (size_t)n;
        item->idle_mono_ms = now + LIMIT_HTTP_LINGER_IDLE_MS;
        if (item->bytes > LIMIT_HTTP_LINGER_BYTES)
            return false;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) &&
           now < MIN_OF(item->idle_mono_ms, item->end_mono_ms);
}

static void end(struct http_linger *l, size_t i)
{
    (void)close(l->items[i].fd);
    l->items[i] = l->items[--l->count];
    (void)pthread_mutex_lock(&l->lock);
    l->kept--;
    (void)pthread_mutex_unlock(&l->lock);
}

static void wait_for_bytes(const struct http_linger *l, int64_t now)
{
    struct pollfd fds[LIMIT_HTTP_LINGERING + 1] = {{.fd = l->wake_fd, .events = POLLIN}};
    int64_t until = INT64_MAX;
    for (size_t i = 0; i < l->count; i++) {
        const struct lingering *item = &l->items[i];
        fds[i + 1] = (struct pollfd){.fd = item->fd, .events = POLLIN};
        until = MIN_OF(until, MIN_OF(item->idle_mono_ms, item->end_mono_ms));
    }
    const int64_t wait_ms = until == INT64_MAX ? -1 : MAX_OF(until - now, 0);
    (void)poll(fds, (nfds_t)l->count + 1, (int)wait_ms);
}

static void run(struct stage *stage, void *arg)
{
    struct http_linger *l = arg;
    while (!stage_is_stopping(stage)) {
        wait_for_bytes(l, clock_mono_ms());
        const int64_t now = clock_mono_ms();
        for (size_t i = take_handed(l, now); i-- > 0;) {
            if (!discard(&l->items[i], now))
                end(l, i);
        }
    }
}

static bool hand_over(struct http_linger *l, int fd)
{
    if (l->kept == LIMIT_HTTP_LINGERING)
        return false;
    if (!l->stage && stage_start("http-linger", run, l, &l->stage) != ST_OK)
        return false;
    l->handed[l->handed_count++] = fd;
    l->kept++;
    return true;
}

void http_linger_add(struct http_linger *l, int fd)
{
    const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return;
    (void)shutdown(own, SHUT_WR);
    (void)pthread_mutex_lock(&l->lock);
    const bool is_kept = hand_over(l, own);
    (void)pthread_mutex_unlock(&l->lock);
    if (!is_kept) {
        log_debug("http_not_lingering");
        (void)close(own);
        return;
    }
    wake(l);
}

void http_linger_free(struct http_linger *l)
{
    if (!l)
        return;
    stage_stop(l->stage);
    wake(l);
    stage_join(l->stage);
    (void)take_handed(l, 0);
    while (l->count > 0)
        end(l, l->count - 1);
    (void)close(l->wake_fd);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}
