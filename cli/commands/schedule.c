/* tocsin schedule: when a schedule runs, without a server. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli.h"
#include "json/write.h"
#include "zone/zone.h"

enum { COUNT_DEFAULT = 5 };
enum { OPTION_COUNT, OPTION_FROM, OPTION_JSON };
static const struct cli_option options[] = {
    [OPTION_COUNT] = {"count", "N", "How many runs, 1 to 100 (default: 5)"},
    [OPTION_FROM] = {"from", "TIME", "After this time, as in 2026-03-28T12:00:00Z (default: now)"},
    [OPTION_JSON] = {"json", NULL, "Print JSON"},
};

static void print_text(struct buf *out, const int64_t *at, size_t n)
{
    char text[TIME_TEXT_BYTES];
    for (size_t i = 0; i < n; i++) {
        time_format_ms(at[i], text);
        buf_printf(out, "%s\n", text);
    }
}

static void print_json(struct buf *out, const char *schedule, const int64_t *at, size_t n)
{
    struct jw w;
    char text[TIME_TEXT_BYTES];
    jw_init(&w, out);
    jw_object(&w);
    jw_kv_str(&w, "schedule", schedule);
    jw_key(&w, "next_runs");
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        time_format_ms(at[i], text);
        jw_str(&w, text);
    }
    jw_end(&w);
    jw_end(&w);
    buf_char(out, '\n');
}

static int next(struct cli *cli, const char *text)
{
    int64_t count = COUNT_DEFAULT;
    int64_t from_us = clock_wall_us();
    int64_t at[LIMIT_SCHEDULE_PREVIEW];
    struct schedule s;
    struct errbuf err = {""};
    const char *given = cli->option[OPTION_COUNT];
    if (given &&
        (str_to_i64(given, &count) != ST_OK || count < 1 || count > LIMIT_SCHEDULE_PREVIEW))
        return cli_usage(cli, "--count must be 1 to %d", LIMIT_SCHEDULE_PREVIEW);
    given = cli->option[OPTION_FROM];
    if (given && time_parse_us(given, &from_us) != ST_OK)
        return cli_usage(cli, "--from must be a time such as 2026-03-28T12:00:00Z");
    if (schedule_read(text, &s, &err) != ST_OK)
        return cli_fail("%s", err.text);
    size_t n = schedule_preview(&s, 0, from_us / 1000, at, (size_t)count);

    AUTO_BUF out;
    buf_init(&out, 1 << 16);
    if (cli->option[OPTION_JSON])
        print_json(&out, text, at, n);
    else
        print_text(&out, at, n);
    return cli_print(&out);
}

static int run(struct cli *cli)
{
    if (str_eq(cli->argument[0], "next"))
        return next(cli, cli->argument[1]);
    return cli_usage(cli, "there is no %s", cli->argument[0]);
}

const struct command command_schedule = {
    .name = "schedule",
    .arguments = "next TEXT",
    .summary = "say when a schedule runs next",
    .details =
        "TEXT is one argument: \"every 5 minutes\", \"30 9 * * 1-5\",\n"
        "\"CRON_TZ=Europe/Berlin @daily\". Times are in UTC. A check on an interval runs at\n"
        "these times shifted by a part of the interval that its id decides.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .arguments_min = 2,
    .arguments_max = 2,
    .needs_no_settings = true,
    .run = run,
};
