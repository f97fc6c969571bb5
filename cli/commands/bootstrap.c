/* tocsin bootstrap: what an empty database needs before anybody can sign in. */
#include "store/bootstrap.h"

#include <stdio.h>
#include <string.h>

#include "auth/password.h"
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli.h"
#include "net/url.h"

enum { OPTION_SELF_CHECK };
static const struct cli_option options[] = {
    [OPTION_SELF_CHECK] = {"self-check-url", "URL",
                           "Address for the first check, \"Tocsin itself\" (default: none)"},
};

static int check_input(const struct cli *cli)
{
    const struct conf *conf = &cli->conf;
    const char *at = strchr(conf->admin_email, '@');
    const char *url = cli->option[OPTION_SELF_CHECK];
    if (!at || at == conf->admin_email || at[1] == '\0')
        return cli_fail("TOCSIN_ADMIN_EMAIL: not an e-mail address");
    if (strlen(conf->admin_password) < LIMIT_PASSWORD_MIN)
        return cli_fail("TOCSIN_ADMIN_PASSWORD (or TOCSIN_ADMIN_PASSWORD_FILE) must have at least "
                        "%d bytes",
                        LIMIT_PASSWORD_MIN);
    const char *wrong = url ? url_check_http(url) : NULL;
    if (wrong)
        return cli_usage(cli, "--self-check-url: %s", wrong);
    return CLI_OK;
}

static int run(struct cli *cli)
{
    const int code = check_input(cli);
    if (code != CLI_OK)
        return code;
    AUTO_DB db = cli_database(cli, 0);
    if (!db)
        return CLI_FAILED;

    const char *email = cli->conf.admin_email;
    char hash[PASSWORD_HASH_BYTES];
    if (password_hash(cli->conf.admin_password, hash) != ST_OK)
        return cli_fail("TOCSIN_ADMIN_PASSWORD: too long");
    const struct bootstrap in = {
        .email = email,
        .username = arena_strndup(cli->arena, email, strcspn(email, "@")),
        .password_hash = hash,
        .self_check_url = cli->option[OPTION_SELF_CHECK],
    };
    struct bootstrap_outcome out;
    const enum status st = bootstrap_run(db, &in, cli->arena, &out);
    if (st != ST_OK)
        return cli_fail_db("bootstrap", st, db);
    (void)printf("organisation: %s\nadministrator %s: %s\ncheck: %s\n",
                 out.made_organisation ? "made" : "there", email, out.made_user ? "made" : "there",
                 out.made_check ? "made" : "not made");
    return CLI_OK;
}

const struct command command_bootstrap = {
    .name = "bootstrap",
    .arguments = "",
    .summary = "make the first organisation and its administrator",
    .details = "The administrator's address and password are TOCSIN_ADMIN_EMAIL and "
               "TOCSIN_ADMIN_PASSWORD.\nWhat is there already stays as it is.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
