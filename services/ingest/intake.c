/* From decoded posts to scrapes in the streams. */
#include "services/ingest/intake.h"

#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/vec.h"
#include "log/log.h"
#include "obs/metrics.h"

/* Rows of a table in one scrape: with the longest texts it stays below LIMIT_METRIC_ENTRY_BYTES. */
enum { TABLE_ROWS_MAX = 50 };

static struct metric samples_accepted = {.name = "tocsin_ingest_samples_total",
                                         .help = "Samples and table rows by outcome",
                                         .labels = "outcome=\"accepted\"",
                                         .type = METRIC_COUNTER};
static struct metric samples_rejected = {.name = "tocsin_ingest_samples_total",
                                         .help = "Samples and table rows by outcome",
                                         .labels = "outcome=\"rejected\"",
                                         .type = METRIC_COUNTER};

typedef VEC(struct scrape) scrape_vec;

struct batch {
    struct intake *in;
    struct report *report;
    scrape_vec scrapes;
    const struct item *item;
    struct uuid host;
    size_t accepted;
};

void intake_metrics_add(void)
{
    metrics_add(&samples_accepted);
    metrics_add(&samples_rejected);
}

void intake_count(const struct report *report)
{
    metric_add(&samples_accepted, (int64_t)report->accepted);
    metric_add(&samples_rejected, (int64_t)report->rejected);
}

/* --- order: by time, then as given --- */

static int compare_heads(const void *a, const void *b)
{
    const struct row_head *x = a;
    const struct row_head *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void sort_rows(void *rows, size_t count, size_t size)
{
    bool is_sorted = true;
    for (size_t i = 1; i < count && is_sorted; i++) {
        const char *at = (const char *)rows + i * size;
        is_sorted = compare_heads(at - size, at) < 0;
    }
    if (!is_sorted)
        qsort(rows, count, size, compare_heads);
}

/* How many of the sorted rows from `first` are of one instant. */
static size_t run_length(const void *rows, size_t count, size_t size, size_t first)
{
    const char *at = (const char *)rows + first * size;
    const struct row_head *head = (const void *)at;
    size_t n = 1;
    while (first + n < count &&
           ((const struct row_head *)(const void *)(at + n * size))->at_us == head->at_us)
        n++;
    return n;
}

/* --- values --- */

struct identified {
    int64_t series_id;
    const struct sample_row *row;
};

static int compare_series(const void *a, const void *b)
{
    const struct identified *x = a;
    const struct identified *y = b;
    if (x->series_id != y->series_id)
        return x->series_id < y->series_id ? -1 : 1;
    return x->row->head.index < y->row->head.index ? -1 : 1;
}

static void reject_sample(struct batch *b, const struct sample_row *row, const char *type,
                          const char *reason)
{
    const struct place place = {
        .item = b->item->index, .section = "metrics", .index = row->head.index};
    report_reject(b->report, &place, 1, type, "%s: %s.%s %s", reason, row->key.type, row->key.name,
                  row->key.tags);
}

static enum status push_values(struct batch *b, int64_t at_us, int64_t layout_id,
                               const double *values, size_t count)
{
    const struct scrape s = {.host_id = b->host,
                             .at_us = at_us,
                             .received_us = b->in->now_us,
                             .layout_id = layout_id,
                             .values = values,
                             .value_count = count};
    b->accepted += count;
    return vec_push(&b->scrapes, s);
}

/* One layout for up to LIMIT_LAYOUT_SERIES values, or one each where the host has too many layouts.
 */
static enum status push_layout(struct batch *b, int64_t at_us, const int64_t *ids,
                               const double *values, size_t count)
{
    struct intake *in = b->in;
    int64_t layout = 0;
    enum status st = catalog_layout(in->catalog, in->db, in->arena, &b->host, ids, count, &layout);
    if (st == ST_OK)
        return push_values(b, at_us, layout, values, count);
    if (st != ST_OVERLOADED || count == 1)
        return st;
    for (size_t i = 0; i < count; i++) {
        TRY(catalog_layout(in->catalog, in->db, in->arena, &b->host, &ids[i], 1, &layout));
        TRY(push_values(b, at_us, layout, &values[i], 1));
    }
    return ST_OK;
}

/* Samples of one instant, sorted by series so that the order of sending makes no new layouts. */
static enum status add_samples(struct batch *b, const struct sample_row *rows, const int64_t *ids,
                               size_t count)
{
    struct arena *arena = b->in->arena;
    struct identified *order = arena_array(arena, count, sizeof(*order));
    int64_t *kept_ids = arena_array(arena, count, sizeof(*kept_ids));
    double *values = arena_array(arena, count, sizeof(*values));
    if (!order || !kept_ids || !values)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        order[i] = (struct identified){ids[i], &rows[i]};
    qsort(order, count, sizeof(*order), compare_series);

    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (order[i].series_id == 0) {
            reject_sample(b, order[i].row, "value_error.series_limit",
                          "the host has too many series, this one would be new");
            continue;
        }
        if (n > 0 && kept_ids[n - 1] == order[i].series_id) {
            reject_sample(b, order[i].row, "value_error.duplicate", "given twice");
            continue;
        }
        kept_ids[n] = order[i].series_id;
        values[n++] = order[i].row->value;
    }
    for (size_t i = 0; i < n; i += LIMIT_LAYOUT_SERIES) {
        size_t part = MIN_OF(n - i, (size_t)LIMIT_LAYOUT_SERIES);
        TRY(push_layout(b, rows[0].head.at_us, kept_ids + i, values + i, part));
    }
    return ST_OK;
}

