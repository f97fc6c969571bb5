/* tocsin top: queues, workers and rates, drawn anew every second. Plain ANSI, no library. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/queues.h"
#include "cli/text.h"

enum { FRAME_MS = 1000, WIDTH_DEFAULT = 80, HEAD_LINES = 6, ARENA_BYTES = 32 << 20 };

/* The other screen, without a cursor; and back. */
#define SCREEN_ENTER "\x1b[?1049h\x1b[?25l"
#define SCREEN_LEAVE "\x1b[?25h\x1b[?1049l"

enum { OPTION_ONCE, OPTION_JSON };
static const struct cli_option options[] = {
    [OPTION_ONCE] = {"once", NULL, "one frame, then end"},
    [OPTION_JSON] = {"json", NULL, "one frame as JSON, then end"},
};

struct row {
    const char *name;
    struct queue_info info;
};

/* What is at one moment; lives in its own arena, since the next one is compared with it. */
struct sample {
    struct arena *arena;
    int64_t mono_ms;
    struct row *rows;
    struct worker_row *workers;
    size_t row_count, worker_count;
};

static enum status take_sample(struct redis *r, struct sample *s)
{
    const char **names = NULL;
    arena_reset(s->arena);
    s->row_count = s->worker_count = 0;
    s->mono_ms = clock_mono_ms();
    TRY(queue_names(r, s->arena, &names, &s->row_count));
    s->rows = arena_array(s->arena, s->row_count, sizeof(*s->rows));
    if (!s->rows)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < s->row_count; i++) {
        AUTO_QUEUE q = NULL;
        s->rows[i].name = names[i];
        TRY(queue_new(names[i], 0, &q));
        TRY(queue_info_get(q, r, clock_wall_ms(), s->arena, &s->rows[i].info));
    }
    return workers_collect(r, names, s->row_count, s->arena, &s->workers, &s->worker_count);
}

struct rates {
    double in, done, failed; /* a second */
};

/* Counters that went back (Redis was emptied) count as still. */
static double rate(int64_t before, int64_t after, int64_t ms)
{
    return after > before && ms > 0 ? (double)(after - before) * 1000 / (double)ms : 0;
}

static struct rates rates_of(const struct sample *before, const struct sample *now, size_t i)
{
    const struct row *row = &now->rows[i];
    const int64_t ms = now->mono_ms - before->mono_ms;
    for (size_t k = 0; k < before->row_count; k++) {
        const struct queue_info *old = &before->rows[k].info, *new = &row->info;
        if (!str_eq(before->rows[k].name, row->name))
            continue;
        return (struct rates){
            .in = rate(old->enqueued, new->enqueued, ms),
            .done = rate(old->succeeded, new->succeeded, ms),
            .failed = rate(old->retried + old->died, new->retried + new->died, ms),
        };
    }
    return (struct rates){0};
}

static void put_queues(const struct sample *before, const struct sample *now, size_t lines,
                       size_t width, struct buf *out)
{
    static const char *const titles[] = {"QUEUE",   ">WAITING", ">RUNNING", ">DELAYED", ">DEAD",
                                         ">OLDEST", ">IN/s",    ">DONE/s",  ">FAIL/s",  "STATE"};
    struct table t;
    table_init(&t, now->arena, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < now->row_count; i++) {
        const struct queue_info *q = &now->rows[i].info;
        const struct rates per_s = rates_of(before, now, i);
        table_add(&t, now->rows[i].name);
        table_add_i64(&t, q->depth);
        table_add_i64(&t, q->in_flight);
        table_add_i64(&t, q->delayed);
        table_add_i64(&t, q->dead);
        table_add_age(&t, q->oldest_age_ms);
        table_addf(&t, "%.1f", per_s.in);
        table_addf(&t, "%.1f", per_s.done);
        table_addf(&t, "%.1f", per_s.failed);
        table_add(&t, queue_state_text(q));
    }
    table_print(&t, out, lines, width);
}

static void put_workers(const struct sample *now, size_t lines, size_t width, struct buf *out)
{
    static const char *const titles[] = {"WORKER", "STATE", "HOST", ">BUSY", "QUEUES"};
    struct table t;
    table_init(&t, now->arena, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < now->worker_count; i++) {
        const struct worker_row *w = &now->workers[i];
        table_add(&t, w->consumer);
        table_add(&t, w->info ? "alive" : "gone");
        table_add(&t, w->host);
        if (w->running < 0 || w->concurrency < 0)
            table_add(&t, NULL);
        else
            table_addf(&t, "%" PRId64 "/%" PRId64, w->running, w->concurrency);
        table_add(&t, w->queues);
    }
    table_print(&t, out, lines, width);
}

/* `height` 0: all lines. */
static void put_text(const struct sample *before, const struct sample *now, size_t height,
                     size_t width, struct buf *out)
{
    char at[TIME_TEXT_BYTES];
    time_format_ms(clock_wall_ms() / 1000 * 1000, at);
    const char *title = arena_printf(now->arena, "tocsin top  %s  %zu queues, %zu workers", at,
                                     now->row_count, now->worker_count);
    const size_t room = height > HEAD_LINES + 2 ? height - HEAD_LINES : 2;
    const size_t queues = height == 0 ? 0 : MIN_OF(MAX_OF(now->row_count, (size_t)1), room - 1);
    (void)text_put(out, title ? title : "", width);
    buf_str(out, "\n\n");
    put_queues(before, now, queues, width, out);
    buf_char(out, '\n');
    put_workers(now, height == 0 ? 0 : room - queues, width, out);
}

