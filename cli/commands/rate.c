/* tocsin rate: how many jobs of a task, or of a key, may start in a time. */
#include <inttypes.h>

#include "base/str.h"
#include "cli/queues.h"
#include "cli/text.h"
#include "queue/control.h"

enum { OPTION_TASK, OPTION_KEY, OPTION_EACH_KEY, OPTION_BURST, OPTION_JSON };
static const struct cli_option options[] = {
    [OPTION_TASK] = {"task", "TASK", "set, remove: the rate of this task, or of its keys"},
    [OPTION_KEY] = {"key", "KEY", "set, remove: of jobs with this key"},
    [OPTION_EACH_KEY] = {"each-key", NULL, "set, remove: of each key by itself"},
    [OPTION_BURST] = {"burst", "N", "set: so many may start at once (default: 1)"},
    [OPTION_JSON] = {"json", NULL, "list: print JSON"},
};

/* --- listing --- */

static void put_json(struct jw *w, const struct rate_rule *rule)
{
    jw_object(w);
    jw_kv_str(w, "task", rule->task);
    jw_kv_str(w, "key", rule->key);
    jw_kv_bool(w, "is_of_keys", rule->is_key);
    jw_kv_i64(w, "count", rule->rate.count);
    jw_kv_i64(w, "period_ms", rule->rate.period_ms);
    jw_kv_i64(w, "burst", rule->rate.burst);
    jw_end(w);
}

static void put_row(struct table *t, const struct rate_rule *rule)
{
    char period[AGE_TEXT_BYTES];
    text_age(rule->rate.period_ms, period);
    table_add(t, rule->task);
    table_add(t, rule->key ? rule->key : rule->is_key ? "(each)" : NULL);
    if (rule->rate.count == 0)
        table_add(t, "any");
    else
        table_addf(t, "%" PRId64 "/%s", rule->rate.count, period);
    table_add_i64(t, MAX_OF(rule->rate.burst, (int64_t)1));
}

static int list(struct cli *cli, struct redis *r)
{
    static const char *const titles[] = {"TASK", "KEY", "RATE", ">BURST"};
    AUTO_QUEUE q = NULL;
    AUTO_BUF out;
    struct rate_rule *rules = NULL;
    struct jw w;
    struct table t;
    size_t count = 0;
    buf_init(&out, CLI_OUTPUT_BYTES);
    const int code = queues_open(cli, r, cli->argument[1], &q);
    if (code != CLI_OK)
        return code;
    const enum status st = queue_rates_list(q, r, cli->arena, &rules, &count);
    if (st != ST_OK)
        return cli_fail_redis("rate list", st, r);
    jw_init(&w, &out);
    table_init(&t, cli->arena, titles, ARRAY_LEN(titles));
    const bool is_json = cli->option[OPTION_JSON] != NULL;
    if (is_json)
        jw_array(&w);
    for (size_t i = 0; i < count; i++) {
        if (is_json)
            put_json(&w, &rules[i]);
        else
            put_row(&t, &rules[i]);
    }
    if (is_json) {
        jw_end(&w);
        buf_char(&out, '\n');
    } else {
        table_print(&t, &out, 0, 0);
    }
    return cli_print(&out);
}

/* --- changing --- */

/* "10/1m", "5/s"; "any" for no limit at all. */
static bool parse_rate(const char *text, struct queue_rate *out)
{
    char number[24], period[24] = "1";
    if (str_eq(text, "any")) {
        *out = (struct queue_rate){.count = 0, .period_ms = 1};
        return true;
    }
    const char *slash = strchr(text, '/');
    if (!slash || slash == text || (size_t)(slash - text) >= sizeof(number))
        return false;
    (void)str_copy(number, (size_t)(slash - text) + 1, text);
    const bool has_number = slash[1] >= '0' && slash[1] <= '9';
    (void)str_copy(period + !has_number, sizeof(period) - 1, slash + 1);
    return str_to_i64(number, &out->count) == ST_OK && out->count > 0 &&
           conf_parse_ms(period, &out->period_ms) == ST_OK && out->period_ms > 0;
}

static int change(struct cli *cli, struct redis *r, const struct queue_rate *rate)
{
    const char *task = cli->option[OPTION_TASK], *key = cli->option[OPTION_KEY];
    const bool is_each = cli->option[OPTION_EACH_KEY] != NULL;
    if (is_each && key)
        return cli_usage(cli, "--key or --each-key");
    if (!task && !key && !is_each)
        return cli_usage(cli, "%s wants --task, --key or --each-key", cli->argument[0]);
    AUTO_QUEUE q = NULL;
    const int code = queues_open(cli, r, cli->argument[1], &q);
    if (code != CLI_OK)
        return code;
    const enum status st = key || is_each ? queue_key_rate_set(q, r, task, key, rate)
                                          : queue_rate_set(q, r, task, rate);
    if (st == ST_OVERLOADED)
        return cli_fail("the queue has %d rates already", LIMIT_RATE_RULES);
    if (st == ST_INVALID)
        return cli_usage(cli, "a task, a key and a rate are short, not empty and not negative");
    return st == ST_OK ? list(cli, r) : cli_fail_redis("rate", st, r);
}

static int set(struct cli *cli, struct redis *r)
{
    struct queue_rate rate = {0};
    int64_t burst = 1;
    if (!parse_rate(cli->argument[2], &rate))
        return cli_usage(cli, "%s is no rate: 10/1m, 5/s, any", cli->argument[2]);
    const int code = cli_number(cli, OPTION_BURST, 1, 1000000, &burst);
    if (code != CLI_OK)
        return code;
    rate.burst = burst;
    return change(cli, r, &rate);
}

static int remove_it(struct cli *cli, struct redis *r)
{
    return change(cli, r, NULL);
}

static int run(struct cli *cli)
{
    static const struct action actions[] = {
        {"list", 2, 2, list}, {"set", 3, 3, set}, {"remove", 2, 2, remove_it}};
    return action_run(cli, actions, ARRAY_LEN(actions));
}

const struct command command_rate = {
    .name = "rate",
    .arguments = "list QUEUE | set QUEUE N/PERIOD | remove QUEUE",
    .summary = "how many jobs of a task or a key may start in a time",
    .details =
        "For all workers together, within a second, and stored. A rate is 10/1m, 5/s, or any. The most "
        "precise rule of keys counts: task and key, the key, each key of the task, each key.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .arguments_min = 2,
    .arguments_max = 3,
    .run = run,
};
