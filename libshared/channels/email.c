/* email: mail to a list of addresses, through the mail server of the notifier's settings. */
#include "channels/email.h"

#include "base/str.h"
#include "channels/address.h"

static const char *check_prefix(const char *text)
{
    return str_has_control(text) ? "control characters are not allowed" : NULL;
}

#define AT(member) offsetof(struct email_config, member)
static const struct field fields[] = {
    {.name = "to",
     .type = FT_LIST,
     .element = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(to),
     .min = 1,
     .max = EMAIL_RECIPIENTS_MAX,
     .check = mail_address_check,
     .help = "Addresses that get the mail",
     .example = "[\"oncall@example.com\"]"},
    {.name = "subject_prefix",
     .type = FT_STRING,
     .offset = AT(subject_prefix),
     .max = 60,
     .check = check_prefix,
     .help = "Text before every subject",
     .example = "\"[prod] \""},
};
static const struct schema config = SCHEMA("EmailChannelConfig", struct email_config, fields);

const struct channel_type channel_type_email = {
    .name = "email",
    .summary = "Mail to a list of addresses",
    .config = &config,
};
