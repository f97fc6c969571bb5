/*
 * What checks of texts let pass, as regular expressions (ECMA-262) for the description of the API.
 * Each stands beside its check in a table of fields; make test-contract sends what they match, and
 * what they do not.
 */
#ifndef TOCSIN_JSON_PATTERNS_H
#define TOCSIN_JSON_PATTERNS_H

/* No control characters. */
#define PATTERN_PLAIN "^[^\\x00-\\x1f\\x7f]*$"
/* … and not only blanks: check_label. */
#define PATTERN_LABEL "^ *[^\\x00-\\x20\\x7f][^\\x00-\\x1f\\x7f]*$"
/* An address of a user: as much as can be said without sending a mail. */
#define PATTERN_EMAIL "^[^\\x00-\\x20\\x7f@,;<>\"]+@[^\\x00-\\x20\\x7f@,;<>\"]+$"
#define PATTERN_USERNAME "^[^\\x00-\\x1f\\x7f@]+$"
/* Where a list goes on: net/page.h. */
#define PATTERN_CURSOR \
    "^[1-9][0-9]{0,17}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

#endif
