/* Settings from file, *_FILE and environment; their bounds; the generated texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "conf/conf.h"

static void clear(void)
{
    for (size_t i = 0; i < conf_settings_count; i++) {
        char name[80];
        (void)snprintf(name, sizeof(name), "TOCSIN_%s", conf_settings[i].name);
        (void)unsetenv(name);
        (void)snprintf(name, sizeof(name), "TOCSIN_%s_FILE", conf_settings[i].name);
        (void)unsetenv(name);
    }
    (void)unsetenv("TOCSIN_CONFIG");
}

static int setup(void **state)
{
    (void)state;
    clear();
    return 0;
}

static void test_defaults(void **state)
{
    (void)state;
    struct conf c;
    assert_int_equal(conf_load(NULL, &c, NULL), ST_OK);
    assert_int_equal(c.api_port, 8080);
    assert_int_equal(c.drain_grace, 10000);
    assert_string_equal(c.egress_preset, "internal");
    conf_done(&c);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void test_precedence(void **state)
{
    (void)state;
    char config[] = "/tmp/tocsin-conf-XXXXXX";
    char secret[] = "/tmp/tocsin-secret-XXXXXX";
    int fd = mkstemp(config);
    assert_true(fd >= 0);
    (void)close(fd);
    fd = mkstemp(secret);
    assert_true(fd >= 0);
    (void)close(fd);
    write_file(config, "# comment\n\n API_PORT = 1111 \nTOCSIN_LOG_LEVEL=debug\nJWT_SECRET=file\n");
    write_file(secret, "from the secret file\n\n");

    struct conf c;
    (void)setenv("TOCSIN_CONFIG", config, 1);
    (void)setenv("TOCSIN_JWT_SECRET_FILE", secret, 1);
    assert_int_equal(conf_load(NULL, &c, NULL), ST_OK);
    assert_int_equal(c.api_port, 1111);
    assert_string_equal(c.log_level, "debug");
    assert_string_equal(c.jwt_secret, "from the secret file");
    conf_done(&c);

    (void)setenv("TOCSIN_API_PORT", "2222", 1);
    (void)setenv("TOCSIN_JWT_SECRET", "from the environment", 1);
    assert_int_equal(conf_load(NULL, &c, NULL), ST_OK);
    assert_int_equal(c.api_port, 2222);
    assert_string_equal(c.jwt_secret, "from the environment");
    conf_done(&c);
    (void)unlink(config);
    (void)unlink(secret);
}

static void must_not_load(const char *name, const char *value, const char *why)
{
    clear();
    (void)setenv(name, value, 1);
    struct conf c;
    struct errbuf err = {""};
    assert_int_not_equal(conf_load(NULL, &c, &err), ST_OK);
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
}

static void test_refuses(void **state)
{
    (void)state;
    must_not_load("TOCSIN_API_PORT", "70000", "between 0 and 65535");
    must_not_load("TOCSIN_API_PORT", "80a", "not a whole number");
    must_not_load("TOCSIN_DRAIN_GRACE", "ten", "duration");
    must_not_load("TOCSIN_DRAIN_GRACE", "99999999999999s", "duration");
    must_not_load("TOCSIN_DRAIN_GRACE", "2h", "between");
    must_not_load("TOCSIN_JWT_SECRET_FILE", "/nonexistent/secret", "/nonexistent/secret");
    must_not_load("TOCSIN_CONFIG", "/nonexistent/conf", "/nonexistent/conf");
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"500ms", 500},      {"10s", 10000}, {"5m", 300000}, {"2h", 7200000},
                {"30d", 2592000000}, {"7", 7000},    {"0", 0}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t ms = -1;
        assert_int_equal(conf_parse_ms(good[i].text, &ms), ST_OK);
        assert_true(ms == good[i].ms);
    }
    static const char *const bad[] = {"", "s", "-1s", "1w", "1 s", "1.5s", "1s ", "1S"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ms = -1;
        assert_int_equal(conf_parse_ms(bad[i], &ms), ST_INVALID);
    }
}

static void test_texts_name_every_setting(void **state)
{
    (void)state;
    AUTO_BUF markdown;
    AUTO_BUF help;
    buf_init(&markdown, 1 << 20);
    buf_init(&help, 1 << 20);
    conf_markdown(&markdown);
    conf_help(&help, "tocsin-test", "a test", SVC_ALL);
    assert_int_equal(buf_status(&markdown), ST_OK);
    for (size_t i = 0; i < conf_settings_count; i++) {
        const struct setting *s = &conf_settings[i];
        assert_true(strlen(s->help) > 10);
        char name[80];
        (void)snprintf(name, sizeof(name), "`TOCSIN_%s`", s->name);
        assert_non_null(strstr(buf_cstr(&markdown), name));
        (void)snprintf(name, sizeof(name), "TOCSIN_%s", s->name);
        if (!(s->flags & SF_TEST))
            assert_non_null(strstr(buf_cstr(&help), name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, setup),
        cmocka_unit_test_setup(test_precedence, setup),
        cmocka_unit_test_setup(test_refuses, setup),
        cmocka_unit_test_setup(test_durations, setup),
        cmocka_unit_test_setup(test_texts_name_every_setting, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
