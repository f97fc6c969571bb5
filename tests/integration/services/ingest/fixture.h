/* The ingest daemon as its senders and its operators see it, with private stores. */
#ifndef TOCSIN_TESTS_INTEGRATION_SERVICES_INGEST_FIXTURE_H
#define TOCSIN_TESTS_INTEGRATION_SERVICES_INGEST_FIXTURE_H

#include "base/buf.h"
#include "store/api_keys.h"
#include "tests/kit/kit.h"

enum { WAIT_MS = KIT_PATIENCE_MS, ARENA_BYTES = 16 << 20 };

struct daemon_run {
    pid_t pid;
    int port;
};

struct ingest_fixture {
    const char *conninfo, *redis_url;
    struct db *db;
    struct redis *redis;
    struct arena *arena;
    struct uuid org, user;
    char key[API_KEY_BYTES]; /* of the organisation, metrics:write */
    struct daemon_run d;
};

extern struct ingest_fixture fx;

#define COUNT(table) kit_sql_i64(fx.db, "SELECT count(*) FROM " table)

/* A request; 0 when there was no answer. body NULL: GET. */
long fx_ask(int port, const char *path, const char *key, const void *body, size_t len, bool is_gzip,
            struct buf *reply);
/* The status of a GET. */
long fx_get_status(int port, const char *path);
/* Waits for its being ready, unless it is to crash. */
struct daemon_run fx_start(const char *crash_at);
/* SIGTERM, then a clean end. */
void fx_stop(struct daemon_run *d);
/* A post to the daemon of all cases. */
long fx_post_key(const char *key, const char *body, struct buf *reply);
/* Posts and demands a status; the reply's accepted count, or -1. */
int64_t fx_post(const char *body, long want);
/* A key of the host, or with NULL of the user. */
void fx_new_key(const struct uuid *host, uint64_t scopes, char out[API_KEY_BYTES]);
/* RFC 3339; valid till the next call. */
const char *fx_time_text(int64_t seconds_ago);
/* A scrape of five samples. */
char *fx_body_at(const char *agent, const char *time, double value);
/* No entry waits in a stream. */
bool fx_is_drained(void);
/* Of the program. */
int fx_set_up(void **state);
int fx_tear_down(void **state);
/* Each case begins with empty tables and streams and its daemon running. */
int fx_before_each(void **state);

#endif
