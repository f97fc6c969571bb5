/* Hosts in PostgreSQL. */
#include "store/hosts.h"

#include "base/clock.h"
#include "base/str.h"
#include "gen/queries.h"

enum { SLUG_ATTEMPTS = 5 };

static bool is_slug_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

void host_slug(const char *name, char out[HOST_SLUG_BYTES])
{
    size_t len = 0;
    bool gap = false;
    for (const char *p = name; *p && len < LIMIT_HOST_SLUG; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
        if (!is_slug_char(c)) {
            gap = len > 0;
            continue;
        }
        if (gap && len + 1 < LIMIT_HOST_SLUG)
            out[len++] = '-';
        gap = false;
        out[len++] = c;
    }
    out[len] = '\0';
    if (len == 0)
        (void)str_copy(out, HOST_SLUG_BYTES, "host");
}

bool host_is_slug(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > LIMIT_HOST_SLUG || text[0] == '-' || text[len - 1] == '-')
        return false;
    for (const char *p = text; *p; p++) {
        if (!is_slug_char(*p) && *p != '-')
            return false;
    }
    return true;
}

const char *host_connectivity(int64_t last_seen_us, int64_t now_us)
{
    if (last_seen_us == 0)
        return "unknown";
    return now_us - last_seen_us <= LIMIT_HOST_ONLINE_US ? "online" : "offline";
}

static void read_host(const PGresult *r, int row, struct arena *arena, struct host *out)
{
    *out = (struct host){
        .id = row_uuid(r, row, "id"),
        .slug = row_str(r, row, "slug", arena),
        .name = row_str(r, row, "name", arena),
        .host = row_str(r, row, "host", arena),
        .port = row_i64(r, row, "port"),
        .hostname = row_str(r, row, "hostname", arena),
        .ip_address = row_str(r, row, "ip_address", arena),
        .os = row_str(r, row, "os", arena),
        .os_version = row_str(r, row, "os_version", arena),
        .agent_version = row_str(r, row, "agent_version", arena),
        .admin_status = row_str(r, row, "admin_status", arena),
        .labels = row_str(r, row, "labels", arena),
        .last_seen_at = row_time(r, row, "last_seen_at"),
        .last_metrics_at = row_time(r, row, "last_metrics_at"),
        .created_at = row_time(r, row, "created_at"),
        .updated_at = row_time(r, row, "updated_at"),
    };
    out->connectivity = host_connectivity(out->last_seen_at, clock_wall_us());
}

/* The columns that may never be null: NULL here means that the arena is full. */
static enum status check_host(const struct host *h)
{
    return h->slug && h->name && h->admin_status && h->labels ? ST_OK : ST_NO_MEMORY;
}

static enum status get_one(struct db *db, const struct query *q, const struct db_args *args,
                           struct arena *arena, struct host *out)
{
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, q, args, &r));
    struct host host;
    read_host(r, 0, arena, &host);
    TRY(check_host(&host));
    *out = host;
    return ST_OK;
}

static enum status find(struct db *db, const struct query *q, struct arena *arena,
                        const struct uuid *org, const char *text, struct host *out)
{
    /* No column holds such a text, and PostgreSQL would call it an error of ours. */
    if (!str_is_utf8(text, strlen(text)))
        return ST_NOT_FOUND;
    struct uuid id = {0};
    bool is_uuid = uuid_parse(text, &id) == ST_OK;
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_uuid(&a, is_uuid ? &id : NULL);
    db_arg_str(&a, text);
    return get_one(db, q, &a, arena, out);
}

enum status host_find(struct db *db, struct arena *arena, const struct uuid *org, const char *text,
                      struct host *out)
{
    return find(db, &Q_HOST_GET, arena, org, text, out);
}

enum status host_find_agent(struct db *db, struct arena *arena, const struct uuid *org,
                            const char *text, struct host *out)
{
    return find(db, &Q_HOST_GET_AGENT, arena, org, text, out);
}

/* Beyond the last page there is no row to carry the total. */
static enum status count_all(struct db *db, struct arena *arena, const struct uuid *org,
                             int64_t *total)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_HOST_COUNT, &a, &r));
    *total = row_i64(r, 0, "total");
    return ST_OK;
}

