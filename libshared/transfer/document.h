/*
 * Files that checks come from. Whatever product wrote it, a file becomes a list of checks as our
 * own files describe them, with notes on what could not be said in our terms.
 */
#ifndef TOCSIN_TRANSFER_DOCUMENT_H
#define TOCSIN_TRANSFER_DOCUMENT_H

#include <jansson.h>

#include "base/defs.h"
#include "base/status.h"

enum import_format { IMPORT_AUTO, IMPORT_TOCSIN, IMPORT_UPTIME_KUMA, IMPORT_GATUS };
/* "auto", "tocsin", "uptime-kuma", "gatus"; ends with NULL. */
extern const char *const import_format_names[];

struct import_doc {
    enum import_format format;
    json_t *checks;  /* array of {"check": {…}, "notes": [text, …]} */
    json_t *skipped; /* array of {"name", "type", "reason"}: what is no check here */
    json_t *notes;   /* array of texts: what the file says besides checks and is left alone */
};
void import_doc_done(struct import_doc *doc);
#define AUTO_IMPORT_DOC CLEANUP(import_doc_done) struct import_doc

/* Reads JSON or YAML. IMPORT_AUTO finds out whose it is. ST_MALFORMED (err: where), ST_INVALID
 * (err: not what the format says), ST_TOO_LARGE (more than LIMIT_TRANSFER_CHECKS). */
NODISCARD enum status import_read(const char *text, size_t len, enum import_format format,
                                  struct import_doc *out, struct errbuf *err);

/* --- for the readers of formats --- */

/* {"check": {}, "notes": []} at the end of doc->checks, borrowed; NULL without memory. */
json_t *import_add(struct import_doc *doc);
/* A note of one check (`entry` of import_add), or of the whole file (`list` is doc->notes). */
NODISCARD enum status import_note(json_t *list, const char *fmt, ...) PRINTF_LIKE(2, 3);
NODISCARD enum status import_skip(struct import_doc *doc, const char *name, const char *type,
                                  const char *reason);

/* kuma.c: the backup that Uptime Kuma's settings page writes (1.x). */
NODISCARD enum status kuma_read(const json_t *file, struct import_doc *doc, struct errbuf *err);
/* gatus.c: the configuration file of Gatus. */
NODISCARD enum status gatus_read(const json_t *file, struct import_doc *doc, struct errbuf *err);

#endif
