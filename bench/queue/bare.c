/*
 * The floor of bench/queue: what Redis Streams give to a loop that does nothing else. No envelope
 * but an id and arguments, no priorities, no lease, no handler; one connection a side.
 *
 *     bare enqueue HOST PORT JOBS [RATE]   XADD, up to 500 to a pipeline
 *     bare single HOST PORT JOBS           XADD, a round trip each
 *     bare work HOST PORT COUNT            XREADGROUP COUNT, then XACK and XDEL of the batch, until
 *                                          SIGTERM; then says what it saw as JSON
 */
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/defs.h"
#include "base/str.h"
#include "base/uuid.h"
#include "bench/common/sample.h"

enum { PIPELINE = 500, COUNT_MAX = 1000, HEAD = 3, PACE_US = 100 };

static const char stream[] = "bare";
static const char stamp_prefix[] = "{\"at_us\":";

static void fail(const char *what)
{
    (void)fprintf(stderr, "bare: %s\n", what);
    exit(1);
}

static redisContext *connect_to(const char *host, int64_t port)
{
    redisContext *c = redisConnect(host, (int)port);
    if (!c || c->err)
        fail(c ? c->errstr : "no memory");
    return c;
}

static redisReply *next_reply(redisContext *c)
{
    void *reply = NULL;
    if (redisGetReply(c, &reply) != REDIS_OK)
        fail(c->errstr);
    redisReply *r = reply;
    if (r->type == REDIS_REPLY_ERROR)
        fail(r->str);
    return r;
}

static void skip_reply(redisContext *c)
{
    freeReplyObject(next_reply(c));
}

static void enqueue_batch(redisContext *c, int64_t count, bool is_stamped)
{
    char args[64] = "{}";
    if (is_stamped)
        (void)snprintf(args, sizeof(args), "%s%lld}", stamp_prefix, (long long)clock_wall_us());
    for (int64_t i = 0; i < count; i++) {
        char uuid[UUID_TEXT_BYTES];
        struct uuid id = uuid_new();
        uuid_format(&id, uuid);
        const char *argv[] = {"XADD", stream, "*", "id", uuid, "args", args};
        if (redisAppendCommandArgv(c, ARRAY_LEN(argv), argv, NULL) != REDIS_OK)
            fail(c->errstr);
    }
    for (int64_t i = 0; i < count; i++)
        skip_reply(c);
}

static int enqueue(redisContext *c, int64_t jobs, int64_t rate, int64_t pipeline)
{
    int64_t began_us = clock_wall_us();
    for (int64_t sent = 0; sent < jobs;) {
        int64_t due = jobs;
        if (rate > 0)
            due = MIN_OF(jobs, (clock_wall_us() - began_us) * rate / 1000000);
        int64_t count = MIN_OF(due - sent, pipeline);
        if (count > 0)
            enqueue_batch(c, count, rate > 0);
        else
            (void)usleep(PACE_US);
        sent += count;
    }
    (void)printf("{\"began\":%.6f,\"ended\":%.6f,\"jobs\":%lld}\n", (double)began_us / 1e6,
                 (double)clock_wall_us() / 1e6, (long long)jobs);
    return 0;
}

/* XACK stream group id … and XDEL stream id …, one vector for both. */
static void finish(redisContext *c, const redisReply *entries)
{
    const char *argv[HEAD + COUNT_MAX] = {"XACK", stream, "bare"};
    for (size_t i = 0; i < entries->elements; i++)
        argv[HEAD + i] = entries->element[i]->element[0]->str;
    int count = HEAD + (int)entries->elements;
    if (redisAppendCommandArgv(c, count, argv, NULL) != REDIS_OK)
        fail(c->errstr);
    argv[1] = "XDEL";
    argv[2] = stream;
    if (redisAppendCommandArgv(c, count - 1, argv + 1, NULL) != REDIS_OK)
        fail(c->errstr);
    skip_reply(c);
    skip_reply(c);
}

static volatile sig_atomic_t is_stopping;
static void stop(int sig)
{
    (void)sig;
    is_stopping = 1;
}

static void look(const redisReply *entries, struct sample *latency_us)
{
    int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < entries->elements; i++) {
        const char *args = entries->element[i]->element[1]->element[3]->str;
        if (str_starts(args, stamp_prefix))
            sample_add(latency_us, now_us - strtoll(args + sizeof(stamp_prefix) - 1, NULL, 10));
    }
}

static int work(redisContext *c, const char *count)
{
    struct sample latency_us = {0};
    (void)signal(SIGTERM, stop);
    freeReplyObject(redisCommand(c, "XGROUP CREATE %s bare 0 MKSTREAM", stream));
    const char *argv[] = {"XREADGROUP", "GROUP", "bare",    "one",  "COUNT", count,
                          "BLOCK",      "1000",  "STREAMS", stream, ">"};
    while (!is_stopping) {
        if (redisAppendCommandArgv(c, ARRAY_LEN(argv), argv, NULL) != REDIS_OK)
            fail(c->errstr);
        redisReply *r = next_reply(c);
        if (r->type == REDIS_REPLY_ARRAY) {
            look(r->element[0]->element[1], &latency_us);
            finish(c, r->element[0]->element[1]);
        }
        freeReplyObject(r);
    }
    (void)printf("LATENCY {\"count\":%zu,\"p50_us\":%lld,\"p99_us\":%lld}\n", latency_us.count,
                 (long long)sample_quantile(&latency_us, 0.5),
                 (long long)sample_quantile(&latency_us, 0.99));
    sample_done(&latency_us);
    return 0;
}

int main(int argc, char **argv)
{
    int64_t port = 0, number = 0, rate = 0;
    if (argc >= 5 && argc <= 6 && str_to_i64(argv[3], &port) == ST_OK &&
        str_to_i64(argv[4], &number) == ST_OK && number > 0 &&
        (argc == 5 || str_to_i64(argv[5], &rate) == ST_OK)) {
        if (str_eq(argv[1], "enqueue"))
            return enqueue(connect_to(argv[2], port), number, rate, PIPELINE);
        if (str_eq(argv[1], "single"))
            return enqueue(connect_to(argv[2], port), number, rate, 1);
        if (str_eq(argv[1], "work") && number <= COUNT_MAX)
            return work(connect_to(argv[2], port), argv[4]);
    }
    (void)fputs("usage: bare enqueue|single HOST PORT JOBS [RATE] | bare work HOST PORT COUNT\n",
                stderr);
    return 2;
}
