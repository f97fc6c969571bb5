/* What commands share: options, messages, the database, passwords. */
#include "cli/cli.h"

#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "json/write.h"

enum { REDIS_TIMEOUT_MS = 5000 };

int cli_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fputs("tocsin: ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
    return CLI_FAILED;
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fprintf(stderr, "tocsin %s: ", cli->command->name);
    (void)vfprintf(stderr, fmt, ap);
    (void)fprintf(stderr, "; try tocsin %s --help\n", cli->command->name);
    va_end(ap);
    return CLI_USAGE;
}

int cli_fail_db(const char *what, enum status st, const struct db *db)
{
    const char *detail = db_error(db);
    return cli_fail("%s: %s%s%s", what, status_title(st), detail[0] ? ": " : "", detail);
}

int cli_print(const struct buf *out)
{
    if (buf_status(out) != ST_OK)
        return cli_fail("out of memory");
    if (fwrite(buf_cstr(out), 1, out->len, stdout) != out->len || fflush(stdout) != 0)
        return cli_fail("cannot write the output");
    return CLI_OK;
}

void cli_help(const struct command *command, struct buf *out)
{
    buf_printf(out, "tocsin %s: %s\n\nUsage: tocsin [--config FILE] %s%s%s%s\n", command->name,
               command->summary, command->name, command->option_count ? " [OPTIONS]" : "",
               command->arguments[0] ? " " : "", command->arguments);
    if (command->details)
        buf_printf(out, "\n%s\n", command->details);
    if (command->option_count > 0)
        buf_char(out, '\n');
    for (size_t i = 0; i < command->option_count; i++) {
        const struct cli_option *o = &command->options[i];
        buf_printf(out, "  --%s%s%s\n      %s\n", o->name, o->value ? " " : "",
                   o->value ? o->value : "", o->help);
    }
}

/* --name, --name VALUE or --name=VALUE; *at is moved over what was used. */
static int parse_option(struct cli *cli, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2;
    const size_t len = strcspn(name, "=");
    const char *given = name[len] == '=' ? name + len + 1 : NULL;
    for (size_t i = 0; i < cli->command->option_count; i++) {
        const struct cli_option *o = &cli->command->options[i];
        if (strlen(o->name) != len || strncmp(o->name, name, len) != 0)
            continue;
        if (cli->option[i])
            return cli_usage(cli, "--%s is given twice", o->name);
        if (!o->value && given)
            return cli_usage(cli, "--%s takes no value", o->name);
        if (o->value && !given && *at + 1 < argc)
            given = argv[++*at];
        if (o->value && !given)
            return cli_usage(cli, "--%s wants %s", o->name, o->value);
        cli->option[i] = o->value ? given : "";
        return CLI_OK;
    }
    return cli_usage(cli, "there is no option --%.*s", (int)len, name);
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
    bool options_end = false;
    for (int at = 1; at < argc; at++) {
        const char *text = argv[at];
        if (!options_end && (str_eq(text, "--help") || str_eq(text, "-h"))) {
            AUTO_BUF out;
            buf_init(&out, 1 << 16);
            cli_help(cli->command, &out);
            return cli_print(&out) == CLI_OK ? -1 : CLI_FAILED;
        }
        if (!options_end && str_eq(text, "--")) {
            options_end = true;
        } else if (!options_end && str_starts(text, "--")) {
            const int code = parse_option(cli, argc, argv, &at);
            if (code != CLI_OK)
                return code;
        } else if (cli->argument_count == cli->command->arguments_max) {
            return cli_usage(cli, "%s is too much", text);
        } else {
            cli->argument[cli->argument_count++] = text;
        }
    }
    if (cli->argument_count < cli->command->arguments_min)
        return cli_usage(cli, "wants %s", cli->command->arguments);
    return CLI_OK;
}

/* For the audit log: who sat at the machine. */
static enum status name_actor(struct db *db)
{
    const struct passwd *user = getpwuid(getuid());
    AUTO_BUF out;
    struct jw w;
    buf_init(&out, LIMIT_DB_ACTOR_BYTES);
    jw_init(&w, &out);
    jw_object(&w);
    jw_kv_str(&w, "type", "cli");
    jw_kv_str(&w, "name", user ? user->pw_name : "unknown");
    jw_end(&w);
    TRY(buf_status(&out));
    return db_set_actor(db, buf_cstr(&out));
}

