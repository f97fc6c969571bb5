/* Between daemon.c and daemon_health.c. */
#ifndef TOCSIN_DAEMON_DAEMON_INTERNAL_H
#define TOCSIN_DAEMON_DAEMON_INTERNAL_H

#include "daemon/daemon.h"

void daemon_health_setup(struct daemon *d);
/* /readyz answers 503 from now on, so that load balancers look elsewhere. */
void daemon_health_stopping(void);
/* Lets go of memory that only starting needed. For once, some seconds after it. */
void daemon_trim(void);

#endif
