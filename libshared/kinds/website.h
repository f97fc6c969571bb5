/* Configuration of a website check. */
#ifndef TOCSIN_KINDS_WEBSITE_H
#define TOCSIN_KINDS_WEBSITE_H

#include "kinds/kind.h"

struct website_config {
    struct in_str url;
    struct in_i64 expected_status;
    struct in_str accepted_statuses; /* status_set.h; instead of expected_status */
    struct in_f64 timeout;           /* s */
    struct in_str method;
    struct in_json headers; /* object of strings */
    struct in_str body;
    struct in_str expected_content;
    struct in_str unexpected_content;
    struct in_bool verify_ssl;
    struct in_bool follow_redirects;
    struct in_i64 max_redirects;
    struct in_f64 warning_time; /* s: slower is a warning */
    struct in_str auth_username, auth_password;
};

#endif
