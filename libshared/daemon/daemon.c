/* A daemon's life: options, settings, self-test, start, wait for a signal, drain. */
#include "daemon/daemon_internal.h"

#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/str.h"
#include "json/parse.h"
#include "log/log.h"
#include "queue/queue.h"

const char tocsin_version[] = "0.1.0";

enum { EXIT_USAGE = 2, EXIT_SECOND_SIGNAL = 130, HELP_BYTES = 65536, OPENAPI_BYTES = 16 << 20 };
enum { TRIM_AFTER_S = 4, HEALTH_CONNECTIONS = 64 };

struct options {
    bool self_test_only;
    bool done; /* --help, --version: printed */
};

static void print_help(const struct service *service, const char *program)
{
    AUTO_BUF text;
    buf_init(&text, HELP_BYTES);
    conf_help(&text, program, service->summary, service->bit);
    if (service->option_count > 0)
        buf_str(&text, "\nOptions that stand for settings:\n\n");
    for (size_t i = 0; i < service->option_count; i++) {
        const struct service_option *o = &service->options[i];
        buf_printf(&text, "  --%s %s (TOCSIN_%s)\n      %s\n", o->name, o->value, o->setting,
                   o->help);
    }
    (void)fputs(buf_cstr(&text), stdout);
}

static bool print_openapi(const struct service *service)
{
    AUTO_BUF text;
    struct errbuf err = {""};
    buf_init(&text, OPENAPI_BYTES);
    const enum status st = service->openapi(&text, &err);
    if (st == ST_OK && puts(buf_cstr(&text)) >= 0)
        return true;
    (void)fprintf(stderr, "tocsin-%s: no description: %s\n", service->name,
                  err.text[0] ? err.text : status_title(st));
    return false;
}

/* Settings of the command line go where conf_load finds them, and child processes, too. */
static void set(const char *setting, const char *value)
{
    char name[80];
    (void)snprintf(name, sizeof(name), "TOCSIN_%s", setting);
    if (setenv(name, value, 1) != 0)
        abort(); /* no memory, at the very start */
}

/* The value of --name VALUE or --name=VALUE at argv[*at], which is moved over it; NULL: another
 * option, or no value. */
static const char *value_of(const char *name, int argc, char **argv, int *at)
{
    const size_t len = strlen(name);
    const char *text = argv[*at];
    if (!str_starts(text, "--") || strncmp(text + 2, name, len) != 0)
        return NULL;
    if (text[2 + len] == '=')
        return text + 3 + len;
    return text[2 + len] == '\0' && *at + 1 < argc ? argv[++*at] : NULL;
}

static bool parse_setting(const struct service *service, int argc, char **argv, int *at)
{
    const char *value = value_of("config", argc, argv, at);
    if (value) {
        set("CONFIG", value);
        return true;
    }
    for (size_t i = 0; i < service->option_count; i++) {
        value = value_of(service->options[i].name, argc, argv, at);
        if (value) {
            set(service->options[i].setting, value);
            return true;
        }
    }
    return false;
}

/* false: the exit status is EXIT_USAGE. */
static bool parse_options(int argc, char **argv, const struct service *service, struct options *out)
{
    char program[64];
    (void)snprintf(program, sizeof(program), "tocsin-%s", service->name);
    for (int i = 1; i < argc; i++) {
        if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h")) {
            print_help(service, program);
            out->done = true;
        } else if (str_eq(argv[i], "--version")) {
            (void)printf("%s %s\n", program, tocsin_version);
            out->done = true;
        } else if (str_eq(argv[i], "--openapi") && service->openapi) {
            out->done = true;
            if (!print_openapi(service))
                return false;
        } else if (str_eq(argv[i], "--self-test")) {
            out->self_test_only = true;
        } else if (!parse_setting(service, argc, argv, &i)) {
            (void)fprintf(stderr, "%s: unknown option %s (see --help)\n", program, argv[i]);
            return false;
        }
    }
    return true;
}

static enum status setup_log(const char *name, const struct conf *c, struct errbuf *err)
{
    static const struct {
        const char *name;
        enum log_format format;
    } formats[] = {{"auto", LOG_FORMAT_AUTO}, {"json", LOG_FORMAT_JSON}, {"text", LOG_FORMAT_TEXT}};
    enum log_level level = LOG_LEVEL_INFO;
    if (log_level_parse(c->log_level, &level) != ST_OK)
        return err_set(err, ST_INVALID, "TOCSIN_LOG_LEVEL: not debug, info, warn or error");
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (!str_ieq(c->log_format, formats[i].name))
            continue;
        log_setup(name, level, formats[i].format);
        return ST_OK;
    }
    return err_set(err, ST_INVALID, "TOCSIN_LOG_FORMAT: not json, text or auto");
}

