/* Roles and scopes: names both ways, what each role may do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/principal.h"
#include "auth/scopes.h"

static void names_go_both_ways(void **state)
{
    for (unsigned i = SCOPE_SELF + 1; i < SCOPE_COUNT_; i++) {
        enum scope s = SCOPE_UNSET;
        assert_int_equal(scope_parse(scope_name((enum scope)i), &s), ST_OK);
        assert_int_equal(s, i);
    }
    for (unsigned i = ROLE_VIEWER; i <= ROLE_OWNER; i++) {
        enum role r = ROLE_VIEWER;
        assert_int_equal(role_parse(role_name((enum role)i), &r), ST_OK);
        assert_int_equal(r, i);
    }
}

static void unknown_names_are_refused(void **state)
{
    static const char *const bad[] = {"",       "self",        "public", "unset",
                                      "checks", "checks:Read", "root"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        enum scope s = SCOPE_UNSET;
        enum role r = ROLE_VIEWER;
        assert_int_equal(scope_parse(bad[i], &s), ST_INVALID);
        assert_int_equal(role_parse(bad[i], &r), ST_INVALID);
    }
}

static void roles_may(void **state)
{
    static const struct {
        enum role role;
        enum scope scope;
        bool may;
    } rows[] = {
        {ROLE_VIEWER, SCOPE_CHECKS_READ, true},    {ROLE_VIEWER, SCOPE_CHECKS_WRITE, false},
        {ROLE_VIEWER, SCOPE_CHECKS_RUN, false},    {ROLE_VIEWER, SCOPE_SELF, true},
        {ROLE_OPERATOR, SCOPE_CHECKS_WRITE, true}, {ROLE_OPERATOR, SCOPE_CHANNELS_WRITE, false},
        {ROLE_OPERATOR, SCOPE_USERS_WRITE, false}, {ROLE_ADMIN, SCOPE_USERS_WRITE, true},
        {ROLE_ADMIN, SCOPE_SYSTEM_WRITE, true},    {ROLE_OWNER, SCOPE_SYSTEM_WRITE, true},
        {ROLE_VIEWER, SCOPE_METRICS_WRITE, false}, {ROLE_VIEWER, SCOPE_PUBLIC, true},
        {ROLE_VIEWER, SCOPE_JOBS_READ, true},      {ROLE_VIEWER, SCOPE_JOBS_WRITE, false},
        {ROLE_OPERATOR, SCOPE_JOBS_WRITE, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct principal who = {.role = rows[i].role, .scopes = role_scopes(rows[i].role)};
        assert_int_equal(principal_may(&who, rows[i].scope), rows[i].may);
    }
    assert_true(principal_may(NULL, SCOPE_PUBLIC));
    assert_false(principal_may(NULL, SCOPE_SELF));
}

static void each_role_has_all_of_the_lower_one(void **state)
{
    for (unsigned i = ROLE_VIEWER; i < ROLE_OWNER; i++) {
        const uint64_t lower = role_scopes((enum role)i);
        assert_true((lower & ~role_scopes((enum role)(i + 1))) == 0);
    }
    assert_true(role_scopes((enum role)99) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(roles_may),
        cmocka_unit_test(each_role_has_all_of_the_lower_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
