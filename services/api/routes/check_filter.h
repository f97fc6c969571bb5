/* Which checks are meant: the members that lists, exports and changes of many checks have. */
#ifndef TOCSIN_API_ROUTES_CHECK_FILTER_H
#define TOCSIN_API_ROUTES_CHECK_FILTER_H

#include "json/schema.h"
#include "model/check_state.h"
#include "store/checks.h"

struct check_filter_in {
    struct in_bool enabled;
    struct in_str plugin_type, tag, group, state, q;
};

#define CHECK_FILTER_FIELDS(in_type, member)                                   \
    {.name = "enabled",                                                        \
     .type = FT_BOOL,                                                          \
     .offset = offsetof(in_type, member.enabled),                              \
     .help = "Only those that are switched on, or that are not"},              \
        {.name = "plugin_type",                                                \
         .type = FT_STRING,                                                    \
         .offset = offsetof(in_type, member.plugin_type),                      \
         .max = 64,                                                            \
         .help = "Only checks of this plugin"},                                \
        {.name = "tag",                                                        \
         .type = FT_STRING,                                                    \
         .offset = offsetof(in_type, member.tag),                              \
         .max = CHECK_TAG_CHARS,                                               \
         .help = "Only checks with this tag"},                                 \
        {.name = "group",                                                      \
         .type = FT_STRING,                                                    \
         .offset = offsetof(in_type, member.group),                            \
         .max = CHECK_GROUP_CHARS,                                             \
         .help = "Only checks of this group"},                                 \
        {.name = "state",                                                      \
         .type = FT_STRING,                                                    \
         .offset = offsetof(in_type, member.state),                            \
         .choices = check_state_names,                                         \
         .help = "Only checks in this state"},                                 \
    {                                                                          \
        .name = "q", .type = FT_STRING, .offset = offsetof(in_type, member.q), \
        .max = LIMIT_CHECK_NAME, .alias = "search", .help = "Part of the name" \
    }

/* As the store takes it, in no particular order. */
struct check_filter check_filter_of(const struct check_filter_in *in);

#endif
