/* A named query; the SQL itself lives in store/sql/<aggregate>.sql and is compiled in. */
#ifndef TOCSIN_DB_QUERY_H
#define TOCSIN_DB_QUERY_H

struct query {
    const char *name;
    const char *sql;
};

#endif