static enum status add_values(struct batch *b)
{
    struct item *item = (struct item *)b->item;
    size_t count = item->sample_count;
    if (count == 0)
        return ST_OK;
    sort_rows(item->samples, count, sizeof(*item->samples));
    struct arena *arena = b->in->arena;
    const struct series_key **keys = arena_array(arena, count, sizeof(*keys));
    int64_t *ids = arena_array(arena, count, sizeof(*ids));
    if (!keys || !ids)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        keys[i] = &item->samples[i].key;
    TRY(catalog_series(b->in->catalog, b->in->db, arena, &b->host, keys, count, ids));

    for (size_t i = 0; i < count;) {
        size_t n = run_length(item->samples, count, sizeof(*item->samples), i);
        TRY(add_samples(b, item->samples + i, ids + i, n));
        i += n;
    }
    return ST_OK;
}

/* --- tables --- */

/* What tells two rows of one instant apart. */
struct row_key {
    int64_t number;
    const char *text, *more;
};

static struct row_key disk_key(const void *row)
{
    const struct disk_row *d = row;
    return (struct row_key){0, d->v.device, d->v.mount_point};
}

static struct row_key network_key(const void *row)
{
    const struct network_row *n = row;
    return (struct row_key){0, n->v.interface, ""};
}

static struct row_key process_key(const void *row)
{
    const struct process_row *p = row;
    return (struct row_key){p->v.pid, "", ""};
}

/* What differs between the three: the size of a row, and where its list goes in a scrape. */
struct table {
    const char *section;
    struct row_key (*key)(const void *row);
    size_t row_size;
    size_t value_offset;
    size_t value_size;
    size_t list_offset;
    size_t count_offset;
};
static const struct table disk_table = {"disk",
                                        disk_key,
                                        sizeof(struct disk_row),
                                        offsetof(struct disk_row, v),
                                        sizeof(struct disk_sample),
                                        offsetof(struct scrape, disks),
                                        offsetof(struct scrape, disk_count)};
static const struct table network_table = {"network",
                                           network_key,
                                           sizeof(struct network_row),
                                           offsetof(struct network_row, v),
                                           sizeof(struct network_sample),
                                           offsetof(struct scrape, networks),
                                           offsetof(struct scrape, network_count)};
static const struct table process_table = {"processes",
                                           process_key,
                                           sizeof(struct process_row),
                                           offsetof(struct process_row, v),
                                           sizeof(struct process_sample),
                                           offsetof(struct scrape, processes),
                                           offsetof(struct scrape, process_count)};

/* Whether the row is the first of its instant and key; the writer would leave a second one out. */
static enum status is_first(struct map *seen, const struct table *t, const void *row, bool *out)
{
    const struct row_head *head = row;
    struct row_key key = t->key(row);
    size_t text = strlen(key.text), more = strlen(key.more);
    unsigned char bytes[16 + 2 * LIMIT_METRIC_TEXT + 1];
    if (16 + text + 1 + more > sizeof(bytes))
        return ST_INTERNAL; /* the decoder keeps texts below this */
    memcpy(bytes, &head->at_us, 8);
    memcpy(bytes + 8, &key.number, 8);
    memcpy(bytes + 16, key.text, text + 1);
    memcpy(bytes + 16 + text + 1, key.more, more);
    size_t len = 16 + text + 1 + more;
    *out = map_get(seen, bytes, len) == NULL;
    return *out ? map_set(seen, bytes, len, seen) : ST_OK;
}

