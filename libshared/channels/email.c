/* email: mail to a list of addresses, through the mail server of the notifier's settings. */
#include "channels/email.h"

#include "base/str.h"
#include "channels/address.h"
#include "json/patterns.h"

static const char *check_prefix(const char *text)
{
    return str_has_control(text) ? "control characters are not allowed" : NULL;
}

#define ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define AT(member) offsetof(struct email_config, member)
static const struct field fields[] = {
    {.name = "to",
     .type = FT_LIST,
     .element = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(to),
     .min = 1,
     .max = EMAIL_RECIPIENTS_MAX,
     .element_max = MAIL_ADDRESS_MAX,
     .check = mail_address_check,
     .pattern = "^" ATOM "(\\." ATOM ")*@" LABEL "(\\." LABEL ")*$",
     .rules = "\"not\":{\"contains\":{\"pattern\":\"^[^@]{65}\"}}", /* MAIL_LOCAL_MAX */
     .help = "Addresses that get the mail",
     .example = "[\"oncall@example.com\"]"},
    {.name = "subject_prefix",
     .type = FT_STRING,
     .offset = AT(subject_prefix),
     .max = 60,
     .check = check_prefix,
     .pattern = PATTERN_PLAIN,
     .help = "Text before every subject",
     .example = "\"[prod] \""},
};
static const struct schema config = SCHEMA("EmailChannelConfig", struct email_config, fields);

const struct channel_type channel_type_email = {
    .name = "email",
    .summary = "Mail to a list of addresses",
    .config = &config,
};
