/* system.partitions, system.retention, system.cleanup: the housekeeping of store/housekeeping.h. */
#include "services/worker/tasks/task.h"
#include "store/housekeeping.h"

static enum status keep(struct task_run *t, enum house what)
{
    const struct housekeeping h = housekeeping_settings(t->conf);
    const char *failed = NULL;
    int ran = 0;
    struct db *db = task_db(t);
    if (!db)
        return ST_NO_MEMORY;
    const enum status st = housekeeping_do(db, &h, what, &ran, &failed);
    /* All of it may be tried again. */
    if (st != ST_OK)
        return task_fail(t, ST_UNAVAILABLE, "%s: %s", failed, status_title(st));
    struct jw *w = task_result(t);
    jw_object(w);
    jw_kv_i64(w, "chores", ran);
    jw_end(w);
    return ST_OK;
}

static enum status partitions(struct task_run *t)
{
    return keep(t, HOUSE_PARTITIONS);
}

static enum status retention(struct task_run *t)
{
    return keep(t, HOUSE_RETENTION);
}

static enum status cleanup(struct task_run *t)
{
    return keep(t, HOUSE_CLEANUP);
}

const struct task_handler task_system_partitions = {.name = "system.partitions", .run = partitions};
const struct task_handler task_system_retention = {.name = "system.retention", .run = retention};
const struct task_handler task_system_cleanup = {.name = "system.cleanup", .run = cleanup};
