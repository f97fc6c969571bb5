/*
 * What C tests share: a private database and Redis, a clock that the test moves, waiting for a
 * condition, and rows that most tests need. A kit function that cannot do its work ends the
 * program, which counts as a failure.
 */
#ifndef TOCSIN_TESTS_KIT_KIT_H
#define TOCSIN_TESTS_KIT_KIT_H

/* cmocka wants these four before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "db/db.h"
#include "redis/redis.h"

/* assert_int_equal on statuses that names both when they differ. */
#define assert_status(expected, actual)                                                         \
    do {                                                                                        \
        enum status kit_want_ = (expected), kit_got_ = (actual);                                \
        if (kit_want_ != kit_got_)                                                              \
            fail_msg("%s: %s, not %s", #actual, status_name(kit_got_), status_name(kit_want_)); \
    } while (0)
#define assert_ok(actual) assert_status(ST_OK, actual)

/* --- private servers: programs run by tests/kit/servers.sh --- */

/* Connection string of a new database with all migrations; it is dropped when the program ends.
 * Valid till then. */
const char *kit_database(void);
/* The same without migrations. */
const char *kit_database_empty(void);
/* URL of a Redis database that is empty and this program's alone. */
const char *kit_redis(void);
/* A folder of this program for files, removed with the servers. */
const char *kit_dir(void);
/* A TCP port of the loopback address that nobody else is given: below those that the kernel gives
 * away, and from a range that this program alone has while it runs. Nobody listens on it. */
int kit_port(void);

/* Open handles that are patient with a busy machine; the caller frees them. */
struct db *kit_db_open(const char *conninfo);
struct redis *kit_redis_open(const char *url);
/* Runs SQL text that must succeed; printf-like (of the test's own literals only). */
void kit_sql(struct db *db, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The first field of the first row: as a number (0 when null), or a text that the caller frees. */
int64_t kit_sql_i64(struct db *db, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *kit_sql_text(struct db *db, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* --- rows that most tests need --- */

struct uuid kit_organisation(struct db *db);
/* With the role 'admin'. */
struct uuid kit_user(struct db *db, const struct uuid *org);
/* A website check, every minute, with its check_state row. */
struct uuid kit_check(struct db *db, const struct uuid *org, const char *name);

/* --- texts for SQL and paths, valid till as many more were asked for --- */

enum { KIT_TEXTS = 16 };
const char *kit_id(const struct uuid *id);
/* RFC 3339, with microseconds. */
const char *kit_time(int64_t wall_us);

/* --- time --- */

/* Replaces the process's clock by one that stands still at `wall_us` until it is moved. */
void kit_clock_set(int64_t wall_us);
void kit_clock_advance_ms(int64_t ms);
/* Back to the system's. */
void kit_clock_reset(void);

/* How long to wait for what must come: a machine that is busy may take this long, and no test that
 * passes does. */
enum { KIT_PATIENCE_MS = 60000 };

/* Waits (in real time) until the expression is true; false when `ms` have passed. */
#define kit_wait(expression, ms)                                                 \
    ({                                                                           \
        int64_t kit_deadline_ = kit_real_mono_ms() + (ms);                       \
        bool kit_met_ = false;                                                   \
        while (!(kit_met_ = (expression)) && kit_real_mono_ms() < kit_deadline_) \
            kit_pause();                                                         \
        kit_met_;                                                                \
    })
int64_t kit_real_mono_ms(void);
/* 2 ms: between two looks at a condition. */
void kit_pause(void);

#endif
