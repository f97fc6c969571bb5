/* The schemas of what a batch of runs answers. */
#include "services/api/routes/batch_reply.h"

#include "services/api/routes/results.h"

#define AT(member) offsetof(struct run_out, member)
static const struct field run_fields[] = {
    {.name = "status",
     .type = FT_STRING,
     .offset = AT(status),
     .help = "success, warning or error; error as well when there is no result",
     .example = "\"success\""},
    RUN_FIELDS(struct run_out),
    {.name = "id",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(id),
     .help = "Of the stored result"},
    {.name = "executed_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(executed_us)},
};
#undef AT
static const struct schema run_schema = SCHEMA("BatchRunResult", struct run_out, run_fields);

static const struct field error_fields[] = {
    {.name = "code",
     .type = FT_STRING,
     .offset = offsetof(struct error_out, code),
     .help = "CHECK_NOT_FOUND, CHECK_RUN_TIMEOUT, CHECK_RUN_FAILED or QUEUE_UNAVAILABLE"},
    {.name = "message", .type = FT_STRING, .offset = offsetof(struct error_out, message)},
};
static const struct schema error_schema = SCHEMA("BatchError", struct error_out, error_fields);

#define AT(member) offsetof(struct item_out, member)
#define OUTCOME_FIELDS                                                                 \
    {.name = "result", .type = FT_OBJECT, .sub = &run_schema, .offset = AT(result)},   \
    {                                                                                  \
        .name = "error", .type = FT_OBJECT, .flags = F_NULLABLE, .sub = &error_schema, \
        .offset = AT(error), .help = "Why there is no result"                          \
    }
static const struct field stored_item_fields[] = {
    {.name = "check_id", .type = FT_STRING, .offset = AT(check_id), .help = "As it was asked for"},
    OUTCOME_FIELDS,
};
static const struct field adhoc_item_fields[] = {
    {.name = "plugin_type", .type = FT_STRING, .offset = AT(plugin_type)},
    {.name = "config", .type = FT_MAP, .offset = AT(config), .help = "Without its secrets"},
    OUTCOME_FIELDS,
};
#undef AT
static const struct schema stored_item_schema = SCHEMA("BatchItem", struct item_out,
                                                       stored_item_fields);
static const struct schema adhoc_item_schema = SCHEMA("BatchAdHocItem", struct item_out,
                                                      adhoc_item_fields);

#define AT(member) offsetof(struct batch_out, member)
#define BATCH_FIELDS(item_schema)                                                           \
    {.name = "results",                                                                     \
     .type = FT_LIST,                                                                       \
     .sub = &(item_schema),                                                                 \
     .offset = AT(results),                                                                 \
     .help = "In the order asked"},                                                         \
        {.name = "count", .type = FT_INT, .offset = AT(count)},                             \
    {                                                                                       \
        .name = "finished", .type = FT_INT, .offset = AT(finished), .help = "With a result" \
    }
static const struct field stored_fields[] = {BATCH_FIELDS(stored_item_schema)};
static const struct field adhoc_fields[] = {BATCH_FIELDS(adhoc_item_schema)};
#undef AT
const struct schema batch_stored_schema = SCHEMA("BatchResults", struct batch_out, stored_fields);
const struct schema batch_adhoc_schema = SCHEMA("BatchAdHocResults", struct batch_out,
                                                adhoc_fields);
