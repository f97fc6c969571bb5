/* What a scalar of YAML means: the core schema (YAML 1.2.2, 10.3.2). */
#ifndef TOCSIN_JSON_YAML_SCALAR_H
#define TOCSIN_JSON_YAML_SCALAR_H

#include <jansson.h>
#include <yaml.h>

#include "base/defs.h"

/* The value of a scalar event: NULL and a new reference in *out (NULL without memory), or what is
 * wrong with it. */
const char *yaml_scalar(const yaml_event_t *event, json_t **out);
/* Whether a plain scalar of this text is read as that text by us and by readers of YAML 1.1. */
bool yaml_is_plain_text(const char *text);

#endif
