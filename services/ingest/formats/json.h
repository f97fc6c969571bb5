/*
 * Our own JSON: one object of one agent, or an array of them for a backlog. Fields have secumon's
 * names; unknown ones are let through, so that a newer agent can talk to an older server.
 *     {"agent_id": "server-001", "time": "…Z",
 *      "metrics": [{"metric_type": "cpu", "metric_name": "usage_percent", "value": 15.2, "tags":
 * {}}], "disk": […], "network": […], "processes": […]} A row may have a time of its own. No time at
 * all means now.
 */
#ifndef TOCSIN_INGEST_FORMATS_JSON_H
#define TOCSIN_INGEST_FORMATS_JSON_H

#include "json/parse.h"
#include "services/ingest/post.h"

/* *out borrows from *root, which the caller frees. What is invalid is in the report; the rest is in
 * *out. ST_MALFORMED: not JSON, or neither an object nor an array; ST_TOO_LARGE: more values than a
 * post may have (said in err). */
NODISCARD enum status format_json_decode(const char *body, size_t len, int64_t now_us,
                                         struct arena *arena, json_t **root, struct post *out,
                                         struct report *report, struct errbuf *err);

#endif
