/* A migration compiled in from migrations/NNNN_name.sql. */
#ifndef TOCSIN_DB_MIGRATION_H
#define TOCSIN_DB_MIGRATION_H

struct migration {
    int version;
    const char *name;
    const char *sql;
};

#endif
