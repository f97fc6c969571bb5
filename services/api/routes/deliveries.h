/* How a delivery is shown: by its own routes and by the test of a channel. */
#ifndef TOCSIN_API_ROUTES_DELIVERIES_H
#define TOCSIN_API_ROUTES_DELIVERIES_H

#include "net/http.h"
#include "store/outbox.h"

extern const struct schema delivery_schema;
/* Replies with one delivery. ST_NO_MEMORY. */
NODISCARD enum status reply_delivery(struct req *r, int status, const struct delivery_row *row);
/* Tells the notifiers that there is something to send. Best effort: they look by themselves, too.
 */
void wake_notifiers(struct req *r);

#endif
