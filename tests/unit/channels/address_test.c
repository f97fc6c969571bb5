/* Mail addresses and mailboxes: what must be taken, what must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "channels/address.h"

static void test_addresses(void **state)
{
    static const char *const good[] = {
        "a@b",
        "ann@example.org",
        "ann.lee+tocsin@mail.example.co.uk",
        "o'hara@example.org",
        "x_-~!#$%&*/=?^`{|}@1.example",
        "1234567890123456789012345678901234567890123456789012345678901234@example.org",
    };
    static const char *const bad[] = {
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@@example.org",
        "ann lee@example.org",
        "ann@example..org",
        "ann@.org",
        "ann@example.org.",
        "ann@-example.org",
        "ann@example-.org",
        "ann@exa_mple.org",
        "ann@example.org\r\nRCPT TO:<eve@example.org>",
        "ann\r\n@example.org",
        "ann@example.org\n",
        "ann@example.org>",
        "<ann@example.org>",
        "ann@[127.0.0.1]",
        "\"ann\"@example.org",
        "ann,bob@example.org",
        ".ann@example.org",
        "ann.@example.org",
        "a..b@example.org",
        "\xc3\xa4nn@example.org",
        "ann@ex\xc3\xa4mple.org",
        "ann\t@example.org",
        "ann\x7f@example.org",
        "12345678901234567890123456789012345678901234567890123456789012345@example.org",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (mail_address_check(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (!mail_address_check(bad[i]))
            fail_msg("taken: %s", bad[i]);
}

static void test_lengths(void **state)
{
    char long_label[80] = "a@";
    memset(long_label + 2, 'x', 64);
    assert_non_null(mail_address_check(long_label));
    long_label[2 + 63] = '\0';
    assert_null(mail_address_check(long_label));

    char address[MAIL_ADDRESS_MAX + 2] = "a@";
    for (size_t i = 2; i <= MAIL_ADDRESS_MAX; i++)
        address[i] = i % 50 == 0 ? '.' : 'x';
    assert_non_null(mail_address_check(address));
    address[MAIL_ADDRESS_MAX] = '\0';
    assert_null(mail_address_check(address));
}

static void must_mailbox(const char *text, const char *name, const char *address)
{
    struct mailbox m;
    struct errbuf err = {0};
    if (mailbox_parse(text, &m, &err) != ST_OK)
        fail_msg("refused: %s: %s", text, err.text);
    assert_string_equal(m.name, name);
    assert_string_equal(m.address, address);
}

static void must_not_mailbox(const char *text)
{
    struct mailbox m;
    struct errbuf err = {0};
    if (mailbox_parse(text, &m, &err) != ST_INVALID)
        fail_msg("taken: %s", text);
    assert_true(err.text[0] != '\0');
}

static void test_mailboxes(void **state)
{
    must_mailbox("ann@example.org", "", "ann@example.org");
    must_mailbox("<ann@example.org>", "", "ann@example.org");
    must_mailbox("Ann Lee <ann@example.org>", "Ann Lee", "ann@example.org");
    must_mailbox("\"Lee, Ann\" <ann@example.org>", "Lee, Ann", "ann@example.org");
    must_mailbox("Wächter <w@example.org>", "Wächter", "w@example.org");
    must_not_mailbox("");
    must_not_mailbox("Ann");
    must_not_mailbox("Ann <ann@example.org> x");
    must_not_mailbox("Ann <ann@example.org");
    must_not_mailbox("A\"nn <ann@example.org>");
    must_not_mailbox("Ann\r\nBcc: eve@example.org <ann@example.org>");
    must_not_mailbox("Ann <ann@example.org\r\n>");
    must_not_mailbox("\xff <ann@example.org>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_mailboxes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
