/* A session for importing and exporting. */
#include "cli/transfer.h"

#include "base/str.h"
#include "store/users.h"

int transfer_open(struct cli *cli, size_t organisation_option, struct transfer_session *out)
{
    const char *text = cli->option[organisation_option];
    struct organisation o;
    struct errbuf err = {""};
    if (text && uuid_parse(text, &out->org) != ST_OK)
        return cli_usage(cli, "--organisation: not an id");
    if (!str_is_empty(cli->conf.secret_key) &&
        seal_keys_new(cli->conf.secret_key, &out->seal, &err) != ST_OK)
        return cli_fail("TOCSIN_SECRET_KEY: %s", err.text);
    out->db = cli_database(cli, 0);
    if (!out->db)
        return CLI_FAILED;
    const enum status st = text ? organisation_get(out->db, &out->org, cli->arena, &o)
                                : organisation_first(out->db, &out->org);
    if (st == ST_NOT_FOUND)
        return cli_fail("there is no such organisation; the first one is made by tocsin bootstrap");
    return st == ST_OK ? CLI_OK : cli_fail_db("organisation", st, out->db);
}

void transfer_close(struct transfer_session *s)
{
    db_free(s->db);
    seal_keys_free(s->seal);
}
