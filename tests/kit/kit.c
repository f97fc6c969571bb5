/* The kit's databases, handles, rows and clock. */
#include "tests/kit/kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "db/internal.h"
#include "db/migrate.h"
#include "gen/migrations.h"

enum { DATABASES_MAX = 16, SQL_MAX = 65536 };
#define TEMPLATE "tocsin_test_template"

/* A test program is one thread when it asks for these. */
static struct {
    char *name[DATABASES_MAX];
    char *conninfo[DATABASES_MAX];
    int count;
} databases;
static char redis_url[512];
static char scratch[512];

static void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "kit: %s: %s\n", what, why);
    abort();
}

static const char *environment(const char *name)
{
    const char *v = getenv(name);
    if (str_is_empty(v))
        give_up(name, "not set: run it with tests/kit/servers.sh (make test-integration)");
    return v;
}

/* --- databases --- */

struct db *kit_db_open(const char *conninfo)
{
    struct db *db = NULL;
    struct errbuf err = {{0}};
    if (db_new(conninfo, "tocsin-test", &db, &err) != ST_OK)
        give_up("db_new", err.text);
    /* What the product may not take, the making of ten thousand rows for a test may. */
    char *options = NULL;
    if (asprintf(&options, "%s -c statement_timeout=%d", db->options, LIMIT_DB_STREAM_MS) < 0)
        give_up("db_new", "no memory");
    free(db->options);
    db->options = options;
    db->limit_ms = LIMIT_DB_STREAM_MS;
    return db;
}

static void run(struct db *db, const char *sql)
{
    if (db_exec(db, sql) != ST_OK)
        give_up(sql, db_error(db));
}

void kit_sql(struct db *db, const char *fmt, ...)
{
    AUTO_BUF sql;
    buf_init(&sql, SQL_MAX);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&sql, fmt, ap);
    va_end(ap);
    run(db, buf_cstr(&sql));
}

static char *first_field(struct db *db, const char *sql)
{
    /* A name of its own for every text: the connection keeps it prepared. */
    char name[32];
    uint32_t hash = 2166136261u;
    for (const char *p = sql; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    (void)snprintf(name, sizeof(name), "kit_%08x", hash);
    struct query q = {.name = name, .sql = sql};
    AUTO_RESULT r = NULL;
    if (db_query(db, &q, NULL, &r) != ST_OK)
        give_up(sql, db_error(db));
    if (PQntuples(r) == 0 || PQgetisnull(r, 0, 0))
        return NULL;
    return strdup(PQgetvalue(r, 0, 0));
}

int64_t kit_sql_i64(struct db *db, const char *fmt, ...)
{
    AUTO_BUF sql;
    buf_init(&sql, SQL_MAX);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&sql, fmt, ap);
    va_end(ap);
    AUTO_FREE char *text = first_field(db, buf_cstr(&sql));
    int64_t v = 0;
    if (text && str_to_i64(text, &v) != ST_OK)
        give_up(buf_cstr(&sql), "not a number");
    return v;
}

char *kit_sql_text(struct db *db, const char *fmt, ...)
{
    AUTO_BUF sql;
    buf_init(&sql, SQL_MAX);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&sql, fmt, ap);
    va_end(ap);
    return first_field(db, buf_cstr(&sql));
}

static void drop_databases(void)
{
    AUTO_DB db = kit_db_open(environment("TOCSIN_TEST_DATABASE_URL"));
    for (int i = 0; i < databases.count; i++) {
        kit_sql(db, "DROP DATABASE IF EXISTS %s WITH (FORCE)", databases.name[i]);
        free(databases.name[i]);
        free(databases.conninfo[i]);
    }
    databases.count = 0;
}