static void put_json(const struct sample *before, const struct sample *now, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_object(&w);
    jw_kv_time_us(&w, "at", clock_wall_us());
    jw_key(&w, "queues");
    jw_array(&w);
    for (size_t i = 0; i < now->row_count; i++) {
        const struct queue_info *q = &now->rows[i].info;
        const struct rates per_s = rates_of(before, now, i);
        jw_object(&w);
        jw_kv_str(&w, "name", now->rows[i].name);
        jw_kv_i64(&w, "depth", q->depth);
        jw_kv_i64(&w, "in_flight", q->in_flight);
        jw_kv_i64(&w, "delayed", q->delayed);
        jw_kv_i64(&w, "dead", q->dead);
        jw_kv_i64(&w, "oldest_age_ms", q->oldest_age_ms);
        jw_kv_f64(&w, "enqueued_per_s", per_s.in);
        jw_kv_f64(&w, "succeeded_per_s", per_s.done);
        jw_kv_f64(&w, "failed_per_s", per_s.failed);
        jw_kv_bool(&w, "is_paused", q->is_paused);
        jw_kv_str(&w, "broken", q->broken);
        jw_end(&w);
    }
    jw_end(&w);
    jw_key(&w, "workers");
    jw_array(&w);
    for (size_t i = 0; i < now->worker_count; i++) {
        jw_object(&w);
        jw_kv_str(&w, "consumer", now->workers[i].consumer);
        jw_kv_bool(&w, "is_alive", now->workers[i].info != NULL);
        jw_kv_raw(&w, "info", now->workers[i].info);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    buf_char(out, '\n');
}

/* A frame over the one before: each line's rest, and what is below, is wiped; no flicker. */
static void put_screen(const struct buf *text, struct buf *out)
{
    buf_str(out, "\x1b[H");
    for (const char *s = buf_cstr(text); *s;) {
        const size_t len = strcspn(s, "\n");
        buf_append(out, s, len);
        buf_str(out, "\x1b[K\r\n");
        s += len + (s[len] == '\n');
    }
    buf_str(out, "\x1b[J");
}

/* Waits for the next frame; false when it is time to end: a signal, or the key q. */
static bool wait_frame(bool has_keys)
{
    const int64_t until_ms = clock_mono_ms() + FRAME_MS;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    for (int64_t left; !cli_is_stopped() && (left = until_ms - clock_mono_ms()) > 0;) {
        char key = '\0';
        if (poll(&input, has_keys, (int)left) <= 0)
            continue;
        if (read(STDIN_FILENO, &key, 1) <= 0)
            has_keys = false;
        if (key == 'q')
            return false;
    }
    return !cli_is_stopped();
}

static int live(struct redis *r, struct sample *before, struct sample *now, bool has_keys)
{
    AUTO_BUF text, out;
    buf_init(&text, CLI_OUTPUT_BYTES);
    buf_init(&out, CLI_OUTPUT_BYTES);
    do {
        struct winsize size = {0};
        (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
        const enum status st = take_sample(r, now);
        buf_reset(&text);
        buf_reset(&out);
        if (st == ST_OK)
            put_text(before, now, size.ws_row ? size.ws_row : 24,
                     size.ws_col ? size.ws_col : WIDTH_DEFAULT, &text);
        else
            buf_printf(&text, "tocsin top: Redis: %s\n", status_title(st)); /* it may come back */
        put_screen(&text, &out);
        if (cli_print(&out) != CLI_OK)
            return CLI_FAILED;
        const struct sample swap = *before;
        *before = *now;
        *now = swap;
    } while (wait_frame(has_keys));
    return CLI_OK;
}

/* The terminal is as it was before, however this ends. */
static int on_terminal(struct redis *r, struct sample *before, struct sample *now)
{
    struct termios old;
    const bool has_keys = tcgetattr(STDIN_FILENO, &old) == 0;
    if (!isatty(STDOUT_FILENO))
        return cli_fail("top wants a terminal; else --once or --json");
    cli_catch_stop();
    (void)signal(SIGTSTP, SIG_IGN); /* would leave the shell on the other screen */
    if (has_keys) {
        struct termios keys = old;
        keys.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &keys);
    }
    (void)fputs(SCREEN_ENTER, stdout);
    const int code = live(r, before, now, has_keys);
    (void)fputs(SCREEN_LEAVE, stdout);
    (void)fflush(stdout);
    if (has_keys)
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
    return code;
}

static int once(struct cli *cli, struct redis *r, struct sample *before, struct sample *now)
{
    cli_catch_stop();
    if (!wait_frame(false))
        return CLI_OK;
    const enum status st = take_sample(r, now);
    if (st != ST_OK)
        return cli_fail_redis("top", st, r);
    struct winsize size = {0};
    if (isatty(STDOUT_FILENO))
        (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    AUTO_BUF out;
    buf_init(&out, CLI_OUTPUT_BYTES);
    if (cli->option[OPTION_JSON])
        put_json(before, now, &out);
    else
        put_text(before, now, 0, size.ws_col, &out);
    return cli_print(&out);
}

static int run(struct cli *cli)
{
    AUTO_ARENA first = arena_new(ARENA_BYTES);
    AUTO_ARENA second = arena_new(ARENA_BYTES);
    if (!first || !second)
        return cli_fail("out of memory");
    AUTO_REDIS r = cli_redis(cli);
    if (!r)
        return CLI_FAILED;
    struct sample before = {.arena = first}, now = {.arena = second};
    const enum status st = take_sample(r, &before);
    if (st != ST_OK)
        return cli_fail_redis("top", st, r);
    if (cli->option[OPTION_ONCE] || cli->option[OPTION_JSON])
        return once(cli, r, &before, &now);
    return on_terminal(r, &before, &now);
}

const struct command command_top = {
    .name = "top",
    .arguments = "",
    .summary = "queues, workers and rates, live",
    .details = "Drawn every second until q or Ctrl-C. A single frame measures its rates for a "
               "second.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
