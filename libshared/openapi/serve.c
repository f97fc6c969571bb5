/* Keeping the description. */
#include "openapi/serve.h"

#include <string.h>

#include "log/log.h"
#include "net/gzip.h"
#include "net/http_accept.h"

static enum status make(struct openapi_store *store)
{
    AUTO_BUF text;
    struct buf packed;
    struct errbuf err = {""};
    buf_init(&text, LIMIT_HTTP_REPLY_BYTES);
    enum status st = store->write(&text, &err);
    if (st != ST_OK) {
        log_error("openapi_failed", kv_status(st), kv_str("error", err.text));
        return ST_INTERNAL;
    }
    buf_init(&packed, LIMIT_HTTP_REPLY_BYTES);
    st = gzip_deflate(text.data, text.len, &packed);
    if (st != ST_OK) {
        buf_done(&packed);
        return st;
    }
    etag_make(text.data, text.len, 0, store->etag);
    store->packed = packed;
    return ST_OK;
}

/* It never changes while the process lives, so it is not locked while it is sent. */
static enum status make_once(struct openapi_store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    const enum status st = store->packed.len > 0 ? ST_OK : make(store);
    (void)pthread_mutex_unlock(&store->lock);
    return st;
}

enum status openapi_reply(struct req *r, struct openapi_store *store)
{
    TRY(make_once(store));
    reply_text(r, 200, "application/json", "", 0);
    memcpy(r->etag, store->etag, sizeof(r->etag));
    reply_header(r, "Cache-Control", "public, no-cache");
    r->vary |= VARY_ENCODING;
    if (!http_accepts_gzip(req_header(r, "Accept-Encoding")))
        return gzip_inflate(store->packed.data, store->packed.len, &r->out);
    buf_append(&r->out, store->packed.data, store->packed.len);
    reply_header(r, "Content-Encoding", "gzip");
    etag_of_gzip(r->etag);
    return ST_OK;
}