/* The same server and user, another database: as keywords, so that no URL has to be edited. */
static char *conninfo_for(const char *name)
{
    PQconninfoOption *options = PQconninfoParse(environment("TOCSIN_TEST_DATABASE_URL"), NULL);
    if (!options)
        give_up("TOCSIN_TEST_DATABASE_URL", "not understood");
    AUTO_BUF text;
    buf_init(&text, 4096);
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (o->val && !str_eq(o->keyword, "dbname"))
            buf_printf(&text, "%s='%s' ", o->keyword, o->val);
    }
    buf_printf(&text, "dbname='%s'", name);
    PQconninfoFree(options);
    return strdup(buf_cstr(&text));
}

static const char *database_from(const char *template)
{
    if (databases.count == DATABASES_MAX)
        give_up("kit_database", "too many databases");
    if (databases.count == 0)
        (void)atexit(drop_databases);
    char name[64];
    (void)snprintf(name, sizeof(name), "tocsin_test_%d_%d", (int)getpid(), databases.count);
    AUTO_DB db = kit_db_open(environment("TOCSIN_TEST_DATABASE_URL"));
    kit_sql(db, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    kit_sql(db, "CREATE DATABASE %s TEMPLATE %s", name, template);
    databases.name[databases.count] = strdup(name);
    databases.conninfo[databases.count] = conninfo_for(name);
    return databases.conninfo[databases.count++];
}

const char *kit_database_empty(void)
{
    return database_from("template1");
}

/* Made by the first program that asks: copying it takes a tenth of the time of migrating. Nobody
 * connects to it afterwards, for PostgreSQL copies no database that is in use. */
static void make_template(struct db *db)
{
    if (kit_sql_i64(db, "SELECT count(*) FROM pg_database WHERE datname = '" TEMPLATE "'") > 0)
        return;
    kit_sql(db, "DROP DATABASE IF EXISTS " TEMPLATE "_new WITH (FORCE)");
    kit_sql(db, "CREATE DATABASE " TEMPLATE "_new");
    AUTO_FREE char *conninfo = conninfo_for(TEMPLATE "_new");
    struct db *new = kit_db_open(conninfo);
    struct errbuf err = {{0}};
    if (db_migrate(new, all_migrations, all_migrations_count, NULL, &err) != ST_OK)
        give_up("db_migrate", err.text);
    db_free(new);
    kit_sql(db, "ALTER DATABASE " TEMPLATE "_new RENAME TO " TEMPLATE);
}

const char *kit_database(void)
{
    AUTO_DB db = kit_db_open(environment("TOCSIN_TEST_DATABASE_URL"));
    kit_sql(db, "SELECT pg_advisory_lock(1)");
    make_template(db);
    return database_from(TEMPLATE);
}

/* --- Redis and files --- */

struct redis *kit_redis_open(const char *url)
{
    /* As every daemon does: hiredis writes to sockets that may be closed. */
    (void)signal(SIGPIPE, SIG_IGN);
    struct redis *r = NULL;
    struct errbuf err = {{0}};
    if (redis_new(url, KIT_PATIENCE_MS, &r, &err) != ST_OK)
        give_up("redis_new", err.text);
    return r;
}

const char *kit_redis(void)
{
    if (redis_url[0] != '\0')
        return redis_url;
    /* Redis has 16 databases; 0 is left to the daemons that end-to-end tests start. */
    (void)snprintf(redis_url, sizeof(redis_url), "%s?db=%d", environment("TOCSIN_TEST_REDIS_URL"),
                   1 + (int)getpid() % 15);
    AUTO_REDIS r = kit_redis_open(redis_url);
    if (redis_do(r, NULL, "FLUSHDB") != ST_OK)
        give_up("FLUSHDB", redis_error(r));
    return redis_url;
}

const char *kit_dir(void)
{
    if (scratch[0] != '\0')
        return scratch;
    (void)snprintf(scratch, sizeof(scratch), "%s/%d", environment("TOCSIN_TEST_DIR"),
                   (int)getpid());
    if (mkdir(scratch, 0755) != 0)
        give_up(scratch, "mkdir failed");
    return scratch;
}

/* --- ports --- */

enum { PORTS_FROM = 12000, PORT_RANGES = 200, PORT_RANGE = 40 };

/* A socket that has the port; -1 when somebody else has it. */
static int bind_port(int port)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        give_up("port", "no socket");
    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* The first port of a range stays bound: who has it has the range. freePort of tocsin.mjs knows. */
static int range_of_our_own(void)
{
    for (int i = 0; i < PORT_RANGES; i++) {
        const int first = PORTS_FROM + ((int)getpid() + i) % PORT_RANGES * PORT_RANGE;
        if (bind_port(first) >= 0)
            return first;
    }
    give_up("port", "all ranges are taken");
    return 0;
}

int kit_port(void)
{
    static int first, given;
    if (first == 0)
        first = range_of_our_own();
    for (int i = 1; i < PORT_RANGE; i++) {
        const int port = first + 1 + given++ % (PORT_RANGE - 1), fd = bind_port(port);
        if (fd < 0)
            continue;
        (void)close(fd);
        return port;
    }
    give_up("port", "none is free");
    return 0;
}

/* --- rows --- */

struct uuid kit_organisation(struct db *db)
{
    const struct uuid id = uuid_new();
    kit_sql(db, "INSERT INTO organisations (id, name) VALUES ('%s', 'Example')", kit_id(&id));
    return id;
}

struct uuid kit_user(struct db *db, const struct uuid *org)
{
    const struct uuid id = uuid_new();
    const char *text = kit_id(&id);
    kit_sql(db,
            "INSERT INTO users (id, org_id, username, email, password_hash, role)"
            " VALUES ('%s', '%s', 'user-%s', '%s@example.com', 'x', 'admin')",
            text, kit_id(org), text, text);
    return id;
}

struct uuid kit_check(struct db *db, const struct uuid *org, const char *name)
{
    const struct uuid id = uuid_new();
    const char *text = kit_id(&id);
    kit_sql(db,
            "INSERT INTO checks (id, org_id, name, kind, plugin_type, config, schedule, shard)"
            " VALUES ('%s', '%s', '%s', 'website', 'website', '{\"url\": \"http://example.com/\"}',"
            " 'every 1 minute', %d);"
            "INSERT INTO check_state (check_id) VALUES ('%s')",
            text, kit_id(org), name, (int)(uuid_hash(&id) % 16), text);
    return id;
}

/* --- texts --- */

const char *kit_id(const struct uuid *id)
{
    static char text[KIT_TEXTS][UUID_TEXT_BYTES];
    static int next;
    next = (next + 1) % KIT_TEXTS;
    uuid_format(id, text[next]);
    return text[next];
}

const char *kit_time(int64_t wall_us)
{
    static char text[KIT_TEXTS][TIME_TEXT_BYTES];
    static int next;
    next = (next + 1) % KIT_TEXTS;
    time_format_us(wall_us, text[next]);
    return text[next];
}

/* --- time --- */

/* Replaces the source of the process, so there is one. */
static struct {
    int64_t wall_us, mono_us;
} fake;

static int64_t fake_wall(void *self)
{
    (void)self;
    return __atomic_load_n(&fake.wall_us, __ATOMIC_SEQ_CST);
}

static int64_t fake_mono(void *self)
{
    (void)self;
    return __atomic_load_n(&fake.mono_us, __ATOMIC_SEQ_CST);
}

static const struct clock_source fake_source = {.wall_us = fake_wall, .mono_us = fake_mono};

void kit_clock_set(int64_t wall_us)
{
    __atomic_store_n(&fake.wall_us, wall_us, __ATOMIC_SEQ_CST);
    __atomic_store_n(&fake.mono_us, 1000000, __ATOMIC_SEQ_CST);
    clock_use(&fake_source);
}

void kit_clock_advance_ms(int64_t ms)
{
    (void)__atomic_add_fetch(&fake.wall_us, ms * 1000, __ATOMIC_SEQ_CST);
    (void)__atomic_add_fetch(&fake.mono_us, ms * 1000, __ATOMIC_SEQ_CST);
}

void kit_clock_reset(void)
{
    clock_use(NULL);
}

int64_t kit_real_mono_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void kit_pause(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}
