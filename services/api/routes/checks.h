/* What the routes of checks share with those that run them. */
#ifndef TOCSIN_API_ROUTES_CHECKS_H
#define TOCSIN_API_ROUTES_CHECKS_H

#include "net/http.h"
#include "transfer/check_input.h"

/* What a check looks like, and a reply with one. */
extern const struct schema check_schema;
NODISCARD enum status check_reply(struct req *r, int status, const struct check *c);
/* 422 for a plugin_type that is no kind. */
enum status check_unknown_kind(struct req *r, const char *plugin_type);
/* The check that the path names. ST_NOT_FOUND is answered already. */
NODISCARD enum status check_of_path(struct req *r, struct check *out);
/* Only its id: that of a check that the organisation has. ST_NOT_FOUND is answered already. */
NODISCARD enum status check_of_path_id(struct req *r, struct uuid *out);
/* Validates a configuration; ST_INVALID is answered already (loc body.config.x). */
NODISCARD enum status check_config_valid(struct req *r, const struct check_kind *kind,
                                         json_t *config);
/* Location: the check's own address. */
void check_location(struct req *r, const struct uuid *id);

#endif
