/*
 * What is asked of an account, wherever one is made or changed: rows of schema tables, each with
 * the member's offset and what its place adds (flags, help, example).
 */
#ifndef TOCSIN_API_ROUTES_ACCOUNT_FIELDS_H
#define TOCSIN_API_ROUTES_ACCOUNT_FIELDS_H

#include "auth/password.h"
#include "json/patterns.h"
#include "services/api/routes/user_reply.h"

#define EMAIL_FIELD(at, ...)                                                      \
    {                                                                             \
        .name = "email", .type = FT_STRING, .offset = (at), .min = 3, .max = 320, \
        .check = check_email, .pattern = PATTERN_EMAIL, __VA_ARGS__               \
    }
#define USERNAME_FIELD(at, ...)                                                      \
    {                                                                                \
        .name = "username", .type = FT_STRING, .offset = (at), .min = 1, .max = 100, \
        .check = check_username, .pattern = PATTERN_USERNAME, __VA_ARGS__            \
    }
#define PERSON_FIELD(at, ...)                                                                     \
    {                                                                                             \
        .name = "name", .type = FT_STRING, .offset = (at), .max = 200, .check = check_plain_text, \
        .pattern = PATTERN_PLAIN, .help = "The person's name", __VA_ARGS__                        \
    }
/* A password that is to be; need_good_password has more to say of it. */
#define NEW_PASSWORD_FIELD(name_, at, ...)                                             \
    {                                                                                  \
        .name = (name_), .type = FT_STRING, .offset = (at), .min = LIMIT_PASSWORD_MIN, \
        .max = LIMIT_PASSWORD_BYTES, __VA_ARGS__                                       \
    }

#endif
