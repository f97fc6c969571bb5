/* tocsin user: the accounts, for whoever has the database. */
#include "store/users.h"

#include <stdio.h>
#include <string.h>

#include "auth/password.h"
#include "base/str.h"
#include "cli/cli.h"
#include "json/write.h"
#include "store/audit.h"
#include "store/user_totp.h"

enum { OPTION_USERNAME, OPTION_ROLE, OPTION_ORGANISATION, OPTION_PASSWORD_FILE, OPTION_JSON };
static const struct cli_option options[] = {
    [OPTION_USERNAME] = {"username", "NAME",
                         "create: user name (default: the address up to the @)"},
    [OPTION_ROLE] = {"role", "ROLE", "create: viewer, operator, admin or owner (default: viewer)"},
    [OPTION_ORGANISATION] = {"organisation", "ID",
                             "create: the organisation (default: the first one)"},
    [OPTION_PASSWORD_FILE] = {"password-file", "FILE",
                              "create, password: read the password from here, not from the "
                              "terminal or standard input"},
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
        jw_kv_bool(&w, "is_external", users[i].is_external);
        jw_kv_bool(&w, "totp_enabled", users[i].has_totp);
        jw_kv_uuid(&w, "organisation_id", &users[i].org_id);
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
            buf_printf(&out, "%-20s %-32s %-9s%s%s%s\n", users[i].username, users[i].email,
                       users[i].role_text, users[i].is_active ? "" : " (inactive)",
                       users[i].is_external ? " (proxy's)" : "",
                       users[i].has_totp ? " (second factor)" : "");
    }
    return cli_print(&out);
}

/* The hash of a new password for the account; false (said why). */
static bool ask_password(struct cli *cli, const char *username, const char *email,
                         char hash[PASSWORD_HASH_BYTES])
{
    const char *password = cli_password(cli, cli->option[OPTION_PASSWORD_FILE]);
    if (!password)
        return false;
    const char *why = password_weakness(password, username, email);
    if (why) {
        (void)cli_fail("%s", why);
        return false;
    }
    if (password_hash(password, hash) == ST_OK)
        return true;
    (void)cli_fail("out of memory");
    return false;
}

static int choose_organisation(const struct cli *cli, struct db *db, struct uuid *out)
{
    const char *text = cli->option[OPTION_ORGANISATION];
    struct organisation o;
    if (text && uuid_parse(text, out) != ST_OK)
        return cli_usage(cli, "--organisation: not an id");
    const enum status st = text ? organisation_get(db, out, cli->arena, &o)
                                : organisation_first(db, out);
    if (st == ST_NOT_FOUND)
        return text ? cli_fail("there is no organisation %s", text)
                    : cli_fail("there is no organisation yet; run tocsin bootstrap");
    return st == ST_OK ? CLI_OK : cli_fail_db("user create", st, db);
}

static int create(struct cli *cli, struct db *db)
{
    const char *email = cli->argument[1];
    const char *at = email ? strchr(email, '@') : NULL;
    if (!at || at == email || at[1] == '\0')
        return cli_usage(cli, "create wants an e-mail address");
    enum role role = ROLE_VIEWER;
    if (cli->option[OPTION_ROLE] && role_parse(cli->option[OPTION_ROLE], &role) != ST_OK)
        return cli_usage(cli, "--role: viewer, operator, admin or owner");
    struct uuid org;
    const int code = choose_organisation(cli, db, &org);
    if (code != CLI_OK)
        return code;
    const char *name = cli->option[OPTION_USERNAME];
    if (!name)
        name = arena_strndup(cli->arena, email, (size_t)(at - email));
    char hash[PASSWORD_HASH_BYTES];
    if (!ask_password(cli, name, email, hash))
        return CLI_FAILED;

    const struct user user = {.id = uuid_new(),
                              .org_id = org,
                              .username = name,
                              .email = email,
                              .password_hash = hash,
                              .role = role};
    const enum status st = user_insert(db, &user, cli->arena);
    if (st == ST_CONFLICT)
        return cli_fail("the user name or address is taken");
    if (st != ST_OK)
        return cli_fail_db("user create", st, db);
    (void)printf("created %s (%s), %s\n", user.username, email, role_name(role));
    return CLI_OK;
}

