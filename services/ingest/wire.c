/* Frames of the metrics streams. */
#include "services/ingest/wire.h"

#include "base/limits.h"
#include "base/str.h"

enum { VERSION = 1, SCRAPE_HEAD_BYTES = 16 + 8 + 8 + 4 * 2 };

/* One table tells both directions what a row holds, so that they cannot disagree. */
enum member_type { MEMBER_TEXT, MEMBER_INT, MEMBER_FLOAT };
struct member {
    enum member_type type;
    size_t offset;
    size_t max; /* bytes of a text */
    bool is_required;
};

#define TEXT(s, m, max_)                                  \
    {                                                     \
        MEMBER_TEXT, offsetof(struct s, m), (max_), false \
    }
#define KEY_TEXT(s, m)                                              \
    {                                                               \
        MEMBER_TEXT, offsetof(struct s, m), LIMIT_METRIC_TEXT, true \
    }
#define INTEGER(s, m)                               \
    {                                               \
        MEMBER_INT, offsetof(struct s, m), 0, false \
    }
#define KEY_INTEGER(s, m)                          \
    {                                              \
        MEMBER_INT, offsetof(struct s, m), 0, true \
    }
#define FLOAT(s, m)                                   \
    {                                                 \
        MEMBER_FLOAT, offsetof(struct s, m), 0, false \
    }

static const struct member disk_members[] = {
    KEY_TEXT(disk_sample, device),
    TEXT(disk_sample, mount_point, LIMIT_METRIC_TEXT),
    TEXT(disk_sample, filesystem, LIMIT_METRIC_TEXT),
    INTEGER(disk_sample, total_bytes),
    INTEGER(disk_sample, used_bytes),
    INTEGER(disk_sample, available_bytes),
    FLOAT(disk_sample, usage_percent),
    INTEGER(disk_sample, inodes_total),
    INTEGER(disk_sample, inodes_used),
    FLOAT(disk_sample, inodes_percent),
};

static const struct member network_members[] = {
    KEY_TEXT(network_sample, interface),   INTEGER(network_sample, bytes_sent),
    INTEGER(network_sample, bytes_recv),   INTEGER(network_sample, packets_sent),
    INTEGER(network_sample, packets_recv), INTEGER(network_sample, errors_in),
    INTEGER(network_sample, errors_out),   INTEGER(network_sample, drop_in),
    INTEGER(network_sample, drop_out),     INTEGER(network_sample, is_up),
};

static const struct member process_members[] = {
    KEY_INTEGER(process_sample, pid),
    KEY_TEXT(process_sample, name),
    TEXT(process_sample, cmdline, LIMIT_METRIC_CMDLINE),
    TEXT(process_sample, username, LIMIT_METRIC_TEXT),
    TEXT(process_sample, status, LIMIT_METRIC_TEXT),
    FLOAT(process_sample, cpu_percent),
    INTEGER(process_sample, memory_bytes),
    FLOAT(process_sample, memory_percent),
    INTEGER(process_sample, num_threads),
};

struct row_type {
    const struct member *members;
    size_t count;
    size_t size;
};
static const struct row_type disk_rows = {disk_members, ARRAY_LEN(disk_members),
                                          sizeof(struct disk_sample)};
static const struct row_type network_rows = {network_members, ARRAY_LEN(network_members),
                                             sizeof(struct network_sample)};
static const struct row_type process_rows = {process_members, ARRAY_LEN(process_members),
                                             sizeof(struct process_sample)};

static const char *text_at(const void *row, const struct member *m)
{
    return *(const char *const *)(const void *)((const char *)row + m->offset);
}

/* --- writing --- */

static void put_u16(struct buf *b, size_t v)
{
    uint16_t be = __builtin_bswap16((uint16_t)v);
    buf_append(b, &be, sizeof(be));
}

static void put_u64(struct buf *b, uint64_t v)
{
    v = __builtin_bswap64(v);
    buf_append(b, &v, sizeof(v));
}

static void put_f64(struct buf *b, double v)
{
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof(bits));
    put_u64(b, bits);
}

