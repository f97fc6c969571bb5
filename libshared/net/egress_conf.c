/* From settings to the egress guard: the preset, the lists, and where our own stores are. */
#include "net/egress_conf.h"

#include <libpq-fe.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "log/log.h"
#include "redis/url.h"

static enum status deny_host(struct egress *e, const char *store, const char *host,
                             const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    /* An empty host or a path is a Unix socket. */
    if (str_is_empty(host) || host[0] == '/' || host[0] == '@')
        return ST_OK;
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0) {
        log_warn("egress_store_unresolved", kv_str("store", store),
                 kv_str("error", gai_strerror(rc)));
        return ST_OK;
    }
    enum status st = ST_OK;
    for (const struct addrinfo *a = list; a && st == ST_OK; a = a->ai_next)
        st = egress_deny_own(e, a->ai_addr);
    freeaddrinfo(list);
    return st;
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (str_eq(o->keyword, keyword))
            return o->val ? o->val : "";
    }
    return "";
}

/* libpq takes lists: "a,b" with ports "1,2", or one port for all. */
static enum status deny_postgres(struct egress *e, const PQconninfoOption *options)
{
    AUTO_FREE char *hosts = NULL;
    AUTO_FREE char *ports = NULL;
    const char *address = option(options, "hostaddr");
    TRY(str_dup(address[0] ? address : option(options, "host"), &hosts));
    TRY(str_dup(option(options, "port"), &ports));
    char *host_rest = hosts;
    char *port_rest = ports;
    const char *port = "";
    while (host_rest) {
        const char *host = strsep(&host_rest, ",");
        if (port_rest)
            port = strsep(&port_rest, ",");
        TRY(deny_host(e, "postgresql", host, port[0] ? port : "5432"));
    }
    return ST_OK;
}

static enum status deny_database(struct egress *e, const char *url, struct errbuf *err)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &message);
    if (!options) {
        enum status st = err_set(err, ST_INVALID, "TOCSIN_DATABASE_URL: not understood");
        PQfreemem(message); /* may show the password: not passed on */
        return st;
    }
    enum status st = deny_postgres(e, options);
    PQconninfoFree(options);
    return st;
}

static enum status deny_redis(struct egress *e, const char *url, struct errbuf *err)
{
    struct redis_url u;
    char port[16];
    TRY(redis_url_parse(url, &u, err));
    (void)snprintf(port, sizeof(port), "%d", u.port);
    return u.path[0] ? ST_OK : deny_host(e, "redis", u.host, port);
}

enum status egress_from_conf(const struct conf *conf, struct egress **out, struct errbuf *err)
{
    struct egress *e = NULL;
    TRY(egress_new(conf->egress_preset, conf->egress_allow, conf->egress_deny, &e, err));
    enum status st = deny_database(e, conf->database_url, err);
    if (st == ST_OK)
        st = deny_redis(e, conf->redis_url, err);
    if (st != ST_OK) {
        egress_free(e);
        return st;
    }
    *out = e;
    return ST_OK;
}
