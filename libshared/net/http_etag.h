/*
 * Entity tags (RFC 9110, sections 8.8.3 and 13.1). Ours are strong: a hash of the body's bytes, the
 * version of the stored row after it where there is one, and the coding. "If-None-Match" compares
 * the hash; "If-Match" compares the version, which only edits move, so that a check's next result
 * does not stand against saving a form.
 */
#ifndef TOCSIN_NET_HTTP_ETAG_H
#define TOCSIN_NET_HTTP_ETAG_H

#include "base/defs.h"
#include "base/status.h"

enum { ETAG_BYTES = 64 };

/* Writes the quoted tag, `"<hash>"` or `"<hash>-v<version>"`; version 0: none. */
void etag_make(const void *body, size_t len, int64_t version, char out[ETAG_BYTES]);
/* The tag of the same body in gzip. */
void etag_of_gzip(char tag[ETAG_BYTES]);
/* Whether a field's value (If-None-Match) names the tag, whatever its coding; "*" names all. */
bool etag_list_has(const char *list, const char *tag);
/* The versions in a field's value (If-Match), up to `max`. *any: it is "*". Weak tags and those
 * without a version match nothing, and are left out. ST_MALFORMED: no list of entity tags. */
NODISCARD enum status etag_list_versions(const char *list, int64_t *out, size_t max, size_t *count,
                                         bool *any);

#endif
