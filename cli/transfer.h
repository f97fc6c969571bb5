/* What importing and exporting on the command line share. */
#ifndef TOCSIN_CLI_TRANSFER_H
#define TOCSIN_CLI_TRANSFER_H

#include "auth/seal.h"
#include "cli/cli.h"

struct transfer_session {
    struct db *db;
    struct seal_keys *seal; /* NULL: there is no TOCSIN_SECRET_KEY */
    struct uuid org;
};
/* The organisation is that of the option, or the first one. CLI_OK, or said why; close it anyway.
 */
int transfer_open(struct cli *cli, size_t organisation_option, struct transfer_session *out);
void transfer_close(struct transfer_session *s);

#endif
