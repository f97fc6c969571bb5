/* /checks/{id}/history: the transitions of a check, its states as a time series. */
#include "model/check_state.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/checks.h"
#include "services/api/routes/routes.h"
#include "store/history.h"

#define AT(member) offsetof(struct transition, member)
static const struct field transition_fields[] = {
    {.name = "check_id", .type = FT_UUID, .offset = AT(check_id)},
    {.name = "sequence",
     .type = FT_INT,
     .offset = AT(sequence),
     .help = "Counts the check's transitions, from 1"},
    {.name = "at",
     .type = FT_TIME,
     .offset = AT(at_us),
     .help = "When the result that caused it was taken"},
    {.name = "from_state", .type = FT_STRING, .offset = AT(from), .example = "\"up\""},
    {.name = "to_state", .type = FT_STRING, .offset = AT(to), .example = "\"down\""},
    {.name = "reason",
     .type = FT_STRING,
     .offset = AT(reason),
     .help = "The result's message; paused, resumed"},
    {.name = "duration",
     .type = FT_NUMBER,
     .flags = F_NULLABLE,
     .offset = AT(lasted_s),
     .help = "Seconds until the next transition; null for the present state"},
    {.name = "result_id", .type = FT_UUID, .flags = F_NULLABLE, .offset = AT(result_id)},
    {.name = "incident_id", .type = FT_UUID, .flags = F_NULLABLE, .offset = AT(incident_id)},
};
#undef AT
static const struct schema transition_schema = SCHEMA("Transition", struct transition,
                                                      transition_fields);

struct list_in {
    struct page_in page;
    struct in_time from, to;
    struct in_str state;
};
#define AT(member) offsetof(struct list_in, member)
static const struct field list_fields[] = {
    PAGE_FIELDS(struct list_in, page, history_sorts),
    {.name = "from",
     .type = FT_TIME,
     .offset = AT(from),
     .alias = "from_date",
     .help = "At or after"},
    {.name = "to", .type = FT_TIME, .offset = AT(to), .alias = "to_date", .help = "At or before"},
    {.name = "state",
     .type = FT_STRING,
     .offset = AT(state),
     .choices = check_state_names,
     .help = "That was entered"},
};
#undef AT
static const struct schema list_schema = SCHEMA("TransitionQuery", struct list_in, list_fields);

static enum status check_history(struct req *r)
{
    const struct list_in *in = r->query_in;
    struct uuid id;
    struct page page;
    TRY(check_of_path_id(r, &id));
    TRY(page_begin(r, &in->page, history_sorts, 20, &page));
    const struct transition_filter filter = {
        .from_us = in->from.v, .to_us = in->to.v, .state = in->state.v};
    struct transition *rows = NULL;
    size_t count = 0;
    TRY(history_list(req_ctx(r)->db, r->arena, &id, &filter, &page, &rows, &count));
    reply_page(r, "history", &transition_schema, rows, count, &page);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/checks/{id}/history",
     .summary = "List the transitions of a check, newest first",
     .scope = SCOPE_RESULTS_READ,
     .query = &list_schema,
     .reply = &transition_schema,
     .list = "history",
     .errors = ERRORS("CHECK_NOT_FOUND"),
     .tag = "Checks",
     .handler = check_history},
};
const struct route_set check_history_routes = {routes, ARRAY_LEN(routes)};
