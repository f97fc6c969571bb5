/* Configuration of an email channel. */
#ifndef TOCSIN_CHANNELS_EMAIL_H
#define TOCSIN_CHANNELS_EMAIL_H

#include "channels/channel.h"

enum { EMAIL_RECIPIENTS_MAX = 50 };

struct email_config {
    struct in_list to; /* of const char *: addresses */
    struct in_str subject_prefix;
};

#endif
