/* tocsin health: asks a daemon whether it is ready. Health checks of containers run it: an image
 * with nothing in it but Tocsin has no curl. */
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"
#include "net/url.h"

enum { DEADLINE_S = 3, REPLY_BYTES = 16384, STATUS_AT = 9 /* after "HTTP/1.1 " */ };

/* One alarm bounds all of it, the resolver too, which has no deadline of its own. */
static void too_late(int signal)
{
    (void)signal;
    static const char text[] = "tocsin: no answer in time\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(CLI_FAILED);
}

/* A daemon's name stands for this machine and the port of the settings. NULL: no such daemon. */
static const char *url_of(struct cli *cli)
{
    const struct conf *c = &cli->conf;
    const struct {
        const char *name;
        int64_t port;
    } daemons[] = {{"api", c->api_port},
                   {"ingest", c->ingest_port},
                   {"scheduler", c->health_port},
                   {"worker", c->health_port},
                   {"notifier", c->health_port}};
    const char *which = cli->argument_count > 0 ? cli->argument[0] : daemons[0].name;
    for (size_t i = 0; i < ARRAY_LEN(daemons); i++) {
        if (str_eq(which, daemons[i].name))
            return arena_printf(cli->arena, "http://127.0.0.1:%d/readyz", (int)daemons[i].port);
    }
    return strstr(which, "://") ? which : NULL;
}

static const char *request_of(struct cli *cli, const struct url *url)
{
    return arena_printf(
        cli->arena, "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nConnection: close\r\n\r\n", url->target,
        url->is_ipv6 ? "[" : "", url->host, url->is_ipv6 ? "]" : "", url->port);
}

/* A connected socket, or -1. */
static int dial(const struct url *url)
{
    char port[8];
    (void)snprintf(port, sizeof(port), "%u", url->port);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    if (getaddrinfo(url->host, port, &hints, &list) != 0)
        return -1;
    int fd = -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

/* Sends the request and reads the reply to its end, or as far as it fits. */
static void converse(int fd, const char *request, struct buf *reply)
{
    char part[2048];
    ssize_t n = send(fd, request, strlen(request), MSG_NOSIGNAL);
    while (n > 0 && buf_status(reply) == ST_OK) {
        n = recv(fd, part, sizeof(part), 0);
        if (n > 0)
            buf_append(reply, part, (size_t)n);
    }
}

static int run(struct cli *cli)
{
    struct url url;
    struct errbuf err = {""};
    const char *text = url_of(cli);
    if (!text)
        return cli_usage(cli, "there is no daemon %s", cli->argument[0]);
    if (url_parse(text, &url, &err) != ST_OK)
        return cli_usage(cli, "%s: %s", text, err.text);
    if (!str_eq(url.scheme, "http"))
        return cli_usage(cli, "%s: only http is spoken here", text);

    (void)signal(SIGALRM, too_late);
    (void)alarm(DEADLINE_S);
    const int fd = dial(&url);
    if (fd < 0)
        return cli_fail("%s: no connection", text);
    AUTO_BUF reply;
    buf_init(&reply, REPLY_BYTES);
    converse(fd, request_of(cli, &url), &reply);
    (void)close(fd);
    (void)alarm(0);

    const char *head = buf_cstr(&reply), *body = strstr(head, "\r\n\r\n");
    if (!str_starts(head, "HTTP/1.") || reply.len < STATUS_AT + 3 || !body)
        return cli_fail("%s: no HTTP answer", text);
    if (head[STATUS_AT] != '2')
        return cli_fail("%s: status %.3s: %s", text, head + STATUS_AT, body + 4);
    (void)printf("%s\n", body + 4);
    return CLI_OK;
}

const struct command command_health = {
    .name = "health",
    .arguments = "[api|ingest|scheduler|worker|notifier|URL]",
    .summary = "ask a daemon on this machine whether it is ready",
    .details = "Done (0) when /readyz, or the http URL, answers 2xx within 3 seconds. Without an "
               "argument the\nAPI is asked.",
    .arguments_max = 1,
    .run = run,
};