static enum status push_rows(struct batch *b, const struct table *t, int64_t at_us,
                             const char *values, size_t count)
{
    struct scrape s = {.host_id = b->host, .at_us = at_us, .received_us = b->in->now_us};
    memcpy((char *)&s + t->list_offset, &values, sizeof(values));
    memcpy((char *)&s + t->count_offset, &count, sizeof(count));
    b->accepted += count;
    return count > 0 ? vec_push(&b->scrapes, s) : ST_OK;
}

static enum status add_table(struct batch *b, const struct table *t, void *rows, size_t count)
{
    AUTO_MAP seen = map_new(LIMIT_METRICS_PER_POST);
    if (!seen)
        return ST_NO_MEMORY;
    sort_rows(rows, count, t->row_size);
    for (size_t i = 0; i < count;) {
        size_t n = MIN_OF(run_length(rows, count, t->row_size, i), (size_t)TABLE_ROWS_MAX);
        char *values = arena_array(b->in->arena, n, t->value_size);
        if (!values)
            return ST_NO_MEMORY;
        const char *row = (const char *)rows + i * t->row_size;
        const struct row_head *head = (const void *)row;
        size_t kept = 0;
        for (size_t k = 0; k < n; k++, row += t->row_size) {
            bool first = false;
            TRY(is_first(seen, t, row, &first));
            if (first) {
                memcpy(values + kept++ * t->value_size, row + t->value_offset, t->value_size);
                continue;
            }
            const struct place place = {
                .item = b->item->index,
                .section = t->section,
                .index = ((const struct row_head *)(const void *)row)->index};
            report_reject(b->report, &place, 1, "value_error.duplicate", "given twice");
        }
        TRY(push_rows(b, t, head->at_us, values, kept));
        i += n;
    }
    return ST_OK;
}

/* --- items --- */

static void reject_item(struct report *report, const struct item *item)
{
    const struct place place = {.item = item->index, .index = -1, .field = "agent_id"};
    report_reject(report, &place, item_rows(item), "value_error.missing",
                  "field required, as the API key belongs to no host");
}

static enum status add_item(struct batch *b)
{
    struct item *item = (struct item *)b->item;
    TRY(add_values(b));
    TRY(add_table(b, &disk_table, item->disks, item->disk_count));
    TRY(add_table(b, &network_table, item->networks, item->network_count));
    return add_table(b, &process_table, item->processes, item->process_count);
}

/* All hosts before anything is made of their rows, so that a forbidden one refuses all of it. */
static enum status find_hosts(struct intake *in, const struct post *post, struct report *report,
                              struct uuid *hosts, struct errbuf *err)
{
    for (size_t i = 0; i < post->count; i++) {
        const struct item *item = &post->items[i];
        enum status st = catalog_host(in->catalog, in->db, in->arena, in->who, item->agent_id,
                                      &hosts[i]);
        if (st == ST_INVALID) {
            reject_item(report, item);
            continue;
        }
        if (st == ST_FORBIDDEN)
            return err_set(err, st, "the API key belongs to another host than \"%.100s\"",
                           item->agent_id);
        TRY(st);
    }
    return ST_OK;
}

static enum status add_items(struct batch *b, const struct post *post, const struct uuid *hosts)
{
    for (size_t i = 0; i < post->count; i++) {
        if (uuid_is_nil(&hosts[i]))
            continue;
        b->item = &post->items[i];
        b->host = hosts[i];
        enum status st = add_item(b);
        if (st == ST_NOT_FOUND) {
            /* Deleted a moment ago: the sender's next try registers it anew. */
            catalog_forget_host(b->in->catalog, b->in->who, b->item->agent_id);
            return ST_UNAVAILABLE;
        }
        TRY(st);
    }
    return ST_OK;
}

enum status intake_store(struct intake *in, struct post *post, struct report *report,
                         struct errbuf *err)
{
    struct uuid *hosts = arena_array(in->arena, post->count, sizeof(*hosts));
    if (!hosts)
        return ST_NO_MEMORY;
    TRY(find_hosts(in, post, report, hosts, err));

    struct batch b = {.in = in, .report = report};
    enum status st = add_items(&b, post, hosts);
    if (st == ST_OK && b.scrapes.count > 0)
        st = publish(in->publisher, in->redis, in->arena, b.scrapes.at, b.scrapes.count,
                     in->now_us);
    vec_done(&b.scrapes);
    if (st == ST_OK)
        report->accepted += b.accepted;
    return st;
}
