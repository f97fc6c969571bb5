/*
 * dns: asks name servers and judges what they say (dns_result.c). One question, then those that the
 * configuration asks for besides: the domain's own name server, which has to be found first, and
 * other resolvers. Everything but start and cancel happens on the client's thread.
 */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "services/worker/kinds/dns_result.h"

enum { WORKERS_DEFAULT = 10, OWNERS_MAX = 4, ARENA_BYTES = 4 << 20 };

static const char *const public_resolvers[] = {"8.8.8.8",        "8.8.4.4",       "1.1.1.1",
                                               "1.0.0.1",        "9.9.9.9",       "149.112.112.112",
                                               "208.67.222.222", "208.67.220.220"};

struct run;
/* One question under way. */
struct ask {
    struct run *run;
    struct dns_said *said;
    uint64_t id; /* 0: not asked, or answered */
};

struct run {
    struct probe *probe;
    const struct dns_config *config;
    struct httpc *http;
    struct arena *arena;
    uint64_t id;
    struct run *next, **self; /* in `runs` */
    bool is_cancelled;
    int64_t deadline_ms; /* monotonic */
    struct dns_findings found;
    struct ask one; /* the main question and those that find the owner */
    const char *zone;
    const char **owners; /* names of the zone's servers */
    size_t owner_count, owner_at;
    struct ask *asks; /* of the resolvers; cancel reads them */
    size_t asked, answered;
};

/* All that are under way: for cancel, which may come from any thread and at any time. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct run *runs;
static uint64_t last_id;

static void run_add(struct run *run)
{
    (void)pthread_mutex_lock(&lock);
    run->id = ++last_id;
    run->next = runs;
    run->self = &runs;
    if (run->next)
        run->next->self = &run->next;
    runs = run;
    (void)pthread_mutex_unlock(&lock);
}

static void run_free(struct run *run)
{
    (void)pthread_mutex_lock(&lock);
    *run->self = run->next;
    if (run->next)
        run->next->self = run->self;
    (void)pthread_mutex_unlock(&lock);
    arena_free(run->arena); /* the run lives there */
}

static void finish(struct run *run)
{
    struct probe *p = run->probe;
    p->is_cancelled = run->is_cancelled;
    if (!run->is_cancelled)
        dns_judge(run->config, &run->found, &p->result);
    run_free(run);
    p->done(p);
}

/* --- asking --- */

/* The guard's word on a server that the configuration, or a stranger's zone, names. */
static bool may_ask(const struct run *run, const char *server, struct errbuf *why)
{
    struct sockaddr_storage address;
    enum status st = dnsq_server_parse(server, &address);
    if (st != ST_OK) {
        (void)err_set(why, st, "%.60s is no address", server);
        return false;
    }
    return egress_check(httpc_egress(run->http), (struct sockaddr *)&address, why) == ST_OK;
}

static void said_failed(struct dns_said *said, enum dnsq_failure failure, const char *why)
{
    said->failure = failure;
    (void)str_copy(said->error, sizeof(said->error), why);
}

/* ST_OK: `done` comes. Else said->failure is set. */
static enum status ask(struct ask *a, const struct dns_question *question,
                       const char *const *servers, size_t count, dnsq_done_fn *done)
{
    struct run *run = a->run;
    const struct dnsq_request request = {
        .question = *question,
        .servers = servers,
        .server_count = count,
        .timeout_ms = MAX_OF(run->deadline_ms - clock_mono_ms(), (int64_t)1),
    };
    for (size_t i = 0; i < count; i++) {
        struct errbuf why = {0};
        if (!may_ask(run, servers[i], &why)) {
            said_failed(a->said, DNSQ_UNREACHABLE, why.text);
            return ST_EGRESS_DENIED;
        }
    }
    (void)pthread_mutex_lock(&lock);
    enum status st = run->is_cancelled ? ST_STOPPED : ST_OK;
    if (st == ST_OK)
        st = dnsq_submit(run->http, &request, done, a, &a->id);
    (void)pthread_mutex_unlock(&lock);
    if (st != ST_OK)
        said_failed(a->said, DNSQ_INTERNAL, status_title(st));
    return st;
}

