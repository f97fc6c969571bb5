/* A database with an organisation, for the tests of a store. */
#ifndef TOCSIN_TESTS_INTEGRATION_STORE_FIXTURE_H
#define TOCSIN_TESTS_INTEGRATION_STORE_FIXTURE_H

#include "tests/kit/kit.h"

/* Set between fx_setup and fx_teardown. */
struct store_fixture {
    const char *database;
    struct db *db;
    struct uuid org;
};

extern struct store_fixture fx;

/* Of the program. */
int fx_setup(void **state);
int fx_teardown(void **state);

#endif
