/* The first start: an organisation, its owner, and a check of Tocsin itself. */
#ifndef TOCSIN_STORE_BOOTSTRAP_H
#define TOCSIN_STORE_BOOTSTRAP_H

#include "base/arena.h"
#include "db/db.h"

struct bootstrap {
    const char *email;
    const char *username;       /* taken only when free: else the address is the user name too */
    const char *password_hash;  /* used only for a new user */
    const char *self_check_url; /* NULL: no check */
};

struct bootstrap_outcome {
    bool made_organisation, made_user, made_check;
};

/* One transaction; a second run finds everything and changes nothing. The check is made only
 * together with the organisation, so that one who deleted it does not get it back. */
NODISCARD enum status bootstrap_run(struct db *db, const struct bootstrap *in, struct arena *arena,
                                    struct bootstrap_outcome *out);

#endif
