/* How a user (store/users.h) is shown: in token replies and by the user routes. */
#ifndef TOCSIN_API_ROUTES_USER_REPLY_H
#define TOCSIN_API_ROUTES_USER_REPLY_H

#include "json/schema.h"

extern const struct schema user_reply_schema;

#endif
