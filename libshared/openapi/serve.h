/* The description as a reply: made at the first request, kept compressed. */
#ifndef TOCSIN_OPENAPI_SERVE_H
#define TOCSIN_OPENAPI_SERVE_H

#include <pthread.h>

#include "net/http.h"
#include "net/http_etag.h"

struct openapi_store {
    enum status (*write)(struct buf *out, struct errbuf *err);
    pthread_mutex_t lock;
    struct buf packed; /* gzip; empty until somebody asks */
    char etag[ETAG_BYTES];
};
#define OPENAPI_STORE(write_)                                \
    {                                                        \
        .write = (write_), .lock = PTHREAD_MUTEX_INITIALIZER \
    }

/* Answers with the document, to be asked for again by its ETag. */
NODISCARD enum status openapi_reply(struct req *r, struct openapi_store *store);

#endif