/* Takes an answer over; false when the run is being cancelled. */
static bool take_over(struct ask *a, int type, const struct dnsq_reply *reply)
{
    (void)pthread_mutex_lock(&lock);
    a->id = 0;
    bool goes_on = !a->run->is_cancelled;
    (void)pthread_mutex_unlock(&lock);
    if (goes_on && dns_said_set(a->said, type, reply, a->run->arena) != ST_OK)
        said_failed(a->said, DNSQ_INTERNAL, "the answer is too large");
    return goes_on;
}

static struct dns_question question_of(const struct run *run, bool recursion)
{
    return (struct dns_question){
        .name = run->found.name,
        .type = run->found.type,
        .recursion = recursion,
        .authentication = recursion && run->config->check_dnssec.v,
    };
}

/* --- other resolvers --- */

static void on_resolver(const struct dnsq_reply *reply, void *arg);

/* Keeps max_workers of them asked; ends the run with the last answer. */
static void ask_resolvers(struct run *run)
{
    const struct dns_config *c = run->config;
    size_t at_once = c->max_workers.set ? (size_t)c->max_workers.v : WORKERS_DEFAULT;
    const struct dns_question question = question_of(run, true);
    while (run->asked < run->found.resolver_count && run->asked - run->answered < at_once) {
        struct ask *a = &run->asks[run->asked++];
        if (ask(a, &question, &a->said->server, 1, on_resolver) != ST_OK)
            run->answered++;
    }
    if (run->answered == run->found.resolver_count)
        finish(run);
}

static void on_resolver(const struct dnsq_reply *reply, void *arg)
{
    struct ask *a = arg;
    struct run *run = a->run;
    (void)take_over(a, run->found.type, reply);
    run->answered++;
    ask_resolvers(run);
}

static void propagation(struct run *run)
{
    const struct dns_config *c = run->config;
    if (!c->check_propagation.v || run->is_cancelled) {
        finish(run);
        return;
    }
    const char *const *servers = c->resolvers.set ? c->resolvers.v : public_resolvers;
    size_t count = c->resolvers.set ? c->resolvers.count : ARRAY_LEN(public_resolvers);
    struct dns_said *said = arena_array(run->arena, count, sizeof(*said));
    struct ask *asks = arena_array(run->arena, count, sizeof(*asks));
    for (size_t i = 0; said && asks && i < count; i++) {
        said[i].server = servers[i];
        asks[i] = (struct ask){.run = run, .said = &said[i]};
    }
    (void)pthread_mutex_lock(&lock);
    run->found.resolvers = said;
    run->asks = asks;
    run->found.resolver_count = said && asks ? count : 0;
    (void)pthread_mutex_unlock(&lock);
    ask_resolvers(run);
}

/* --- the domain's own name server --- */

static void find_zone(struct run *run);
static void next_owner(struct run *run);

static void owner_failed(struct run *run, const char *why)
{
    said_failed(&run->found.owner, DNSQ_UNREACHABLE, why);
    propagation(run);
}

static void on_owner(const struct dnsq_reply *reply, void *arg)
{
    struct run *run = ((struct ask *)arg)->run;
    if (take_over(&run->one, run->found.type, reply) && run->found.owner.failure != DNSQ_OK &&
        run->owner_at < run->owner_count)
        next_owner(run);
    else
        propagation(run);
}

static void on_owner_address(const struct dnsq_reply *reply, void *arg)
{
    struct run *run = ((struct ask *)arg)->run;
    struct dns_said *owner = &run->found.owner;
    const struct dns_question question = question_of(run, false);
    bool goes_on = take_over(&run->one, DNS_A, reply);
    if (goes_on && owner->failure == DNSQ_OK && owner->count > 0) {
        owner->server = owner->records[0];
        if (ask(&run->one, &question, &owner->server, 1, on_owner) == ST_OK)
            return;
    } else if (goes_on && owner->failure == DNSQ_OK) {
        said_failed(owner, DNSQ_UNREACHABLE, "it has no address");
    }
    if (goes_on && run->owner_at < run->owner_count)
        next_owner(run);
    else
        propagation(run);
}

static void next_owner(struct run *run)
{
    const struct dns_question question = {
        .name = run->owners[run->owner_at++], .type = DNS_A, .recursion = true};
    if (ask(&run->one, &question, NULL, 0, on_owner_address) != ST_OK)
        propagation(run);
}

