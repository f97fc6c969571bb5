/*
 * An executor: a process in which tasks run, one after the other. It is this very program, started
 * again by the worker with --executor and one end of a socket pair (frame.h) as descriptor
 * EXECUTOR_FD. It owns nothing that anybody else needs: it may be killed at any moment.
 */
#ifndef TOCSIN_WORKER_EXECUTOR_H
#define TOCSIN_WORKER_EXECUTOR_H

#include <stdbool.h>

#define EXECUTOR_OPTION "--executor"
enum { EXECUTOR_FD = 3 };

bool executor_is_asked(int argc, char **argv);
/* Works until the worker is gone; returns the exit status. */
int executor_main(void);

#endif
