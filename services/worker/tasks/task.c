/* The handlers by name. */
#include "services/worker/tasks/task.h"

#include "base/str.h"

#define TASK(name) extern const struct task_handler task_##name;
#include "services/worker/tasks/tasks.def"
#undef TASK

static const struct task_handler *const handlers[] = {
#define TASK(name) &task_##name,
#include "services/worker/tasks/tasks.def"
#undef TASK
};

/* Global because they are part of the program: set once, before there are threads. */
static const struct task_handler *more;
static size_t more_count;

void task_handlers_add(const struct task_handler *list, size_t count)
{
    more = list;
    more_count = count;
}

const struct task_handler *task_handler_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
        if (str_eq(handlers[i]->name, name))
            return handlers[i];
    }
    for (size_t i = 0; i < more_count; i++) {
        if (str_eq(more[i].name, name))
            return &more[i];
    }
    return NULL;
}