enum status host_list(struct db *db, struct arena *arena, const struct uuid *org, const char *sort,
                      int64_t limit, int64_t offset, struct host **out, size_t *count,
                      int64_t *total)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_i64(&a, limit);
    db_arg_i64(&a, offset);
    db_arg_str(&a, sort ? sort : "created_at");
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_HOST_LIST, &a, &r));

    size_t n = (size_t)PQntuples(r);
    struct host *hosts = arena_array(arena, n, sizeof(*hosts));
    if (!hosts)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        read_host(r, (int)i, arena, &hosts[i]);
        TRY(check_host(&hosts[i]));
    }
    int64_t all = n > 0 ? row_i64(r, 0, "total") : 0;
    if (n == 0 && offset > 0)
        TRY(count_all(db, arena, org, &all));
    *out = hosts;
    *count = n;
    *total = all;
    return ST_OK;
}

static void fields_args(struct db_args *a, const struct uuid *id, const struct uuid *org,
                        const char *slug, const struct host_fields *in)
{
    db_arg_uuid(a, id);
    db_arg_uuid(a, org);
    db_arg_str(a, slug);
    db_arg_str(a, in->name);
    db_arg_str(a, in->host);
    if (in->port > 0)
        db_arg_i64(a, in->port);
    else
        db_arg_null(a);
    db_arg_str(a, in->hostname);
    db_arg_str(a, in->ip_address);
    db_arg_str(a, in->os);
    db_arg_str(a, in->os_version);
    db_arg_str(a, in->agent_version);
    db_arg_str(a, in->admin_status);
    db_arg_str(a, in->labels);
}

enum status host_create(struct db *db, struct arena *arena, const struct uuid *org,
                        const struct host_fields *in, struct host *out)
{
    struct uuid id = uuid_new();
    char slug[HOST_SLUG_BYTES];
    host_slug(in->name, slug);
    struct db_args a;
    db_args_init(&a, arena);
    fields_args(&a, &id, org, in->slug ? in->slug : slug, in);
    if (in->slug)
        return get_one(db, &Q_HOST_INSERT, &a, arena, out);

    enum status st = get_one(db, &Q_HOST_INSERT_FREE, &a, arena, out);
    for (int i = 0; i < SLUG_ATTEMPTS && st == ST_NOT_FOUND; i++)
        st = get_one(db, &Q_HOST_INSERT_NUMBERED, &a, arena, out);
    return st == ST_NOT_FOUND ? ST_CONFLICT : st;
}

enum status host_update(struct db *db, struct arena *arena, const struct uuid *org,
                        const struct uuid *id, const struct host_fields *in, struct host *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    fields_args(&a, id, org, in->slug, in);
    db_arg_bool(&a, in->clear_hostname);
    db_arg_bool(&a, in->clear_ip_address);
    db_arg_bool(&a, in->clear_os);
    db_arg_bool(&a, in->clear_os_version);
    db_arg_bool(&a, in->clear_agent_version);
    return get_one(db, &Q_HOST_UPDATE, &a, arena, out);
}

enum status host_delete(struct db *db, struct arena *arena, const struct uuid *org,
                        const struct uuid *id)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_uuid(&a, id);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_HOST_DELETE, &a, &r));
    return db_affected(r) > 0 ? ST_OK : ST_NOT_FOUND;
}

struct registration {
    struct arena *arena;
    const struct uuid *org;
    const char *agent_id;
    struct host *out;
};

static enum status register_locked(struct db *db, void *arg)
{
    const struct registration *reg = arg;
    char org_text[UUID_TEXT_BYTES];
    uuid_format(reg->org, org_text);
    struct db_args a;
    db_args_init(&a, reg->arena);
    db_arg_str(&a, org_text);
    db_arg_str(&a, reg->agent_id);
    TRY(db_query(db, &Q_HOST_REGISTER_LOCK, &a, NULL));

    enum status st = host_find_agent(db, reg->arena, reg->org, reg->agent_id, reg->out);
    if (st != ST_NOT_FOUND)
        return st;
    const struct host_fields fields = {.name = reg->agent_id};
    return host_create(db, reg->arena, reg->org, &fields, reg->out);
}

enum status host_register(struct db *db, struct arena *arena, const struct uuid *org,
                          const char *agent_id, struct host *out)
{
    enum status st = host_find_agent(db, arena, org, agent_id, out);
    if (st != ST_NOT_FOUND)
        return st;
    struct registration reg = {arena, org, agent_id, out};
    return db_transact(db, register_locked, &reg);
}
