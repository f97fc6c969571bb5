/* Sets of HTTP status codes, as people write them: "200-299,301" or "2xx,404". */
#ifndef TOCSIN_KINDS_STATUS_SET_H
#define TOCSIN_KINDS_STATUS_SET_H

#include <stdbool.h>
#include <stdint.h>

/* Codes 100 to 599, one bit each. */
struct status_set {
    uint64_t bits[8];
};

/* Reads the text into *out (may be NULL). NULL when good, else what is wrong with it: a field's
 * `check`. */
const char *status_set_read(const char *text, struct status_set *out);
const char *status_set_check(const char *text);
bool status_set_has(const struct status_set *set, int code);

#endif
