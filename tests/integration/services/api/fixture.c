/* The API, its people, and what is asked of replies. */
#include "tests/integration/services/api/fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"

struct api_fixture fx;

int fx_setup(void **state)
{
    json_setup();
    fx.database = kit_database();
    fx.db = kit_db_open(fx.database);
    fx.redis = kit_redis_open(kit_redis());
    fx.org = kit_organisation(fx.db);
    fx.other_org = kit_organisation(fx.db);
    kit_sql(fx.db, "UPDATE organisations SET created_at = now() - interval '1 day' WHERE id = '%s'",
            kit_id(&fx.org));
    kit_api_user(fx.db, &fx.org, "ada", "admin");
    kit_api_user(fx.db, &fx.org, "olga", "operator");
    kit_api_user(fx.db, &fx.org, "viktor", "viewer");
    kit_api_user(fx.db, &fx.other_org, "eve", "owner");
    fx.api = kit_api_start(fx.database, kit_redis(), NULL);
    fx.admin = kit_sign_in(fx.api, "ada");
    fx.me = kit_sign_in(fx.api, "olga");
    fx.viewer = kit_sign_in(fx.api, "viktor");
    fx.stranger = kit_sign_in(fx.api, "eve");
    return 0;
}

int fx_teardown(void **state)
{
    kit_api_stop(fx.api);
    redis_free(fx.redis);
    db_free(fx.db);
    return 0;
}

struct kit_reply fx_reply(const struct kit_tokens *who, const char *method, const char *path,
                          const char *body, int status)
{
    struct kit_reply r = kit_call(fx.api, method, path, who->access, body);
    if (r.status != status)
        fail_msg("%s %s %s: %d, not %d: %s", method, path, body ? body : "", r.status, status,
                 kit_reply_text(&r, "detail"));
    return r;
}

void fx_must(const struct kit_tokens *who, const char *method, const char *path, const char *body,
             int status, const char *code)
{
    struct kit_reply r = fx_reply(who, method, path, body, status);
    if (code)
        assert_string_equal(kit_reply_text(&r, "code"), code);
    if (status == 503)
        assert_true(kit_reply_header(&r, "Retry-After")[0] != '\0');
    kit_reply_done(&r);
}

struct kit_reply fx_call(const char *method, const char *path, const char *body)
{
    return kit_call(fx.api, method, path, fx.me.access, body);
}

const json_t *fx_at(const struct kit_reply *r, const char *path)
{
    char name[128];
    const json_t *value = r->json;
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, ".");
        (void)snprintf(name, sizeof(name), "%.*s", (int)len, p);
        value = json_is_array(value) ? json_array_get(value, (size_t)(name[0] - '0'))
                                     : json_object_get(value, name);
        if (!value)
            fail_msg("no %s in the reply", path);
        p += len + (p[len] == '.');
    }
    return value;
}

const char *fx_text(const struct kit_reply *r, const char *path)
{
    const char *s = json_string_value(fx_at(r, path));
    if (!s)
        fail_msg("%s is not a text", path);
    return s;
}

int64_t fx_number(const struct kit_reply *r, const char *path)
{
    if (!json_is_integer(fx_at(r, path)))
        fail_msg("%s is not an integer", path);
    return json_integer_value(fx_at(r, path));
}

const char fx_documented[] =
    "{\"name\":\"New Website Check\",\"plugin_type\":\"website\",\"config\":{\"url\":"
    "\"https://example.com\",\"expected_status\":200},\"enabled\":true,"
    "\"schedule\":\"every 5 minutes\"}";

struct uuid fx_create(const char *body)
{
    struct kit_reply r = fx_call("POST", "/api/v1/checks", body);
    if (r.status != 201)
        fail_msg("%d: %s", r.status, kit_reply_text(&r, "detail"));
    struct uuid id;
    assert_ok(uuid_parse(fx_text(&r, "id"), &id));
    kit_reply_done(&r);
    return id;
}

const char *fx_path_of(const struct uuid *id, const char *suffix)
{
    static char path[2][128];
    static int next;
    next = !next;
    (void)snprintf(path[next], sizeof(path[next]), "/api/v1/checks/%s%s", kit_id(id), suffix);
    return path[next];
}

void fx_must_fail(const char *method, const char *path, const char *body, int status,
                  const char *code, const char *loc)
{
    struct kit_reply r = fx_call(method, path, body);
    if (r.status != status || !str_eq(kit_reply_text(&r, "code"), code))
        fail_msg("%s %s %s: %d %s", method, path, body ? body : "", r.status,
                 kit_reply_text(&r, "code"));
    if (loc) {
        AUTO_FREE char *dump = json_dumps(fx_at(&r, "errors.0.loc"), JSON_COMPACT);
        assert_string_equal(dump, loc);
    }
    kit_reply_done(&r);
}
