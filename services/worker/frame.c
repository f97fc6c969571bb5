/* Frames on a socket pair: the one place that knows their bytes. Both ends are the same program on
 * the same machine, hence plain structs. */
#include "services/worker/frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static enum status wait_for(int fd, short what, int64_t timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = what};
    const int n = poll(&p, 1, timeout_ms < 0 ? -1 : (int)MIN_OF(timeout_ms, (int64_t)INT32_MAX));
    if (n < 0)
        return errno == EINTR ? ST_OK : ST_IO; /* the caller tries and comes back */
    return n > 0 ? ST_OK : ST_TIMEOUT;
}

static bool is_again(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ENOBUFS;
}

enum status frame_send(int fd, enum frame_type type, const void *data, size_t len,
                       int64_t timeout_ms)
{
    if (len + 1 > FRAME_BYTES)
        return ST_TOO_LARGE;
    char head = (char)type;
    struct iovec parts[] = {{&head, 1}, {(void *)(uintptr_t)data, len}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = len > 0 ? 2 : 1};
    for (;;) {
        if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return ST_OK;
        if (errno == EPIPE || errno == ECONNRESET)
            return ST_STOPPED;
        if (!is_again(errno))
            return ST_IO;
        TRY(wait_for(fd, POLLOUT, timeout_ms));
    }
}

enum status frame_recv(int fd, char *buf, int64_t timeout_ms, struct frame *out)
{
    for (;;) {
        struct iovec part = {buf, FRAME_BYTES};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        const ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
        if (n == 0)
            return ST_STOPPED;
        if (n > 0 && (message.msg_flags & MSG_TRUNC))
            return ST_CORRUPT;
        if (n > 0) {
            buf[n] = '\0';
            *out = (struct frame){
                .type = (enum frame_type)buf[0], .data = buf + 1, .len = (size_t)n - 1};
            return ST_OK;
        }
        if (!is_again(errno))
            return ST_STOPPED;
        TRY(wait_for(fd, POLLIN, timeout_ms));
    }
}

/* --- jobs --- */

void frame_put_job(const struct job *job, struct buf *out)
{
    struct job plain = *job;
    /* What comes after it is the worker's business. */
    plain.chain = NULL;
    const int32_t attempt = job->attempt;
    buf_append(out, &attempt, sizeof(attempt));
    job_pack(&plain, out);
}

enum status frame_get_job(const struct frame *f, struct arena *arena, struct job *out)
{
    int32_t attempt = 0;
    if (f->len < sizeof(attempt))
        return ST_INVALID;
    memcpy(&attempt, f->data, sizeof(attempt));
    TRY(job_unpack(f->data + sizeof(attempt), f->len - sizeof(attempt), arena, out, NULL));
    out->attempt = attempt;
    return ST_OK;
}

/* --- outcomes --- */

struct done_head {
    int32_t status, has_result;
    int64_t rss_kb;
    uint32_t result_len, reason_len;
};

void frame_put_done(const struct frame_done *done, struct buf *out)
{
    const struct done_head head = {
        .status = (int32_t)done->status,
        .has_result = done->has_result,
        .rss_kb = done->rss_kb,
        .result_len = done->has_result ? (uint32_t)strlen(done->result) : 0,
        .reason_len = (uint32_t)strlen(done->reason),
    };
    buf_append(out, &head, sizeof(head));
    buf_append(out, done->has_result ? done->result : "", head.result_len + 1);
    buf_append(out, done->reason, head.reason_len + 1);
}

enum status frame_get_done(const struct frame *f, struct frame_done *out)
{
    struct done_head head;
    if (f->len < sizeof(head))
        return ST_CORRUPT;
    memcpy(&head, f->data, sizeof(head));
    const size_t texts = (size_t)head.result_len + head.reason_len + 2;
    const char *result = f->data + sizeof(head);
    if (f->len != sizeof(head) + texts || head.status < 0 || head.status >= STATUS_COUNT_ ||
        result[head.result_len] != '\0' || f->data[f->len - 1] != '\0')
        return ST_CORRUPT;
    *out = (struct frame_done){
        .status = (enum status)head.status,
        .has_result = head.has_result != 0,
        .rss_kb = head.rss_kb,
        .result = result,
        .reason = result + head.result_len + 1,
    };
    return ST_OK;
}
