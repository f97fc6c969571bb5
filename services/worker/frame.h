/*
 * What a worker and its executors say to each other: one datagram of a socket pair
 * (SOCK_SEQPACKET) a frame, so that there is nothing to reassemble, and neither side can make the
 * other wait for the rest of something.
 *
 *   executor → worker   HELLO, then PROGRESS (a text) and one DONE a job
 *   worker → executor   JOB, STOP (enum task_stop); the end of the socket: go
 */
#ifndef TOCSIN_WORKER_FRAME_H
#define TOCSIN_WORKER_FRAME_H

#include "base/buf.h"
#include "queue/queue.h"

/* The largest are an envelope without its chain, and a result with the reason of a failure. */
enum { FRAME_BYTES = 96 << 10 };
enum frame_type {
    FRAME_HELLO = 'H',
    FRAME_JOB = 'J',
    FRAME_STOP = 'S',
    FRAME_PROGRESS = 'P',
    FRAME_DONE = 'D'
};

struct frame {
    enum frame_type type;
    char *data; /* in the reader's buffer, terminated */
    size_t len;
};

/* Never waits for longer than `timeout_ms`. ST_TIMEOUT, ST_STOPPED (the other side is gone),
 * ST_TOO_LARGE, ST_IO. */
NODISCARD enum status frame_send(int fd, enum frame_type type, const void *data, size_t len,
                                 int64_t timeout_ms);
/* Into buf[FRAME_BYTES + 1]; timeout_ms < 0: for ever. ST_TIMEOUT, ST_STOPPED (the other side is
 * gone), ST_CORRUPT (no frame). */
NODISCARD enum status frame_recv(int fd, char *buf, int64_t timeout_ms, struct frame *out);

/* The job of one attempt. */
void frame_put_job(const struct job *job, struct buf *out);
/* Texts in the arena. ST_INVALID, ST_NO_MEMORY. */
NODISCARD enum status frame_get_job(const struct frame *f, struct arena *arena, struct job *out);

struct frame_done {
    enum status status;
    bool has_result;
    int64_t rss_kb;     /* that the executor has */
    const char *result; /* JSON */
    const char *reason; /* "" without one */
};
void frame_put_done(const struct frame_done *done, struct buf *out);
/* Texts borrowed from the frame. ST_CORRUPT. */
NODISCARD enum status frame_get_done(const struct frame *f, struct frame_done *out);

#endif