static void on_zone(const struct dnsq_reply *reply, void *arg)
{
    struct run *run = ((struct ask *)arg)->run;
    struct dns_said *owner = &run->found.owner;
    if (!take_over(&run->one, DNS_NS, reply) || owner->failure != DNSQ_OK) {
        propagation(run);
    } else if (owner->count > 0) {
        run->owners = owner->records;
        run->owner_count = MIN_OF(owner->count, (size_t)OWNERS_MAX);
        next_owner(run);
    } else {
        const char *dot = strchr(run->zone, '.');
        run->zone = dot ? dot + 1 : "";
        find_zone(run);
    }
}

/* The zone of a name is the nearest one above it that has name servers. */
static void find_zone(struct run *run)
{
    const struct dns_question question = {.name = run->zone, .type = DNS_NS, .recursion = true};
    if (run->zone[0] == '\0')
        owner_failed(run, "no zone of its own was found");
    else if (ask(&run->one, &question, NULL, 0, on_zone) != ST_OK)
        propagation(run);
}

/* --- the question --- */

static void on_main(const struct dnsq_reply *reply, void *arg)
{
    struct ask *a = arg;
    struct run *run = a->run;
    const struct dns_config *c = run->config;
    if (!take_over(a, run->found.type, reply) ||
        !dns_judge_main(c, &run->found, &run->probe->result)) {
        finish(run);
        return;
    }
    run->found.has_owner = c->check_authoritative.v;
    if (c->check_authoritative.v && c->nameserver.set) {
        run->found.owner = run->found.main; /* it is the one that was asked */
        propagation(run);
    } else if (c->check_authoritative.v) {
        a->said = &run->found.owner;
        run->zone = run->found.name;
        find_zone(run);
    } else {
        propagation(run);
    }
}

static const char *full_name(const struct dns_config *c, int type, struct arena *arena)
{
    char reverse[DNS_NAME_BYTES];
    if (type == DNS_PTR && dns_reverse_name(c->domain.v, reverse) == ST_OK)
        return arena_strdup(arena, reverse);
    if (c->subdomain.set)
        return arena_printf(arena, "%s.%s", c->subdomain.v, c->domain.v);
    return arena_strdup(arena, c->domain.v);
}

static enum status run_new(struct probe *p, struct run **out)
{
    const struct dns_config *c = p->config;
    struct arena *arena = arena_new_small(ARENA_BYTES);
    struct run *run = arena ? arena_alloc(arena, sizeof(*run)) : NULL;
    int type = dns_type_parse(c->record_type.v);
    const char *name = run ? full_name(c, type, arena) : NULL;
    if (!name) {
        arena_free(arena);
        return ST_NO_MEMORY;
    }
    int64_t timeout_ms = c->timeout.set ? (int64_t)(c->timeout.v * 1000) : p->timeout_ms;
    *run = (struct run){
        .probe = p,
        .config = c,
        .http = p->http,
        .arena = arena,
        .deadline_ms = clock_mono_ms() + timeout_ms,
        .found = {.name = name, .type = type},
    };
    run->one = (struct ask){.run = run, .said = &run->found.main};
    *out = run;
    return ST_OK;
}

static enum status start(struct probe *p)
{
    const struct dns_config *c = p->config;
    struct run *run = NULL;
    TRY(run_new(p, &run));
    size_t count = MIN_OF(dns_texts_count(&c->nameserver), (size_t)DNSQ_SERVERS_MAX);
    const char *servers[DNSQ_SERVERS_MAX];
    for (size_t i = 0; i < count; i++)
        servers[i] = dns_texts_at(&c->nameserver, i);
    run->found.main.server = count > 0 ? servers[0] : NULL;
    run_add(run);
    p->handle = run->id;
    const struct dns_question question = question_of(run, true);
    if (ask(&run->one, &question, servers, count, on_main) != ST_OK)
        finish(run);
    return ST_OK;
}

static void cancel_ask(struct run *run, const struct ask *a)
{
    if (a->id)
        dnsq_cancel(run->http, a->id);
}

static void cancel(struct probe *p)
{
    (void)pthread_mutex_lock(&lock);
    struct run *run = runs;
    while (run && run->id != p->handle)
        run = run->next;
    if (run) {
        run->is_cancelled = true;
        cancel_ask(run, &run->one);
        for (size_t i = 0; i < run->found.resolver_count; i++)
            cancel_ask(run, &run->asks[i]);
    }
    (void)pthread_mutex_unlock(&lock);
}

const struct probe_kind probe_dns = {.name = "dns", .start = start, .cancel = cancel};
