/* A named query; the SQL itself lives in store/sql/<aggregate>.sql and is compiled in. */
#ifndef TOCSIN_DB_QUERY_H
#define TOCSIN_DB_QUERY_H

struct query {
    const char *name;
    const char *sql; /* ending in QUERY_PLAN_EACH: planned for the arguments of each call */
};
#define QUERY_PLAN_EACH "/* plan: each */\n"

#endif
