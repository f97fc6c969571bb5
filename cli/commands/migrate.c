/* tocsin migrate: brings the database to this version. */
#include <stdio.h>

#include "cli/cli.h"
#include "conf/conf.h"
#include "db/migrate.h"
#include "gen/migrations.h"

enum { OPTION_CHECK, OPTION_WAIT };
static const struct cli_option options[] = {
    [OPTION_CHECK] = {"check", NULL, "Change nothing; fail unless the database is up to date"},
    [OPTION_WAIT] = {"wait", "DURATION", "Wait this long for PostgreSQL to answer (30s)"},
};

static int run(struct cli *cli)
{
    int64_t wait_ms = 0;
    if (cli->option[OPTION_WAIT] && conf_parse_ms(cli->option[OPTION_WAIT], &wait_ms) != ST_OK)
        return cli_usage(cli, "--wait: not a duration");
    AUTO_DB db = cli_database(cli, wait_ms);
    if (!db)
        return CLI_FAILED;

    struct errbuf err = {""};
    if (cli->option[OPTION_CHECK]) {
        const enum status st = db_migration_check(db, all_migrations, all_migrations_count, &err);
        if (st != ST_OK)
            return cli_fail("%s", err.text[0] ? err.text : status_title(st));
        (void)printf("the database is up to date\n");
        return CLI_OK;
    }
    int applied = 0;
    const enum status st = db_migrate(db, all_migrations, all_migrations_count, &applied, &err);
    if (st != ST_OK)
        return cli_fail("%s", err.text[0] ? err.text : status_title(st));
    (void)printf("%d migration%s applied\n", applied, applied == 1 ? "" : "s");
    return CLI_OK;
}

const struct command command_migrate = {
    .name = "migrate",
    .arguments = "",
    .summary = "bring the database to this version",
    .details = "Every missing migration runs in a transaction of its own. Safe to run at any time, "
               "also\ntwice at once.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
