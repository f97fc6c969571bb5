/*
 * Importing checks: each one of a file is a new check, a change of one, or nothing new. Which check
 * it means is told by its external_id where it has one, else by its name.
 */
#ifndef TOCSIN_TRANSFER_IMPORT_H
#define TOCSIN_TRANSFER_IMPORT_H

#include "transfer/check_input.h"
#include "transfer/document.h"

/* What stands for a secret in exported files: importing it keeps the secret that is there. */
#define TRANSFER_SECRET "********"

struct import_request {
    struct db *db;
    struct arena *arena;
    struct seal_keys *seal;              /* NULL: no check with secrets can be imported */
    const struct uuid *org_id, *user_id; /* user_id may be nil */
    const struct import_doc *doc;
    bool is_dry;    /* only say what would be done */
    bool is_atomic; /* all or nothing: one error, and nothing is stored */
};

enum import_action { IMPORT_CREATE, IMPORT_UPDATE, IMPORT_SAME, IMPORT_ERROR };
const char *import_action_name(enum import_action action); /* "create", "update" … */

struct import_change {
    const char *field;          /* "schedule", "config.url" */
    const char *before, *after; /* JSON; NULL: not there. Secrets: TRANSFER_SECRET */
};
struct import_line {
    const char *name, *external_id;
    enum import_action action;
    struct uuid check_id; /* nil: none yet */
    const struct import_change *changes;
    size_t change_count;
    json_t *errors;      /* array of {loc, msg, type}; NULL: none. Owned by the report */
    const json_t *notes; /* of the document: borrowed */
};
struct import_report {
    struct import_line *lines;
    size_t count;
    size_t by_action[IMPORT_ERROR + 1];
    bool is_applied; /* stored: not a dry run, and not refused as a whole */
};
void import_report_done(struct import_report *report);
#define AUTO_IMPORT_REPORT CLEANUP(import_report_done) struct import_report

/* In one transaction; lines in the order of the file. ST_OK also when checks are not valid: the
 * report says which. Importing the same file again changes nothing. */
NODISCARD enum status import_run(const struct import_request *in, struct import_report *out);

/* Checks as a document that import_run reads: {"version": 1, "checks": […]}, a new reference.
 * Secrets are left out; TRANSFER_SECRET stands where they are. */
NODISCARD enum status export_checks(struct db *db, struct arena *arena, struct seal_keys *seal,
                                    const struct uuid *org_id, const struct check *checks,
                                    size_t count, json_t **out);

#endif
