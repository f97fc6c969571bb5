/* An incident is opened once, perhaps acknowledged, and resolved for good: a relapse is a new one.
 */
#include "model/incident.h"

#include <string.h>

#define TO(name) (1u << INCIDENT_##name)
static const unsigned incident_next[INCIDENT_STATE_COUNT_] = {
    [INCIDENT_OPEN] = TO(ACKED) | TO(RESOLVED),
    [INCIDENT_ACKED] = TO(RESOLVED),
    [INCIDENT_RESOLVED] = 0,
};

static const char *const names[] = {
    [INCIDENT_OPEN] = "open",
    [INCIDENT_ACKED] = "acknowledged",
    [INCIDENT_RESOLVED] = "resolved",
};

enum status incident_state_parse(const char *name, enum incident_state *out)
{
    for (size_t i = 0; name && i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum incident_state)i;
            return ST_OK;
        }
    }
    return ST_INVALID;
}

enum status incident_move(enum incident_state *state, enum incident_state to)
{
    if ((incident_next[*state] & (1u << to)) == 0)
        return ST_CONFLICT;
    *state = to;
    return ST_OK;
}
