/* Failed sign-ins: when one has to wait, for how long, and what is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "auth/password.h"
#include "services/api/login_guard.h"

#define SECOND INT64_C(1000000)

static struct login_attempt attempt(const char *account, unsigned char address, int64_t at_s)
{
    struct login_attempt a = {.account = account, .now_us = at_s * SECOND};
    a.address.bytes[15] = address;
    return a;
}

static void fail_times(struct login_guard *g, struct login_attempt a, int times)
{
    for (int i = 0; i < times; i++)
        login_guard_note(g, &a, false);
}

static void an_account_waits_longer_each_time(void **state)
{
    static const struct {
        int failures;
        int64_t wait_s;
    } rows[] = {{0, 0}, {4, 0}, {5, 1}, {6, 2}, {7, 4}, {8, 8}, {10, 32}, {11, 60}, {500, 60}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct login_guard *g = login_guard_new(64, 1);
        const struct login_attempt here = attempt("admin", 1, 100),
                                   there = attempt("ADMIN", 2, 100);
        fail_times(g, here, rows[i].failures);
        assert_int_equal(login_guard_wait_s(g, &there), rows[i].wait_s);
        const struct login_attempt later = attempt("admin", 2, 100 + rows[i].wait_s);
        assert_int_equal(login_guard_wait_s(g, &later), 0);
        login_guard_free(g);
    }
}

static void an_address_waits_after_many(void **state)
{
    struct login_guard *g = login_guard_new(1024, 1);
    char account[16];
    for (int i = 0; i < LOGIN_FREE_FAILURES_ADDRESS; i++) {
        (void)snprintf(account, sizeof(account), "user%d", i);
        const struct login_attempt a = attempt(account, 1, 100);
        assert_int_equal(login_guard_wait_s(g, &a), 0);
        login_guard_note(g, &a, false);
    }
    const struct login_attempt same = attempt("other", 1, 100),
                               elsewhere = attempt("other", 2, 100);
    assert_int_equal(login_guard_wait_s(g, &same), 1);
    assert_int_equal(login_guard_wait_s(g, &elsewhere), 0);
    login_guard_free(g);
}

static void success_and_time_forget(void **state)
{
    struct login_guard *g = login_guard_new(64, 1);
    const struct login_attempt a = attempt("admin", 1, 100);
    fail_times(g, a, 5);
    assert_int_equal(login_guard_wait_s(g, &a), 1);
    login_guard_note(g, &a, true);
    assert_int_equal(login_guard_wait_s(g, &a), 0);

    fail_times(g, a, 10);
    const struct login_attempt late = attempt("admin", 1, 100 + LOGIN_FORGET_S);
    fail_times(g, late, 1);
    assert_int_equal(login_guard_wait_s(g, &late), 0);
    login_guard_free(g);
}

static void a_flood_of_accounts_is_bounded(void **state)
{
    struct login_guard *g = login_guard_new(16, 1);
    char account[32];
    for (int i = 0; i < 50000; i++) {
        (void)snprintf(account, sizeof(account), "user%d", i);
        fail_times(g, attempt(account, (unsigned char)i, 100), 1);
    }
    const struct login_attempt a = attempt("nobody yet", 0, 100000);
    assert_int_equal(login_guard_wait_s(g, &a), 0);
    login_guard_free(g);
    login_guard_free(NULL);
}

static void passwords_pass_the_gate(void **state)
{
    struct login_guard *g = login_guard_new(16, 1);
    char hash[PASSWORD_HASH_BYTES];
    assert_int_equal(login_guard_hash(g, "correct horse", hash), ST_OK);
    assert_int_equal(login_guard_verify(g, hash, "correct horse"), ST_OK);
    assert_int_equal(login_guard_verify(g, hash, "wrong"), ST_UNAUTHENTICATED);
    assert_int_equal(login_guard_verify(g, NULL, "wrong"), ST_UNAUTHENTICATED);
    login_guard_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_waits_longer_each_time),
        cmocka_unit_test(an_address_waits_after_many),
        cmocka_unit_test(success_and_time_forget),
        cmocka_unit_test(a_flood_of_accounts_is_bounded),
        cmocka_unit_test(passwords_pass_the_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
