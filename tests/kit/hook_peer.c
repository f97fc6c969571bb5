/* A receiver of webhooks. */
#include "tests/kit/hook_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "tests/kit/kit.h"

enum { REQUESTS = 64, ANSWERS = 16, BYTES = 1 << 16 };

struct kept {
    char *text;
    const char *body;
    int64_t at_ms;
};

struct hook_peer {
    int listener;
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock;
    struct hook_answer answers[ANSWERS];
    size_t answer_count;
    _Atomic bool is_stopping;
    size_t requests;
    struct kept kept[REQUESTS];
};

struct exchange {
    struct hook_peer *p;
    int fd;
};

static bool wait_readable(struct hook_peer *p, int fd)
{
    while (!p->is_stopping) {
        struct pollfd f = {.fd = fd, .events = POLLIN};
        if (poll(&f, 1, 50) > 0)
            return true;
    }
    return false;
}

/* Reads head and body (by Content-Length); NULL when the client went early. */
static char *read_request(struct hook_peer *p, int fd, const char **body)
{
    char *text = calloc(1, BYTES + 1);
    size_t len = 0;
    while (text && len < BYTES && wait_readable(p, fd)) {
        const ssize_t n = recv(fd, text + len, BYTES - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        text[len] = '\0';
        char *end = strstr(text, "\r\n\r\n");
        const char *length = strcasestr(text, "\r\nContent-Length:");
        if (!end)
            continue;
        const size_t want = length ? strtoul(length + 17, NULL, 10) : 0;
        if (text + len >= end + 4 + want) {
            end[2] = '\0'; /* the head keeps its last line end */
            *body = end + 4;
            return text;
        }
    }
    free(text);
    return NULL;
}

static struct hook_answer keep(struct hook_peer *p, char *text, const char *body)
{
    (void)pthread_mutex_lock(&p->lock);
    const struct hook_answer answer = p->answers[MIN_OF(p->requests, p->answer_count - 1)];
    if (p->requests < REQUESTS)
        p->kept[p->requests] = (struct kept){text, body, kit_real_mono_ms()};
    else
        free(text);
    p->requests++;
    (void)pthread_mutex_unlock(&p->lock);
    return answer;
}

static void answer(const struct exchange *x, const struct hook_answer *a)
{
    char head[512];
    const int64_t until = kit_real_mono_ms() + a->delay_ms;
    while (!x->p->is_stopping && kit_real_mono_ms() < until)
        kit_pause();
    const int len = snprintf(
        head, sizeof(head),
        "HTTP/1.1 %d Scripted\r\nContent-Length: 5\r\nConnection: close\r\n%s%s"
        "\r\nhello",
        a->status, a->header ? a->header : "", a->header ? "\r\n" : "");
    (void)!send(x->fd, head, (size_t)len, MSG_NOSIGNAL);
}

static void *exchange_run(void *arg)
{
    struct exchange *x = arg;
    const char *body = NULL;
    char *text = read_request(x->p, x->fd, &body);
    if (text) {
        const struct hook_answer a = keep(x->p, text, body);
        char byte = 0;
        if (a.status != HOOK_HANG)
            answer(x, &a);
        else if (wait_readable(x->p, x->fd))
            (void)!recv(x->fd, &byte, 1, 0);
    }
    (void)close(x->fd);
    free(x);
    return NULL;
}

static void *accept_run(void *arg)
{
    struct hook_peer *p = arg;
    pthread_t threads[512];
    size_t count = 0;
    while (count < ARRAY_LEN(threads) && wait_readable(p, p->listener)) {
        struct exchange *x = calloc(1, sizeof(*x));
        if (!x)
            break;
        x->p = p;
        x->fd = accept(p->listener, NULL, NULL);
        if (pthread_create(&threads[count], NULL, exchange_run, x) == 0)
            count++;
    }
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    return NULL;
}

struct hook_peer *hook_peer_start(const struct hook_answer *answers, size_t count)
{
    struct hook_peer *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    assert_true(count > 0 && count <= ANSWERS);
    memcpy(p->answers, answers, count * sizeof(*answers));
    p->answer_count = count;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(p->listener, 128), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&a, &len), 0);
    (void)snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%d/hook", ntohs(a.sin_port));
    (void)pthread_mutex_init(&p->lock, NULL);
    assert_int_equal(pthread_create(&p->thread, NULL, accept_run, p), 0);
    return p;
}

void hook_peer_stop(struct hook_peer *p)
{
    p->is_stopping = true;
    (void)pthread_join(p->thread, NULL);
    (void)close(p->listener);
    for (size_t i = 0; i < REQUESTS; i++)
        free(p->kept[i].text);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

const char *hook_peer_url(const struct hook_peer *p)
{
    return p->url;
}

size_t hook_peer_requests(struct hook_peer *p)
{
    (void)pthread_mutex_lock(&p->lock);
    const size_t n = p->requests;
    (void)pthread_mutex_unlock(&p->lock);
    return n;
}

static struct kept kept_at(struct hook_peer *p, size_t index)
{
    (void)pthread_mutex_lock(&p->lock);
    const struct kept k = p->kept[index];
    (void)pthread_mutex_unlock(&p->lock);
    assert_non_null(k.text);
    return k;
}

const char *hook_peer_header(struct hook_peer *p, size_t index, const char *name)
{
    static char value[512];
    const size_t len = strlen(name);
    value[0] = '\0';
    const char *line = kept_at(p, index).text;
    while ((line = strstr(line, "\r\n")) && line[2]) {
        line += 2;
        if (strncasecmp(line, name, len) != 0 || line[len] != ':')
            continue;
        line += len + 1;
        line += strspn(line, " ");
        (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r\n"), line);
        break;
    }
    return value;
}

const char *hook_peer_body(struct hook_peer *p, size_t index)
{
    return kept_at(p, index).body;
}

long long hook_peer_at_ms(struct hook_peer *p, size_t index)
{
    return kept_at(p, index).at_ms;
}
