/* Users as replies, and what is asked of their names and passwords. */
#include "services/api/routes/user_reply.h"

#include <string.h>

#include "auth/password.h"
#include "auth/principal.h"
#include "base/str.h"
#include "store/users.h"

#define AT(member) offsetof(struct user, member)
static const struct field user_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "username", .type = FT_STRING, .offset = AT(username), .example = "\"admin\""},
    {.name = "email", .type = FT_STRING, .offset = AT(email), .example = "\"user@example.com\""},
    {.name = "name",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(display_name),
     .help = "The person's name, or null"},
    {.name = "is_admin",
     .type = FT_BOOL,
     .offset = AT(is_admin),
     .help = "Whether the role is admin or owner"},
    {.name = "role",
     .type = FT_STRING,
     .offset = AT(role_text),
     .help = "viewer, operator, admin or owner",
     .example = "\"admin\""},
    {.name = "is_active", .type = FT_BOOL, .offset = AT(is_active)},
    {.name = "is_external",
     .type = FT_BOOL,
     .offset = AT(is_external),
     .help = "Signed in by a proxy: has no password here"},
    {.name = "totp_enabled",
     .type = FT_BOOL,
     .offset = AT(has_totp),
     .help = "Whether signing in takes a one-time password, too"},
    {.name = "organisation_id", .type = FT_UUID, .offset = AT(org_id)},
    {.name = "created_at", .type = FT_TIME, .offset = AT(created_at)},
    {.name = "updated_at", .type = FT_TIME, .offset = AT(updated_at)},
    {.name = "last_login_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(last_login_at)},
};
#undef AT
const struct schema user_reply_schema = SCHEMA("User", struct user, user_fields);

const char *const role_names[] = {"viewer", "operator", "admin", "owner", NULL};

static const struct field message_fields[] = {
    {.name = "message", .type = FT_STRING, .offset = offsetof(struct message_reply, message)},
};
const struct schema message_schema = SCHEMA("Message", struct message_reply, message_fields);

const char *check_plain_text(const char *text)
{
    return str_has_control(text) ? "control characters are not allowed" : NULL;
}

const char *check_username(const char *text)
{
    if (strchr(text, '@'))
        return "a user name has no @: addresses do";
    return check_plain_text(text);
}

/* As much as can be said without sending a mail. */
const char *check_email(const char *text)
{
    const char *at = strchr(text, '@');
    if (!at || at == text || at[1] == '\0' || strchr(at + 1, '@') || strpbrk(text, " \t,;<>\"") ||
        str_has_control(text))
        return "not an e-mail address";
    return NULL;
}

enum status need_person(struct req *r)
{
    if (!uuid_is_nil(&r->who->api_key_id))
        return req_fail(r, ST_FORBIDDEN, "TOKEN_REQUIRED",
                        "Not enough permissions: sign in with a password for this");
    return ST_OK;
}

enum status need_good_password(struct req *r, const char *field, const char *password,
                               const char *username, const char *email)
{
    const char *why = password_weakness(password, username, email);
    return why ? req_invalid_field(r, field, "value_error.password", "%s", why) : ST_OK;
}
