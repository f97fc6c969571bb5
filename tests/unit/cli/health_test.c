/* tocsin health: what a daemon's answer means for a container's health check. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern const struct command command_health;

struct peer {
    int listener;
    uint16_t port;
    const char *reply;
    char request[512];
};

/* Answers one connection with its reply. */
static void *serve(void *arg)
{
    struct peer *p = arg;
    const int fd = accept(p->listener, NULL, NULL);
    const ssize_t n = recv(fd, p->request, sizeof(p->request) - 1, 0);
    if (n > 0)
        (void)send(fd, p->reply, strlen(p->reply), MSG_NOSIGNAL);
    (void)close(fd);
    return NULL;
}

static void peer_open(struct peer *p)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(p->listener >= 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(p->listener, 1), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&at, &len), 0);
    p->port = ntohs(at.sin_port);
}

/* What the command says belongs in no test's output. */
static int run_quietly(struct cli *cli)
{
    const int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)fflush(stdout);
    (void)dup2(null, STDOUT_FILENO);
    (void)dup2(null, STDERR_FILENO);
    const int code = command_health.run(cli);
    (void)fflush(stdout);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(err, STDERR_FILENO);
    (void)close(null);
    (void)close(out);
    (void)close(err);
    return code;
}

static int ask(const char *argument, const struct conf *conf)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    struct cli cli = {.command = &command_health, .arena = arena, .conf = *conf};
    if (argument)
        cli.argument[cli.argument_count++] = argument;
    return run_quietly(&cli);
}

static void answers(void **state)
{
    static const struct {
        const char *reply;
        int code;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", CLI_OK},
        {"HTTP/1.0 204 No Content\r\n\r\n", CLI_OK},
        {"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\":\"down\"}", CLI_FAILED},
        {"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", CLI_FAILED},
        {"HTTP/1.1 200 OK\r\n", CLI_FAILED},
        {"HTTP/1.1\r\n\r\n", CLI_FAILED},
        {"SSH-2.0-OpenSSH\r\n\r\n", CLI_FAILED},
        {"", CLI_FAILED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer p = {.reply = cases[i].reply};
        pthread_t thread;
        peer_open(&p);
        assert_int_equal(pthread_create(&thread, NULL, serve, &p), 0);
        const struct conf conf = {.health_port = p.port};
        const int code = ask("worker", &conf);
        assert_int_equal(pthread_join(thread, NULL), 0);
        (void)close(p.listener);
        if (code != cases[i].code)
            fail_msg("case %zu: exit status %d", i, code);
        assert_non_null(strstr(p.request, "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"));
    }
}

static void must_not_reach(void **state)
{
    static const struct {
        const char *argument;
        int code;
    } cases[] = {
        {"https://127.0.0.1/readyz", CLI_USAGE},
        {"http://", CLI_USAGE},
        {"postgres", CLI_USAGE},
        {"ftp://127.0.0.1/", CLI_USAGE},
        {NULL, CLI_FAILED}, /* port 1: nobody there */
        {"ingest", CLI_FAILED},
        {"http://127.0.0.1:1/readyz", CLI_FAILED},
    };
    const struct conf conf = {.api_port = 1, .ingest_port = 1, .health_port = 1};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (ask(cases[i].argument, &conf) != cases[i].code)
            fail_msg("case %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(must_not_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
