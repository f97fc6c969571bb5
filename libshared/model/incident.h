/*
 * The states of an incident and the changes there are between them. Pure.
 */
#ifndef TOCSIN_MODEL_INCIDENT_H
#define TOCSIN_MODEL_INCIDENT_H

#include "base/defs.h"
#include "base/status.h"

enum incident_state { INCIDENT_OPEN, INCIDENT_ACKED, INCIDENT_RESOLVED, INCIDENT_STATE_COUNT_ };

/* Of "open", "acknowledged" or "resolved", as stored and shown. */
NODISCARD enum status incident_state_parse(const char *name, enum incident_state *out);
/* Changes *state; ST_CONFLICT when that change is none of those there are. */
NODISCARD enum status incident_move(enum incident_state *state, enum incident_state to);

#endif