/* The user whom the command line names. */
static int find(const struct cli *cli, struct db *db, struct user *out)
{
    const char *login = cli->argument[1];
    if (!login)
        return cli_usage(cli, "%s wants an e-mail address or a user name", cli->argument[0]);
    const enum status st = user_by_login(db, login, cli->arena, out);
    if (st == ST_NOT_FOUND)
        return cli_fail("there is no user %s", login);
    return st == ST_OK ? CLI_OK : cli_fail_db("user", st, db);
}

static int password(struct cli *cli, struct db *db)
{
    struct user user;
    char hash[PASSWORD_HASH_BYTES];
    const int code = find(cli, db, &user);
    if (code != CLI_OK)
        return code;
    if (user.is_external)
        return cli_fail("%s is signed in by a proxy and has no password here", user.username);
    if (!ask_password(cli, user.username, user.email, hash))
        return CLI_FAILED;
    const enum status st = user_set_password(db, &user.id, hash, cli->arena);
    if (st != ST_OK)
        return cli_fail_db("user password", st, db);
    (void)printf("password of %s changed; all sessions ended\n", user.username);
    return CLI_OK;
}

static int apply(const struct cli *cli, struct db *db, const struct user *user,
                 const struct user_change *change, const char *what)
{
    struct user changed;
    const enum status st = user_change(db, &user->org_id, &user->id, change, cli->arena, &changed);
    if (st == ST_FORBIDDEN)
        return cli_fail("%s is the last active owner; make another one first", user->username);
    if (st != ST_OK)
        return cli_fail_db("user", st, db);
    (void)printf("%s is %s now\n", user->username, what);
    return CLI_OK;
}

static int set_active(struct cli *cli, struct db *db)
{
    const bool is_active = str_eq(cli->argument[0], "enable");
    struct user user;
    const int code = find(cli, db, &user);
    return code == CLI_OK ? apply(cli, db, &user, &(struct user_change){.is_active = &is_active},
                                  is_active ? "active" : "inactive")
                          : code;
}

static int set_role(struct cli *cli, struct db *db)
{
    enum role role = ROLE_VIEWER;
    struct user user;
    if (!cli->argument[2] || role_parse(cli->argument[2], &role) != ST_OK)
        return cli_usage(cli, "role wants a user and viewer, operator, admin or owner");
    const int code = find(cli, db, &user);
    return code == CLI_OK ? apply(cli, db, &user, &(struct user_change){.role = role_name(role)},
                                  role_name(role))
                          : code;
}

static int reset_totp(struct cli *cli, struct db *db)
{
    struct user user;
    const int code = find(cli, db, &user);
    if (code != CLI_OK)
        return code;
    enum status st = user_totp_remove(db, &user.id, cli->arena);
    if (st == ST_NOT_FOUND)
        return cli_fail("%s has no second factor", user.username);
    const struct audit_event event = {.org_id = user.org_id,
                                      .action = "user.totp_reset",
                                      .object_type = "user",
                                      .object_id = user.id,
                                      .object_name = user.username};
    if (st == ST_OK)
        st = audit_write(db, &event, cli->arena);
    if (st != ST_OK)
        return cli_fail_db("user totp-reset", st, db);
    (void)printf("%s signs in with the password alone now\n", user.username);
    return CLI_OK;
}

static int run(struct cli *cli)
{
    static const struct {
        const char *name;
        int (*run)(struct cli *cli, struct db *db);
    } actions[] = {
        {"list", list},         {"create", create},   {"add", create},
        {"password", password}, {"passwd", password}, {"disable", set_active},
        {"enable", set_active}, {"role", set_role},   {"totp-reset", reset_totp},
    };
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
    .arguments = "list | create EMAIL | password USER | role USER ROLE | disable USER | "
                 "enable USER | totp-reset USER",
    .summary = "list, create and change users",
    .details = "USER is an e-mail address or a user name. disable, role and password end all of "
               "the user's\nsessions; totp-reset removes a second factor that was lost. All of it "
               "is recorded.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .arguments_min = 1,
    .arguments_max = 3,
    .run = run,
};
