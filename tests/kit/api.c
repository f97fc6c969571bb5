/* Starting an API inside a test and talking to it. */
#include "tests/kit/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/password.h"
#include "base/str.h"

void kit_set_text(char **setting, const char *text)
{
    free(*setting);
    assert_ok(str_dup(text, setting));
}

struct kit_api *kit_api_start(const char *database, const char *redis,
                              const struct kit_api_options *options)
{
    static const struct kit_api_options usual;
    const struct kit_api_options *o = options ? options : &usual;
    struct kit_api *i = calloc(1, sizeof(*i));
    assert_non_null(i);
    struct conf *c = &i->daemon.conf;
    i->daemon.name = "api";
    assert_ok(conf_load(NULL, c, NULL));
    c->access_log = false;
    kit_set_text(&c->database_url, o->database ? o->database : database);
    kit_set_text(&c->redis_url, o->redis ? o->redis : redis);
    kit_set_text(&c->listen, "127.0.0.1");
    kit_set_text(&c->jwt_secret, KIT_JWT_SECRET);
    kit_set_text(&c->secret_key, KIT_SECRET_KEY);
    kit_set_text(&c->auth, o->auth ? o->auth : "jwt");
    if (o->registration)
        kit_set_text(&c->registration, o->registration);
    if (o->trusted_proxies)
        kit_set_text(&c->trusted_proxies, o->trusted_proxies);
    if (o->forward_roles)
        kit_set_text(&c->forward_roles, o->forward_roles);
    c->api_port = 0;
    /* What is kept is there, however long a busy machine takes. */
    c->cache_ttl = o->has_no_cache ? 0 : 300000;
    c->cache_wait = KIT_PATIENCE_MS;
    c->anonymous_rate = o->anonymous_rate ? o->anonymous_rate : 100000;
    struct errbuf err = {""};
    void *state = NULL;
    if (api_start(&i->daemon, &state, &err) != ST_OK)
        fail_msg("the API did not start: %s", err.text);
    i->api = state;
    i->port = http_port(i->api->server);
    return i;
}

void kit_api_stop(struct kit_api *i)
{
    api_stop(i->api, 1000);
    conf_done(&i->daemon.conf);
    free(i);
}

struct kit_reply kit_call(const struct kit_api *i, const char *method, const char *path,
                          const char *bearer, const char *body)
{
    const struct kit_request q = {
        .port = i->port, .method = method, .path = path, .bearer = bearer, .body = body};
    return kit_http(&q);
}

int kit_status(const struct kit_api *i, const char *method, const char *path, const char *bearer,
               const char *body)
{
    struct kit_reply r = kit_call(i, method, path, bearer, body);
    kit_reply_done(&r);
    return r.status;
}

struct uuid kit_api_user(struct db *db, const struct uuid *org, const char *name, const char *role)
{
    const struct uuid id = uuid_new();
    char hash[PASSWORD_HASH_BYTES];
    assert_ok(password_hash(KIT_PASSWORD, hash));
    kit_sql(db,
            "INSERT INTO users (id, org_id, username, email, password_hash, role)"
            " VALUES ('%s', '%s', '%s', '%s@example.test', '%s', '%s')",
            kit_id(&id), kit_id(org), name, name, hash, role);
    return id;
}

struct kit_tokens kit_tokens_of(struct kit_reply r)
{
    struct kit_tokens t;
    assert_int_equal(r.status, 200);
    (void)str_copy(t.access, sizeof(t.access), kit_reply_text(&r, "access_token"));
    (void)str_copy(t.refresh, sizeof(t.refresh), kit_reply_text(&r, "refresh_token"));
    assert_true(t.access[0] && t.refresh[0]);
    kit_reply_done(&r);
    return t;
}

struct kit_tokens kit_sign_in(const struct kit_api *i, const char *name)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"username\":\"%s\",\"password\":\"" KIT_PASSWORD "\"}",
                   name);
    return kit_tokens_of(kit_call(i, "POST", "/api/v1/auth/login", NULL, body));
}
