/* Which mechanism looks at which request. */
#include "services/api/hooks.h"

#include "services/api/cache.h"

enum status api_before(struct req *r)
{
    switch (r->method) {
    case M_PUT:
    case M_PATCH:
    case M_DELETE:
        return precondition_begin(r);
    case M_POST:
        return idempotency_begin(r);
    case M_GET:
    case M_HEAD:
        /* It may come from another thread, whose connection knows who reads. */
        TRY(db_set_actor(req_ctx(r)->db, NULL));
        cache_look(r);
        break;
    case M_OPTIONS:
    case M_COUNT_:
        break;
    }
    return ST_OK;
}

void api_before_batch(struct req **r, size_t count)
{
    cache_look_batch(r, count);
}

enum status api_after(struct req *r)
{
    enum status st = ST_OK;
    switch (r->method) {
    case M_PUT:
    case M_PATCH:
    case M_DELETE:
        st = precondition_end(r);
        break;
    case M_POST:
        st = idempotency_end(r);
        break;
    case M_GET:
    case M_HEAD:
        cache_keep(r);
        break;
    case M_OPTIONS:
    case M_COUNT_:
        break;
    }
    return st;
}
