/* What the answer of a website means for its check: pure, so that it is tested as a table. */
#ifndef TOCSIN_WORKER_KINDS_WEBSITE_H
#define TOCSIN_WORKER_KINDS_WEBSITE_H

#include "kinds/website.h"
#include "net/httpc.h"
#include "services/worker/kinds/kind.h"

/* Fills status, message, response_us and raw (which the caller has initialised). */
FOR_TESTS void website_judge(const struct website_config *config, const struct httpc_reply *reply,
                             struct probe_result *out);

#endif
