/*
 * Forward-only migrations, compiled in. Each runs in a transaction of its own under one advisory
 * lock; its version, name and SHA-256 are kept in schema_migrations. A changed checksum of one that
 * ran, or a version in the database that this program does not know, is refused (ST_CONFLICT).
 */
#ifndef TOCSIN_DB_MIGRATE_H
#define TOCSIN_DB_MIGRATE_H

#include "db/db.h"
#include "db/migration.h"

/* Applies what is missing of `list` (ascending versions). *applied (may be NULL): how many. */
NODISCARD enum status db_migrate(struct db *db, const struct migration *list, size_t count,
                                 int *applied, struct errbuf *err);
/* ST_OK when the database is exactly at the newest of `list`; ST_UNAVAILABLE (with why) else. */
NODISCARD enum status db_migration_check(struct db *db, const struct migration *list, size_t count,
                                         struct errbuf *err);

#endif
