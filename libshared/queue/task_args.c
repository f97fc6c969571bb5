/* Binding by the task's schema, and the checks that are named. */
#include "queue/task_args.h"

#include <string.h>

#include "base/str.h"
#include "json/parse.h"

static const struct schema no_args = {.name = "TaskArgsNone"};

static bool has_field(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->count; i++) {
        if (str_eq(schema->fields[i].name, name))
            return true;
    }
    return false;
}

/* The schema saw to it that these are ids. */
static void add_check(struct uuid *ids, const char **members, size_t *count, const char *member,
                      const json_t *id)
{
    const char *text = json_string_value(id);
    if (!text || uuid_parse(text, &ids[*count]) != ST_OK)
        return;
    members[(*count)++] = member;
}

static enum status collect_checks(const struct schema *schema, const json_t *args,
                                  struct arena *arena, struct task_args *out)
{
    const json_t *one = has_field(schema, "check_id") ? json_object_get(args, "check_id") : NULL;
    const json_t *list = has_field(schema, "check_ids") ? json_object_get(args, "check_ids") : NULL;
    const size_t max = json_array_size(list) + 1;
    struct uuid *ids = arena_array(arena, max, sizeof(*ids));
    const char **members = arena_array(arena, max, sizeof(*members));
    if (!ids || !members)
        return ST_NO_MEMORY;
    size_t count = 0;
    add_check(ids, members, &count, "check_id", one);
    for (size_t i = 0; i < json_array_size(list); i++)
        add_check(ids, members, &count, "check_ids", json_array_get(list, i));
    out->checks = ids;
    out->members = members;
    out->check_count = count;
    return ST_OK;
}

enum status task_args_read(const struct task *task, json_t *args, struct arena *arena,
                           struct task_args *out, struct field_errors *errors)
{
    const struct schema *schema = task->args ? task->args : &no_args;
    AUTO_JSON given = args ? json_incref(args) : json_object();
    void *bound = arena_alloc(arena, MAX_OF(schema->size, (size_t)1));
    if (!given || !bound)
        return ST_NO_MEMORY;
    TRY(schema_bind_at(schema, "args", given, arena, bound, errors));
    struct task_args read = {0};
    AUTO_FREE char *text = json_dumps(given, JSON_COMPACT);
    read.text = text ? arena_strdup(arena, text) : NULL;
    if (!read.text)
        return ST_NO_MEMORY;
    if (strlen(read.text) > LIMIT_JOB_ARGS_BYTES)
        return ST_TOO_LARGE;
    TRY(collect_checks(schema, given, arena, &read));
    *out = read;
    return ST_OK;
}

static bool variant_at(size_t index, struct schema_variant *out)
{
    const struct task *task = NULL;
    for (size_t i = 0; (task = task_at(i)) != NULL; i++) {
        if (task->audience != TASK_USER || index-- > 0)
            continue;
        *out = (struct schema_variant){task->name, NULL, task->args ? task->args : &no_args};
        return true;
    }
    return false;
}

const struct schema_variants task_args_variants = {"task", "args", variant_at};