struct db *cli_database(struct cli *cli, int64_t wait_ms)
{
    AUTO_DB db = NULL;
    struct errbuf err = {""};
    if (!cli->conf.database_url) { /* of a command that runs without settings, too */
        (void)cli_fail("the settings are wrong: tocsin check-config says where");
        return NULL;
    }
    if (db_new(cli->conf.database_url, "tocsin", &db, &err) != ST_OK) {
        (void)cli_fail("TOCSIN_DATABASE_URL: %s", err.text);
        return NULL;
    }
    const int64_t until_ms = clock_mono_ms() + wait_ms;
    enum status st = name_actor(db);
    if (st == ST_OK)
        st = db_ping(db);
    while (st != ST_OK && clock_mono_ms() < until_ms) {
        (void)usleep(200 * 1000);
        st = db_ping(db);
    }
    if (st != ST_OK) {
        (void)cli_fail_db("PostgreSQL does not answer", st, db);
        return NULL;
    }
    return take(&db);
}

struct redis *cli_redis(struct cli *cli)
{
    AUTO_REDIS r = NULL;
    struct errbuf err = {""};
    if (redis_new(cli->conf.redis_url, REDIS_TIMEOUT_MS, &r, &err) != ST_OK) {
        (void)cli_fail("TOCSIN_REDIS_URL: %s", err.text);
        return NULL;
    }
    const enum status st = redis_ping(r);
    if (st != ST_OK) {
        (void)cli_fail_redis("Redis does not answer", st, r);
        return NULL;
    }
    return take(&r);
}

int cli_fail_redis(const char *what, enum status st, const struct redis *r)
{
    /* What Redis said last belongs to a failure of Redis alone. */
    const bool is_its = st == ST_UNAVAILABLE || st == ST_IO || st == ST_INTERNAL;
    const char *detail = is_its ? redis_error(r) : "";
    return cli_fail("%s: %s%s%s", what, status_title(st), detail[0] ? ": " : "", detail);
}

int cli_number(const struct cli *cli, size_t option, int64_t min, int64_t max, int64_t *out)
{
    int64_t v;
    if (!cli->option[option])
        return CLI_OK;
    if (str_to_i64(cli->option[option], &v) != ST_OK || v < min || v > max)
        return cli_usage(cli, "--%s: a number from %" PRId64 " to %" PRId64,
                         cli->command->options[option].name, min, max);
    *out = v;
    return CLI_OK;
}

/* Global because a signal handler has no other way. */
static volatile sig_atomic_t is_stopped;

static void on_stop(int signal_number)
{
    (void)signal_number;
    is_stopped = 1;
}

void cli_catch_stop(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_stop}; /* no SA_RESTART: waits end */
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        (void)sigaction(signals[i], &action, NULL);
}

bool cli_is_stopped(void)
{
    return is_stopped != 0;
}

/* The first line; empty when there is none. */
static bool read_line(FILE *from, char *out, size_t cap)
{
    if (!fgets(out, (int)cap, from))
        return false;
    const size_t len = strcspn(out, "\r\n");
    const bool whole = out[len] != '\0' || feof(from);
    out[len] = '\0';
    return whole;
}

bool cli_confirm(const char *question)
{
    char answer[16] = "";
    (void)fprintf(stderr, "%s [y/N] ", question);
    return read_line(stdin, answer, sizeof(answer)) &&
           (str_ieq(answer, "y") || str_ieq(answer, "yes"));
}

static bool ask(char *out, size_t cap)
{
    struct termios old, quiet;
    if (tcgetattr(STDIN_FILENO, &old) != 0)
        return read_line(stdin, out, cap);
    (void)fputs("Password: ", stderr);
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    const bool ok = read_line(stdin, out, cap);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
    (void)fputc('\n', stderr);
    return ok;
}

const char *cli_password(struct cli *cli, const char *file)
{
    char text[LIMIT_PASSWORD_BYTES + 2] = "";
    bool ok = false;
    if (file) {
        FILE *f = fopen(file, "re");
        if (!f) {
            (void)cli_fail("%s: %m", file);
            return NULL;
        }
        ok = read_line(f, text, sizeof(text));
        (void)fclose(f);
    } else {
        ok = ask(text, sizeof(text));
    }
    if (!ok || strlen(text) < LIMIT_PASSWORD_MIN || strlen(text) > LIMIT_PASSWORD_BYTES) {
        (void)cli_fail("a password has %d to %d bytes", LIMIT_PASSWORD_MIN, LIMIT_PASSWORD_BYTES);
        return NULL;
    }
    return arena_strdup(cli->arena, text);
}

/* --- files --- */

static enum status read_stream(FILE *file, struct buf *out)
{
    for (;;) {
        char *room = buf_reserve(out, 65536);
        size_t n = room ? fread(room, 1, 65536, file) : 0;
        buf_advance(out, n);
        if (n == 0)
            break;
    }
    TRY(buf_status(out));
    return ferror(file) ? ST_IO : ST_OK;
}

enum status cli_read_file(const char *path, struct buf *out)
{
    if (str_eq(path, "-"))
        return read_stream(stdin, out);
    FILE *file = fopen(path, "re");
    if (!file)
        return ST_NOT_FOUND;
    enum status st = read_stream(file, out);
    (void)fclose(file);
    return st;
}
