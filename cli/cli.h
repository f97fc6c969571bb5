/*
 * The command-line tool. Each command is a file of its own that ends in one const entry; its table
 * of options parses, checks and documents them. Exit status: 0 done, 1 failed, 2 wrong usage.
 */
#ifndef TOCSIN_CLI_CLI_H
#define TOCSIN_CLI_CLI_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/defs.h"
#include "base/status.h"
#include "conf/conf.h"
#include "db/db.h"
#include "redis/redis.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_ARGUMENTS_MAX = 8, CLI_OPTIONS_MAX = 24 };

/* --name, or --name VALUE when `value` (what stands for it in the help) is given. */
struct cli_option {
    const char *name;
    const char *value;
    const char *help;
};

struct command;
struct cli {
    struct conf conf;
    struct arena *arena;
    const struct command *command;
    /* of the command: its options by their place in the table, and what is left */
    const char *option[CLI_OPTIONS_MAX]; /* NULL: not given; "" for one without a value */
    const char *argument[CLI_ARGUMENTS_MAX];
    int argument_count;
};

struct command {
    const char *name;      /* "user" */
    const char *arguments; /* "list|add|passwd [EMAIL]", or "" */
    const char *summary;
    const char *details; /* more for --help, or NULL */
    const struct cli_option *options;
    size_t option_count;
    int arguments_min, arguments_max;
    bool needs_no_settings; /* runs even when they are wrong */
    int (*run)(struct cli *cli);
};

/* Takes argv apart by the command's table: CLI_OK, CLI_USAGE (said why), or -1 when --help was
 * answered. */
int cli_parse(struct cli *cli, int argc, char **argv);
FOR_TESTS void cli_help(const struct command *command, struct buf *out);

/* Says "tocsin: …" on standard error; returns CLI_FAILED, so that `return cli_fail(…)` reads. */
int cli_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* The same with CLI_USAGE and a hint at --help. */
int cli_usage(const struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A status with what the database says about it. */
int cli_fail_db(const char *what, enum status st, const struct db *db);
/* Writes the buffer to standard output; CLI_FAILED when that is not possible. */
int cli_print(const struct buf *out);

/* A connection to the database of the settings, waiting for it up to wait_ms. NULL (said why). */
struct db *cli_database(struct cli *cli, int64_t wait_ms);
/* A connection to the Redis of the settings. NULL (said why). */
struct redis *cli_redis(struct cli *cli);
/* A status with what Redis says about it. */
int cli_fail_redis(const char *what, enum status st, const struct redis *r);
/* Whether the person at the terminal, or the first line of standard input, says yes. */
bool cli_confirm(const char *question);
/* A whole number of an option between two bounds: CLI_OK, or CLI_USAGE (said why). Not given:
 * *out stays. */
int cli_number(const struct cli *cli, size_t option, int64_t min, int64_t max, int64_t *out);
/* From now on SIGINT, SIGTERM and SIGHUP only make cli_is_stopped true: for what follows. */
void cli_catch_stop(void);
bool cli_is_stopped(void);
/* A whole file, "-": standard input. ST_NOT_FOUND, ST_IO, ST_TOO_LARGE for the buffer. */
NODISCARD enum status cli_read_file(const char *path, struct buf *out);
/* A password in the arena: the file's first line, or asked for on the terminal without echo, or
 * the first line of standard input. NULL (said why). */
const char *cli_password(struct cli *cli, const char *file);

#endif
