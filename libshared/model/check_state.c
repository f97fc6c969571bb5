/* Which state follows from a result: one function, against one table of the changes there are. */
#include "model/check_state.h"

#include <limits.h>
#include <string.h>

#define TO(name) (1u << CHECK_##name)
/* What a result may change. Pausing, maintenance and unknown are decided elsewhere: people and
 * rules move a check in and out of them. */
static const unsigned check_next[CHECK_STATE_COUNT_] = {
    [CHECK_PENDING] = TO(UP) | TO(DEGRADED) | TO(DOWN),
    [CHECK_UP] = TO(DEGRADED) | TO(DOWN),
    [CHECK_DEGRADED] = TO(UP) | TO(DOWN),
    [CHECK_DOWN] = TO(UP) | TO(DEGRADED),
    [CHECK_UNKNOWN] = TO(UP) | TO(DEGRADED) | TO(DOWN),
    [CHECK_MAINTENANCE] = 0,
    [CHECK_PAUSED] = 0,
};

const char *const check_state_names[] = {
#define CHECK_STATE_NAME(id, name) [id] = name,
    CHECK_STATE_TABLE(CHECK_STATE_NAME)
#undef CHECK_STATE_NAME
        [CHECK_STATE_COUNT_] = NULL};

static const char *const result_names[] = {
    [RESULT_SUCCESS] = "success",
    [RESULT_WARNING] = "warning",
    [RESULT_ERROR] = "error",
    [RESULT_MISSED] = "missed",
};

const char *check_state_name(enum check_state_name s)
{
    return (size_t)s < CHECK_STATE_COUNT_ ? check_state_names[s] : "unknown";
}

enum status check_state_parse(const char *name, enum check_state_name *out)
{
    for (size_t i = 0; name && check_state_names[i]; i++) {
        if (strcmp(name, check_state_names[i]) == 0) {
            *out = (enum check_state_name)i;
            return ST_OK;
        }
    }
    return ST_INVALID;
}

const char *result_status_name(enum result_status s)
{
    return (size_t)s < ARRAY_LEN(result_names) ? result_names[s] : "error";
}

static void count(int *n)
{
    if (*n < INT_MAX)
        (*n)++;
}

/* The state that the counters speak for. A check that was down has to prove itself, any other one
 * is believed at its first good result. */
static enum check_state_name wanted(const struct check_state *s, const struct check_policy *policy,
                                    enum result_status result)
{
    if (result == RESULT_ERROR)
        return s->failures >= policy->retries ? CHECK_DOWN : s->state;
    if (s->state == CHECK_DOWN && s->successes < policy->recoveries)
        return s->state;
    return result == RESULT_WARNING ? CHECK_DEGRADED : CHECK_UP;
}

void check_state_fold(struct check_state *s, const struct check_policy *policy,
                      enum result_status result, int64_t slot_us, int64_t executed_us,
                      struct check_step *step)
{
    *step = (struct check_step){.from = s->state, .to = s->state};
    if (slot_us < s->last_slot_us) {
        step->is_late = true;
        return;
    }
    if (result == RESULT_MISSED)
        return;
    s->last_slot_us = slot_us;
    if (check_next[s->state] == 0)
        return;

    if (result == RESULT_ERROR) {
        count(&s->failures);
        s->successes = 0;
    } else {
        count(&s->successes);
        s->failures = 0;
    }
    enum check_state_name to = wanted(s, policy, result);
    if (to == s->state || (check_next[s->state] & (1u << to)) == 0)
        return;

    step->is_transition = true;
    step->to = to;
    step->opens_incident = to == CHECK_DOWN && !s->has_incident;
    step->resolves_incident = to != CHECK_DOWN && s->has_incident;
    s->state = to;
    s->since_us = executed_us;
    s->has_incident = to == CHECK_DOWN;
}

bool check_state_is_soft(const struct check_state *s)
{
    switch (s->state) {
    case CHECK_DOWN:
        return s->successes > 0;
    case CHECK_PENDING:
    case CHECK_UP:
    case CHECK_DEGRADED:
    case CHECK_UNKNOWN:
        return s->failures > 0;
    case CHECK_MAINTENANCE:
    case CHECK_PAUSED:
    case CHECK_STATE_COUNT_:
        break;
    }
    return false;
}
