/* Which mechanism looks at which request. */
#include "services/api/hooks.h"

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
    case M_OPTIONS:
    case M_COUNT_:
        break;
    }
    return ST_OK;
}

enum status api_after(struct req *r)
{
    switch (r->method) {
    case M_PUT:
    case M_PATCH:
    case M_DELETE:
        precondition_end(r);
        break;
    case M_POST:
        return idempotency_end(r);
    case M_GET:
    case M_HEAD:
    case M_OPTIONS:
    case M_COUNT_:
        break;
    }
    return ST_OK;
}
