/* Making an account by oneself: openly, with an invitation, or not at all (TOCSIN_REGISTRATION). */
#include <string.h>

#include "auth/password.h"
#include "base/str.h"
#include "json/patterns.h"
#include "log/log.h"
#include "services/api/api.h"
#include "services/api/login_guard.h"
#include "services/api/routes/account_fields.h"
#include "services/api/routes/routes.h"
#include "services/api/sign_in.h"
#include "store/invitations.h"

struct register_in {
    struct in_str username, email, name, password, invitation, organisation;
};
#define AT(member) offsetof(struct register_in, member)
static const struct field register_fields[] = {
    EMAIL_FIELD(AT(email), .flags = F_REQUIRED, .example = "\"ann@example.com\""),
    NEW_PASSWORD_FIELD("password", AT(password), .flags = F_REQUIRED | F_SECRET,
                       .example = "\"a long sentence nobody guesses\""),
    USERNAME_FIELD(AT(username), .help = "Default: the address up to the @"),
    PERSON_FIELD(AT(name), .flags = F_NULLABLE),
    {.name = "organisation",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(organisation),
     .min = 1,
     .max = 200,
     .check = check_plain_text,
     .pattern = PATTERN_PLAIN,
     .help = "Name of the organisation that is founded, where there is no invitation"},
    {.name = "invitation",
     .type = FT_STRING,
     .flags = F_SECRET | F_NULLABLE,
     .offset = AT(invitation),
     .min = 1,
     .max = 200,
     .help = "The token of an invitation"},
};
#undef AT
static const struct schema register_schema = SCHEMA("Registration", struct register_in,
                                                    register_fields);

static enum status refuse_invitation(struct req *r)
{
    return req_fail(r, ST_FORBIDDEN, "INVITATION_INVALID",
                    "The invitation is unknown, used, revoked or expired, or for another address");
}

/* Whoever has an invitation is trusted so far that he may hear that a name is taken. */
static enum status by_invitation(struct req *r, const char *token, struct user *user)
{
    const struct api_ctx *ctx = req_ctx(r);
    const enum status st = invitation_accept(ctx->db, token, r->arena, user);
    if (st == ST_UNAUTHENTICATED)
        return refuse_invitation(r);
    if (st == ST_CONFLICT)
        return req_fail(r, st, "USER_EXISTS", "The user name or address is taken");
    TRY(st);
    struct user made;
    TRY(user_get(ctx->db, &user->id, r->arena, &made));
    TRY(sign_in_record(r, &made, "user.registered", true, "{\"by\":\"invitation\"}"));
    reply_object(r, 201, &user_reply_schema, &made);
    return ST_OK;
}

/* Anybody may ask, so that the answer must not tell whether an address has an account: it is the
 * same, and comes after the same work, one record in the log included. */
static enum status openly(struct req *r, const struct register_in *in, struct user *user)
{
    const struct api_ctx *ctx = req_ctx(r);
    const char *name = in->organisation.v;
    if (!name)
        name = arena_printf(r->arena, "Organisation of %s", user->username);
    if (!name)
        return ST_NO_MEMORY;
    const enum status st = organisation_found(ctx->db, name, r->arena, user);
    if (st != ST_CONFLICT) {
        TRY(st); /* recorded as a new user */
    } else {
        struct user there;
        log_info("registration_of_taken_address", kv_str("address", req_peer_text(r)));
        const enum status found = user_by_login(ctx->db, in->email.v, r->arena, &there);
        if (found == ST_OK)
            TRY(sign_in_record(r, &there, "user.registered_again", false, NULL));
        else if (found != ST_NOT_FOUND)
            return found;
    }
    static const struct message_reply reply = {
        "Unless the address had an account already, it has one now: sign in"};
    reply_object(r, 202, &message_schema, &reply);
    return ST_OK;
}

static enum status register_user(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    const struct register_in *in = r->in;
    const char *policy = ctx->conf->registration;
    if (str_eq(policy, "closed"))
        return req_fail(r, ST_FORBIDDEN, "REGISTRATION_CLOSED",
                        "Accounts are made by administrators here");
    if (!str_eq(policy, "open") && !in->invitation.v)
        return req_fail(r, ST_FORBIDDEN, "INVITATION_REQUIRED",
                        "An account takes an invitation here; ask an administrator for one");

    char hash[PASSWORD_HASH_BYTES];
    struct user user = {.id = uuid_new(),
                        .email = in->email.v,
                        .username = in->username.v,
                        .display_name = in->name.v,
                        .password_hash = hash};
    if (!user.username)
        user.username = arena_strndup(r->arena, user.email,
                                      MIN_OF(strcspn(user.email, "@"), (size_t)100));
    if (!user.username)
        return ST_NO_MEMORY;
    TRY(need_good_password(r, "password", in->password.v, user.username, user.email));
    TRY(login_guard_hash(ctx->api->login_guard, in->password.v, hash));
    return in->invitation.v ? by_invitation(r, in->invitation.v, &user) : openly(r, in, &user);
}

#define REGISTER(path_)                                                                            \
    {                                                                                              \
        .method = M_POST, .path = (path_), .summary = "Make an account",                           \
        .description = "What TOCSIN_REGISTRATION allows: `open` founds an organisation, `invite` " \
                       "takes an invitation, `closed` refuses. With an invitation the reply is "   \
                       "the user (201); without one it does not tell whether the address had an "  \
                       "account (202).",                                                           \
        .scope = SCOPE_PUBLIC, .body = &register_schema, .reply = &user_reply_schema,              \
        .tag = "Authentication", .ok = 201,                                                        \
        .more = MORE_REPLIES({.status = 202,                                                       \
                              .help = "Open registration, whatever came of it",                    \
                              .reply = &message_schema}),                                          \
        .errors = ERRORS("REGISTRATION_CLOSED", "INVITATION_REQUIRED", "INVITATION_INVALID",       \
                         "USER_EXISTS"),                                                           \
        .flags = ROUTE_FORM, .handler = register_user                                              \
    }

static const struct route routes[] = {
    REGISTER("/api/v1/auth/register"),
    /* as the uptime API has them */
    REGISTER("/auth/register"),
    REGISTER("/api/users/register"),
};
const struct route_set registration_routes = {routes, ARRAY_LEN(routes)};
