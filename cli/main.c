/* tocsin: the command-line tool. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "daemon/daemon.h"
#include "json/parse.h"
#include "log/log.h"
#include "queue/queue.h"

#define COMMAND(name) extern const struct command command_##name;
#include "cli/commands.def"
#undef COMMAND

static const struct command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "cli/commands.def"
#undef COMMAND
};

enum { ARENA_LIMIT = 64 << 20 };

static void overview(FILE *to)
{
    (void)fprintf(to, "tocsin: administers Tocsin\n\n"
                      "Usage: tocsin [--config FILE] COMMAND [OPTIONS]\n"
                      "       tocsin COMMAND --help\n"
                      "       tocsin --version\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void)fprintf(to, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (str_eq(commands[i]->name, name))
            return commands[i];
    }
    return NULL;
}

/* Settings that do not matter to the command are read all the same, if they can be. */
static int load(struct cli *cli, const char *config)
{
    struct errbuf err = {""};
    enum status st = conf_load(config, &cli->conf, &err);
    if (st == ST_OK)
        st = task_routes_set(cli->conf.task_routes, &err);
    if (st == ST_OK || cli->command->needs_no_settings)
        return CLI_OK;
    return cli_fail("%s", err.text[0] ? err.text : status_title(st));
}

static int run(const char *config, int argc, char **argv)
{
    struct cli cli = {.command = find(argv[0])};
    if (!cli.command) {
        (void)fprintf(stderr, "tocsin: there is no command %s; try tocsin --help\n", argv[0]);
        return CLI_USAGE;
    }
    int code = cli_parse(&cli, argc, argv);
    if (code != CLI_OK)
        return code < 0 ? CLI_OK : code;

    AUTO_ARENA arena = arena_new(ARENA_LIMIT);
    if (!arena)
        return cli_fail("out of memory");
    cli.arena = arena;
    code = load(&cli, config);
    if (code == CLI_OK)
        code = cli.command->run(&cli);
    conf_done(&cli.conf);
    return code;
}

int main(int argc, char **argv)
{
    const char *config = NULL;
    int at = 1;
    (void)signal(SIGPIPE, SIG_IGN);
    json_setup();
    log_setup("tocsin", LOG_LEVEL_WARN, LOG_FORMAT_AUTO);
    if (at + 1 < argc && str_eq(argv[at], "--config")) {
        config = argv[at + 1];
        at += 2;
    }
    if (at >= argc) {
        overview(stderr);
        return CLI_USAGE;
    }
    if (str_eq(argv[at], "--help") || str_eq(argv[at], "-h") || str_eq(argv[at], "help")) {
        overview(stdout);
        return CLI_OK;
    }
    if (str_eq(argv[at], "--version")) {
        (void)printf("tocsin %s\n", tocsin_version);
        return CLI_OK;
    }
    return run(config, argc - at, argv + at);
}