static void put_rows(struct buf *b, const struct row_type *type, const void *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *row = (const char *)rows + i * type->size;
        for (size_t k = 0; k < type->count; k++) {
            const struct member *m = &type->members[k];
            const void *at = row + m->offset;
            switch (m->type) {
            case MEMBER_TEXT: {
                const char *text = text_at(row, m);
                put_u16(b, strlen(text));
                buf_str(b, text);
                break;
            }
            case MEMBER_INT:
                put_u64(b, (uint64_t) * (const int64_t *)at);
                break;
            case MEMBER_FLOAT:
                put_f64(b, *(const double *)at);
                break;
            }
        }
    }
}

void wire_begin(struct buf *out, int64_t received_us)
{
    buf_append(out, "TM", 2);
    buf_char(out, VERSION);
    put_u64(out, (uint64_t)received_us);
}

void wire_put(struct buf *out, const struct scrape *s)
{
    buf_append(out, s->host_id.b, sizeof(s->host_id.b));
    put_u64(out, (uint64_t)s->at_us);
    put_u64(out, (uint64_t)s->layout_id);
    put_u16(out, s->value_count);
    put_u16(out, s->disk_count);
    put_u16(out, s->network_count);
    put_u16(out, s->process_count);
    for (size_t i = 0; i < s->value_count; i++)
        put_f64(out, s->values[i]);
    put_rows(out, &disk_rows, s->disks, s->disk_count);
    put_rows(out, &network_rows, s->networks, s->network_count);
    put_rows(out, &process_rows, s->processes, s->process_count);
}

static size_t rows_size(const struct row_type *type, const void *rows, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < type->count; k++) {
            const struct member *m = &type->members[k];
            bytes += m->type == MEMBER_TEXT
                         ? 2 + strlen(text_at((const char *)rows + i * type->size, m))
                         : 8;
        }
    }
    return bytes;
}

size_t wire_size(const struct scrape *s)
{
    return SCRAPE_HEAD_BYTES + s->value_count * 8 + rows_size(&disk_rows, s->disks, s->disk_count) +
           rows_size(&network_rows, s->networks, s->network_count) +
           rows_size(&process_rows, s->processes, s->process_count);
}

/* --- reading --- */

struct reader {
    const unsigned char *at;
    size_t left;
    struct arena *arena;
    struct errbuf *err;
};

static enum status get(struct reader *r, void *out, size_t len)
{
    if (len > r->left)
        return err_set(r->err, ST_INVALID, "cut short");
    memcpy(out, r->at, len);
    r->at += len;
    r->left -= len;
    return ST_OK;
}

static enum status get_u16(struct reader *r, size_t *out)
{
    uint16_t v = 0;
    TRY(get(r, &v, sizeof(v)));
    *out = __builtin_bswap16(v);
    return ST_OK;
}

static enum status get_i64(struct reader *r, int64_t *out)
{
    uint64_t v = 0;
    TRY(get(r, &v, sizeof(v)));
    *out = (int64_t)__builtin_bswap64(v);
    return ST_OK;
}

static enum status get_f64(struct reader *r, double *out)
{
    int64_t bits = 0;
    TRY(get_i64(r, &bits));
    memcpy(out, &bits, sizeof(*out));
    if (isinf(*out))
        return err_set(r->err, ST_INVALID, "an infinite number");
    return ST_OK;
}

/* Within what timestamptz holds and the rest of the code reckons with. */
static enum status get_time(struct reader *r, int64_t *out)
{
    static const int64_t year_10000_us = 253402300800LL * 1000000;
    TRY(get_i64(r, out));
    if (*out <= 0 || *out >= year_10000_us)
        return err_set(r->err, ST_INVALID, "a time out of range");
    return ST_OK;
}

static enum status get_text(struct reader *r, const struct member *m, const char **out)
{
    size_t len = 0;
    TRY(get_u16(r, &len));
    if (len > r->left)
        return err_set(r->err, ST_INVALID, "a text cut short");
    if (len > m->max || (len == 0 && m->is_required))
        return err_set(r->err, ST_INVALID, "a text of %zu bytes", len);
    if (!str_is_utf8((const char *)r->at, len))
        return err_set(r->err, ST_INVALID, "a text that is not UTF-8");
    *out = arena_strndup(r->arena, (const char *)r->at, len);
    r->at += len;
    r->left -= len;
    return *out ? ST_OK : ST_NO_MEMORY;
}

