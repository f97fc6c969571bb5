/* Checks, results in slots of a minute, and what they became in the database. */
#ifndef TOCSIN_TESTS_INTEGRATION_STORE_RECORDER_FIXTURE_H
#define TOCSIN_TESTS_INTEGRATION_STORE_RECORDER_FIXTURE_H

#include "store/recorder.h"
#include "tests/integration/store/fixture.h"

#define MINUTE_US 60000000LL

/* Set between rf_setup and fx_teardown. */
struct recorder_fixture {
    struct db *db;
    int64_t base_us; /* a slot an hour ago */
};

extern struct recorder_fixture rf;

/* Of the program. */
int rf_setup(void **state);
/* A check whose slots before base_us are settled. */
struct uuid rf_make_check(const char *name, int retries, int recoveries);
/* A result of the slot base_us + slot minutes. */
struct record rf_result_of(struct uuid check, int slot, enum result_status status);
/* Stores one result a letter: s, w, e in consecutive slots from `first`. Returns the alerts. */
size_t rf_store_story(struct uuid check, int first, const char *letters);
/* Demands a state of the check. */
void rf_state_is(struct uuid check, const char *want);
/* Demands that the order by last runs is that of the states. */
void rf_order_is_kept(void);
/* Rows of a table about the check. */
int64_t rf_count_of(const char *table, struct uuid check);
struct uuid rf_make_channel(const char *name, bool is_default, bool enabled);
void rf_drop_channels(void);

#endif
