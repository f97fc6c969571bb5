/* How the command line shows schedules of tasks. */
#ifndef TOCSIN_CLI_SCHEDULES_H
#define TOCSIN_CLI_SCHEDULES_H

#include "cli/cli.h"
#include "store/task_schedules.h"

int schedules_print_list(struct cli *cli, const struct task_schedule *rows, size_t count,
                         bool is_json);
int schedules_print_one(struct cli *cli, const struct task_schedule *s, bool is_json);
/* Says what is wrong, a line each; CLI_FAILED. */
int schedules_say_errors(const struct field_errors *errors);

#endif