static enum status get_member(struct reader *r, const struct member *m, void *at)
{
    switch (m->type) {
    case MEMBER_TEXT:
        return get_text(r, m, at);
    case MEMBER_INT:
        TRY(get_i64(r, at));
        if (m->is_required && *(int64_t *)at == SAMPLE_NONE)
            return err_set(r->err, ST_INVALID, "a row without its number");
        return ST_OK;
    case MEMBER_FLOAT:
        return get_f64(r, at);
    }
    abort();
}

static enum status get_rows(struct reader *r, const struct row_type *type, size_t count,
                            const void **out)
{
    /* Every member takes two bytes at least: a count that the bytes cannot hold allocates nothing.
     */
    if (count * type->count * 2 > r->left)
        return err_set(r->err, ST_INVALID, "%zu rows cut short", count);
    char *rows = arena_array(r->arena, count, type->size);
    if (!rows)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < type->count; k++) {
            const struct member *m = &type->members[k];
            TRY(get_member(r, m, rows + i * type->size + m->offset));
        }
    }
    *out = rows;
    return ST_OK;
}

static enum status get_values(struct reader *r, struct scrape *s)
{
    if ((s->layout_id != 0) != (s->value_count != 0) || s->layout_id < 0)
        return err_set(r->err, ST_INVALID, "values without a layout, or the reverse");
    if (s->value_count > LIMIT_LAYOUT_SERIES || s->value_count * 8 > r->left)
        return err_set(r->err, ST_INVALID, "%zu values", s->value_count);
    double *values = arena_array(r->arena, s->value_count, sizeof(*values));
    if (!values)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < s->value_count; i++) {
        TRY(get_f64(r, &values[i]));
        if (isnan(values[i]))
            return err_set(r->err, ST_INVALID, "a value that is not a number");
    }
    s->values = values;
    return ST_OK;
}

static enum status get_scrape(struct reader *r, int64_t received_us, struct scrape *out)
{
    struct scrape s = {.received_us = received_us};
    TRY(get(r, s.host_id.b, sizeof(s.host_id.b)));
    TRY(get_time(r, &s.at_us));
    TRY(get_i64(r, &s.layout_id));
    TRY(get_u16(r, &s.value_count));
    TRY(get_u16(r, &s.disk_count));
    TRY(get_u16(r, &s.network_count));
    TRY(get_u16(r, &s.process_count));
    TRY(get_values(r, &s));
    const void *rows = NULL;
    TRY(get_rows(r, &disk_rows, s.disk_count, &rows));
    s.disks = rows;
    TRY(get_rows(r, &network_rows, s.network_count, &rows));
    s.networks = rows;
    TRY(get_rows(r, &process_rows, s.process_count, &rows));
    s.processes = rows;
    *out = s;
    return ST_OK;
}

enum status wire_decode(const void *data, size_t len, struct arena *arena, struct scrape **out,
                        size_t *count, struct errbuf *err)
{
    struct reader r = {.at = data, .left = len, .arena = arena, .err = err};
    unsigned char head[3] = {0};
    TRY(get(&r, head, sizeof(head)));
    if (memcmp(head, "TM", 2) != 0)
        return err_set(err, ST_INVALID, "not a frame of metrics");
    if (head[2] != VERSION)
        return err_set(err, ST_INVALID, "version %d of the frame is not known", head[2]);
    int64_t received_us = 0;
    TRY(get_time(&r, &received_us));

    struct scrape *scrapes = arena_array(arena, r.left / SCRAPE_HEAD_BYTES, sizeof(*scrapes));
    if (!scrapes)
        return ST_NO_MEMORY;
    size_t n = 0;
    while (r.left > 0) {
        if (r.left < SCRAPE_HEAD_BYTES)
            return err_set(err, ST_INVALID, "a scrape cut short");
        TRY(get_scrape(&r, received_us, &scrapes[n]));
        n++;
    }
    *out = scrapes;
    *count = n;
    return ST_OK;
}
