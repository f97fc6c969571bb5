/* One database for all cases of a program. */
#include "tests/integration/store/fixture.h"

struct store_fixture fx;

int fx_setup(void **state)
{
    fx.database = kit_database();
    fx.db = kit_db_open(fx.database);
    fx.org = kit_organisation(fx.db);
    return 0;
}

int fx_teardown(void **state)
{
    db_free(fx.db);
    return 0;
}
