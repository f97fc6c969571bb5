/* Passwords pass the gate one after another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/password.h"
#include "services/api/login_guard.h"

static void passwords_pass_the_gate(void **state)
{
    struct login_guard *g = login_guard_new(1);
    char hash[PASSWORD_HASH_BYTES];
    assert_int_equal(login_guard_hash(g, "correct horse", hash), ST_OK);
    assert_int_equal(login_guard_verify(g, hash, "correct horse"), ST_OK);
    assert_int_equal(login_guard_verify(g, hash, "wrong"), ST_UNAUTHENTICATED);
    assert_int_equal(login_guard_verify(g, NULL, "wrong"), ST_UNAUTHENTICATED);
    login_guard_free(g);
    login_guard_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(passwords_pass_the_gate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
