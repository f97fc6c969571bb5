/* tocsin user: list, add, passwd. */
#include "store/users.h"

#include <stdio.h>
#include <string.h>

#include "auth/password.h"
#include "base/str.h"
#include "cli/cli.h"
#include "json/write.h"

enum { OPTION_USERNAME, OPTION_ROLE, OPTION_PASSWORD_FILE, OPTION_JSON };
static const struct cli_option options[] = {
    [OPTION_USERNAME] = {"username", "NAME", "add: user name (default: the address up to the @)"},
    [OPTION_ROLE] = {"role", "ROLE", "add: viewer, operator, admin or owner (default: viewer)"},
    [OPTION_PASSWORD_FILE] = {"password-file", "FILE",
                              "add, passwd: read the password from here, not from the terminal or "
                              "standard input"},
    [OPTION_JSON] = {"json", NULL, "list: print JSON"},
};

static void put_json(const struct user *users, size_t count, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_array(&w);
    for (size_t i = 0; i < count; i++) {
        jw_object(&w);
        jw_kv_uuid(&w, "id", &users[i].id);
        jw_kv_str(&w, "username", users[i].username);
        jw_kv_str(&w, "email", users[i].email);
        jw_kv_str(&w, "role", users[i].role_text);
        jw_kv_bool(&w, "is_active", users[i].is_active);
        jw_kv_time_us(&w, "created_at", users[i].created_at);
        jw_kv_time_us(&w, "last_login_at", users[i].last_login_at);
        jw_end(&w);
    }
    jw_end(&w);
    buf_char(out, '\n');
}

static int list(struct cli *cli, struct db *db)
{
    struct user *users = NULL;
    size_t count = 0;
    const enum status st = user_list(db, NULL, cli->arena, &users, &count);
    if (st != ST_OK)
        return cli_fail_db("user list", st, db);
    AUTO_BUF out;
    buf_init(&out, 16 << 20);
    if (cli->option[OPTION_JSON]) {
        put_json(users, count, &out);
    } else {
        for (size_t i = 0; i < count; i++)
            buf_printf(&out, "%-20s %-32s %-9s%s\n", users[i].username, users[i].email,
                       users[i].role_text, users[i].is_active ? "" : " (inactive)");
    }
    return cli_print(&out);
}

static int add(struct cli *cli, struct db *db)
{
    const char *email = cli->argument[1];
    const char *at = email ? strchr(email, '@') : NULL;
    if (!at || at == email || at[1] == '\0')
        return cli_usage(cli, "add wants an e-mail address");
    enum role role = ROLE_VIEWER;
    if (cli->option[OPTION_ROLE] && role_parse(cli->option[OPTION_ROLE], &role) != ST_OK)
        return cli_usage(cli, "--role: viewer, operator, admin or owner");

    struct uuid org;
    const enum status found = organisation_first(db, &org);
    if (found == ST_NOT_FOUND)
        return cli_fail("there is no organisation yet; run tocsin bootstrap");
    if (found != ST_OK)
        return cli_fail_db("user add", found, db);
    const char *password = cli_password(cli, cli->option[OPTION_PASSWORD_FILE]);
    char hash[PASSWORD_HASH_BYTES];
    if (!password)
        return CLI_FAILED;
    if (password_hash(password, hash) != ST_OK)
        return cli_fail("out of memory");

    const char *name = cli->option[OPTION_USERNAME];
    const struct user user = {
        .id = uuid_new(),
        .org_id = org,
        .username = name ? name : arena_strndup(cli->arena, email, (size_t)(at - email)),
        .email = email,
        .password_hash = hash,
        .role = role,
    };
    const enum status st = user_insert(db, &user, cli->arena);
    if (st == ST_CONFLICT)
        return cli_fail("the user name or address is taken");
    if (st != ST_OK)
        return cli_fail_db("user add", st, db);
    (void)printf("added %s (%s), %s\n", user.username, email, role_name(role));
    return CLI_OK;
}

static int passwd(struct cli *cli, struct db *db)
{
    const char *login = cli->argument[1];
    if (!login)
        return cli_usage(cli, "passwd wants an e-mail address or a user name");
    struct user user;
    enum status st = user_by_login(db, login, cli->arena, &user);
    if (st == ST_NOT_FOUND)
        return cli_fail("there is no user %s", login);
    if (st != ST_OK)
        return cli_fail_db("user passwd", st, db);
    const char *password = cli_password(cli, cli->option[OPTION_PASSWORD_FILE]);
    char hash[PASSWORD_HASH_BYTES];
    if (!password)
        return CLI_FAILED;
    if (password_hash(password, hash) != ST_OK)
        return cli_fail("out of memory");
    st = user_set_password(db, &user.id, hash, cli->arena);
    if (st != ST_OK)
        return cli_fail_db("user passwd", st, db);
    (void)printf("password of %s changed; all sessions ended\n", user.username);
    return CLI_OK;
}

static int run(struct cli *cli)
{
    static const struct {
        const char *name;
        int (*run)(struct cli *cli, struct db *db);
    } actions[] = {{"list", list}, {"add", add}, {"passwd", passwd}};
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (!str_eq(actions[i].name, cli->argument[0]))
            continue;
        AUTO_DB db = cli_database(cli, 0);
        return db ? actions[i].run(cli, db) : CLI_FAILED;
    }
    return cli_usage(cli, "there is no %s", cli->argument[0]);
}

const struct command command_user = {
    .name = "user",
    .arguments = "list | add EMAIL | passwd EMAIL",
    .summary = "list and add users, set passwords",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .arguments_min = 1,
    .arguments_max = 2,
    .run = run,
};