static enum status set_routes(const struct conf *c, struct errbuf *err)
{
    struct errbuf why = {""};
    const enum status st = task_routes_set(c->task_routes, &why);
    return st == ST_OK ? ST_OK : err_set(err, st, "TOCSIN_TASK_ROUTES: %.200s", why.text);
}

/* What every process of ours does once, before threads. */
static enum status setup_common(const char *name, const struct conf *c, struct errbuf *err)
{
    (void)signal(SIGPIPE, SIG_IGN);
    TRY(setup_log(name, c, err));
    clock_set_offset_ms(c->clock_offset);
    if (!str_is_empty(c->clock_file) && clock_set_offset_file(c->clock_file) != ST_OK)
        return err_set(err, ST_INVALID, "TOCSIN_CLOCK_FILE cannot be read");
    crash_arm(c->crash_at);
    TRY(set_routes(c, err));
    json_setup();
    return sodium_init() < 0 ? err_set(err, ST_INTERNAL, "libsodium did not start") : ST_OK;
}

static enum status setup_process(const struct service *service, struct daemon *d,
                                 struct errbuf *err)
{
    /* An arena a thread would cost more memory than the little contention costs time. */
    (void)mallopt(M_ARENA_MAX, 2);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    TRY(setup_common(service->name, &d->conf, err));
    return self_test(err);
}

enum status daemon_child_setup(const char *name, struct conf *out, struct errbuf *err)
{
    log_setup(name, LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    TRY(conf_load(NULL, out, err));
    const enum status st = setup_common(name, out, err);
    if (st != ST_OK)
        conf_done(out);
    return st;
}

static enum status start_health(struct daemon *d, struct errbuf *err)
{
    const struct http_config config = {
        .listen = d->conf.health_listen,
        .port = (int)d->conf.health_port,
        .io_threads = 1,
        .connections_max = HEALTH_CONNECTIONS,
        .sets = &daemon_health_routes,
        .set_count = 1,
    };
    return http_start(&config, &d->health_http, err);
}

static void on_second_signal(int signal)
{
    (void)signal;
    _exit(EXIT_SECOND_SIGNAL);
}

/* TERM and INT are waited for by main, never handled, until the drain: then one more ends it all.
 */
static void block_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
    (void)signal(SIGHUP, SIG_IGN);
}

static void let_second_signal_kill(const sigset_t *set)
{
    struct sigaction action = {.sa_handler = on_second_signal};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

static int wait_for_signal(const sigset_t *set)
{
    const struct timespec settled = {.tv_sec = TRIM_AFTER_S};
    int signal_number = sigtimedwait(set, NULL, &settled);
    if (signal_number > 0)
        return signal_number;
    daemon_trim();
    while (sigwait(set, &signal_number) != 0)
        continue;
    return signal_number;
}

static int serve(struct daemon *d, const struct service *service, int64_t began_us)
{
    struct errbuf err = {0};
    sigset_t set;
    void *state = NULL;
    block_signals(&set);
    enum status st = service->has_own_http ? ST_OK : start_health(d, &err);
    if (st == ST_OK)
        st = service->start(d, &state, &err);
    if (st != ST_OK) {
        log_error("start_failed", kv_status(st), kv_str("error", err.text));
        http_stop(d->health_http, 0);
        return EXIT_FAILURE;
    }
    log_info("ready", kv_str("version", tocsin_version), kv_i64("pid", getpid()),
             kv_i64("took_ms", (clock_mono_us() - began_us) / 1000));

    const int signal_number = wait_for_signal(&set);
    log_info("stopping", kv_i64("signal", signal_number), kv_i64("grace_ms", d->conf.drain_grace));
    daemon_health_stopping();
    let_second_signal_kill(&set);
    service->stop(state, d->conf.drain_grace);
    http_stop(d->health_http, 0);
    log_info("stopped");
    return EXIT_SUCCESS;
}

int daemon_main(int argc, char **argv, const struct service *service)
{
    struct options options = {0};
    struct errbuf err = {0};
    struct daemon d = {.name = service->name, .started_at_ms = clock_wall_ms()};
    int64_t began_us = clock_mono_us();
    if (!parse_options(argc, argv, service, &options))
        return EXIT_USAGE;
    if (options.done)
        return EXIT_SUCCESS;

    log_setup(service->name, LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    enum status st = conf_load(NULL, &d.conf, &err);
    if (st == ST_OK)
        st = setup_process(service, &d, &err);
    if (st != ST_OK) {
        log_error("start_refused", kv_status(st), kv_str("error", err.text));
        conf_done(&d.conf);
        return st == ST_INVALID ? EXIT_USAGE : EXIT_FAILURE;
    }
    int rc = EXIT_SUCCESS;
    if (options.self_test_only) {
        (void)puts("self-test passed");
    } else {
        daemon_health_setup(&d);
        rc = serve(&d, service, began_us);
    }
    conf_done(&d.conf);
    return rc;
}
