/*
 * Tickets for WebSockets, which browsers open without headers of ours: a signed-in caller gets one,
 * and whoever brings it within 30 s is that caller, once. Kept in PostgreSQL: any API process can
 * redeem what another one gave out.
 */
#ifndef TOCSIN_STORE_WS_TICKETS_H
#define TOCSIN_STORE_WS_TICKETS_H

#include "auth/api_key.h"
#include "auth/principal.h"
#include "base/arena.h"
#include "db/db.h"

enum { WS_TICKET_LIFE_S = 30 };

/* ticket: its text, shown this once. */
NODISCARD enum status ws_ticket_issue(struct db *db, const struct principal *who,
                                      struct arena *arena, char ticket[SECRET_TOKEN_BYTES]);
/* Uses the ticket up and tells whose it was, with what he may do now: his user, session or API key
 * are looked at again. ST_UNAUTHENTICATED: unknown, used, expired, or revoked since. */
FOR_TESTS NODISCARD enum status ws_ticket_redeem(struct db *db, const char *ticket,
                                                 struct arena *arena, struct principal *out);

#endif
