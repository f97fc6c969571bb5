/* Reading metrics from PostgreSQL. */
#include "store/metrics.h"

#include "gen/queries.h"

/* Scrapes lie in hourly partitions: a narrow window lets PostgreSQL leave most of them unopened, so
 * wider ones are only tried when it did not hold enough. The last covers every retention. */
static const int64_t windows_us[] = {
    3600LL * 1000000,
    24 * 3600LL * 1000000,
    31 * 24 * 3600LL * 1000000,
    3650 * 24 * 3600LL * 1000000,
};

static enum status query(struct db *db, struct arena *arena, const struct metrics_query *q,
                         int64_t window_us, PGresult **out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, &q->host_id);
    db_arg_time(&a, MAX_OF(q->newest_us - window_us, 1));
    db_arg_time(&a, q->newest_us);
    db_arg_i64(&a, q->limit + q->skip);
    db_arg_str(&a, q->metric_type);
    db_arg_str(&a, q->metric_name);
    db_arg_i64(&a, q->skip);
    return db_query(db, &Q_METRICS_RECENT, &a, out);
}

enum status metrics_latest(struct db *db, struct arena *arena, const struct metrics_query *q,
                           struct metric_sample **out, size_t *count)
{
    AUTO_RESULT r = NULL;
    for (size_t i = 0; i < ARRAY_LEN(windows_us); i++) {
        pg_clear(&r);
        TRY(query(db, arena, q, windows_us[i], &r));
        if (PQntuples(r) >= q->limit)
            break;
    }
    size_t n = MIN_OF((size_t)PQntuples(r), (size_t)q->limit);
    struct metric_sample *samples = arena_array(arena, n, sizeof(*samples));
    if (!samples)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        int row = (int)i;
        samples[i] = (struct metric_sample){
            .time = row_time(r, row, "at"),
            .metric_type = row_str(r, row, "metric_type", arena),
            .metric_name = row_str(r, row, "metric_name", arena),
            .value = row_f64(r, row, "value"),
            .tags = row_str(r, row, "tags", arena),
        };
        if (!samples[i].metric_type || !samples[i].metric_name || !samples[i].tags)
            return ST_NO_MEMORY;
    }
    *out = samples;
    *count = n;
    return ST_OK;
}
