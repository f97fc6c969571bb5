/* Which checks are meant. */
#include "services/api/routes/check_filter.h"

#include "kinds/kind.h"

/* An unknown plugin has no checks, and no canonical name. */
static const char *kind_name(const struct in_str *plugin_type)
{
    if (!plugin_type->set)
        return NULL;
    const struct check_kind *kind = check_kind_find(plugin_type->v);
    return kind ? kind->name : plugin_type->v;
}

struct check_filter check_filter_of(const struct check_filter_in *in)
{
    return (struct check_filter){
        .has_enabled = in->enabled.set,
        .enabled = in->enabled.v,
        .kind = kind_name(&in->plugin_type),
        .tag = in->tag.v,
        .group = in->group.v,
        .state = in->state.v,
        .q = in->q.v,
    };
}
