/* Which route a path finds, and which tables are refused. */
#include "tests/kit/kit.h"

#include <stdio.h>

#include "auth/scopes.h"
#include "base/str.h"
#include "net/http_route.h"

static enum status handler(struct req *r)
{
    (void)r;
    return ST_OK;
}

#define R(method_, path_)                                                               \
    {                                                                                   \
        .method = (method_), .path = (path_), .scope = SCOPE_PUBLIC, .handler = handler \
    }

static const struct route routes[] = {
    R(M_GET, "/"),
    R(M_GET, "/api/v1/checks"),
    R(M_POST, "/api/v1/checks"),
    R(M_GET, "/api/v1/checks/{id}"),
    R(M_DELETE, "/api/v1/checks/{check_id}"),
    R(M_POST, "/api/v1/checks/run"),
    R(M_POST, "/api/v1/checks/{id}/run"),
    R(M_GET, "/api/v1/metrics/latest/{agent}"),
    R(M_GET, "/api/v1/metrics/current"),
    R(M_GET, "/api/v1/metrics/{server}"),
    R(M_GET, "/api/v1/metrics/{server}/history"),
    R(M_GET, "/a/{x}/b/{y}/c/{z}"),
    R(M_GET, "/a/{x}/b/last"),
};
static const struct route_set set = {routes, ARRAY_LEN(routes)};

static struct route_table *make(void)
{
    struct route_table *t = NULL;
    struct errbuf err = {0};
    if (route_table_new(&set, 1, &t, &err) != ST_OK)
        fail_msg("%s", err.text);
    return t;
}

static void test_find(void **state)
{
    static const struct {
        const char *path;
        enum http_method method;
        const char *want;   /* the route's path; NULL: none at all; "": another method's */
        const char *params; /* joined by commas */
    } cases[] = {
        {"/", M_GET, "/", ""},
        {"/api/v1/checks", M_GET, "/api/v1/checks", ""},
        {"/api/v1/checks/", M_GET, "/api/v1/checks", ""},
        {"/api/v1/checks", M_HEAD, "/api/v1/checks", ""},
        {"/api/v1/checks", M_POST, "/api/v1/checks", ""},
        {"/api/v1/checks", M_PUT, "", ""},
        {"/api/v1/checks/7", M_GET, "/api/v1/checks/{id}", "7"},
        {"/api/v1/checks/7", M_DELETE, "/api/v1/checks/{check_id}", "7"},
        {"/api/v1/checks/a%20b", M_GET, "/api/v1/checks/{id}", "a%20b"},
        {"/api/v1/checks/7/run", M_POST, "/api/v1/checks/{id}/run", "7"},
        {"/api/v1/checks/run", M_POST, "/api/v1/checks/run", ""},
        /* a reserved word is no id, but it may be what a parameter's path goes on from */
        {"/api/v1/checks/run", M_GET, "", ""},
        {"/api/v1/checks/run/run", M_POST, "/api/v1/checks/{id}/run", "run"},
        {"/api/v1/metrics/latest/server-1", M_GET, "/api/v1/metrics/latest/{agent}", "server-1"},
        {"/api/v1/metrics/latest/history", M_GET, "/api/v1/metrics/latest/{agent}", "history"},
        {"/api/v1/metrics/current", M_GET, "/api/v1/metrics/current", ""},
        {"/api/v1/metrics/current/history", M_GET, "/api/v1/metrics/{server}/history", "current"},
        {"/api/v1/metrics/latest", M_GET, "/api/v1/metrics/{server}", "latest"},
        {"/a/1/b/2/c/3", M_GET, "/a/{x}/b/{y}/c/{z}", "1,2,3"},
        {"/a/1/b/last", M_GET, "/a/{x}/b/last", "1"},
        {"/a/1/b/last/c/3", M_GET, "/a/{x}/b/{y}/c/{z}", "1,last,3"},
        {"/api/v1", M_GET, NULL, ""},
        {"/api/v1/check", M_GET, NULL, ""},
        {"/api/v1/checksx", M_GET, NULL, ""},
        {"/api/v1//checks", M_GET, NULL, ""},
        {"//", M_GET, NULL, ""},
        {"/api/v1/checks//", M_GET, NULL, ""},
        {"/API/v1/checks", M_GET, NULL, ""},
        {"", M_GET, NULL, ""},
        {"x", M_GET, NULL, ""},
        {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", M_GET, NULL, ""},
    };
    struct route_table *t = make();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct route_match m;
        bool found = route_table_find(t, cases[i].path, strlen(cases[i].path), &m);
        if (found != (cases[i].want != NULL))
            fail_msg("%s: found %d", cases[i].path, found);
        if (!found)
            continue;
        const struct route *r = route_match_method(&m, cases[i].method);
        if (!str_eq(r ? r->path : "", cases[i].want))
            fail_msg("%s: %s", cases[i].path, r ? r->path : "no method");
        char params[64] = "";
        size_t n = 0;
        for (int p = 0; p < m.param_count; p++)
            n += (size_t)snprintf(params + n, sizeof(params) - n, "%s%.*s", p ? "," : "",
                                  (int)m.param[p].len, m.param[p].at);
        if (r)
            assert_string_equal(params, cases[i].params);
    }
    route_table_free(t);
}

static void test_allow(void **state)
{
    struct route_table *t = make();
    struct route_match m;
    char allow[ROUTE_ALLOW_BYTES];
    assert_true(route_table_find(t, "/api/v1/checks", 14, &m));
    route_match_allow(&m, allow);
    assert_string_equal(allow, "GET, POST, HEAD, OPTIONS");
    assert_true(route_table_find(t, "/api/v1/checks/run", 18, &m));
    route_match_allow(&m, allow);
    assert_string_equal(allow, "POST, OPTIONS");
    route_table_free(t);
}

static void test_refused(void **state)
{
    static const struct field field = {.name = "a", .type = FT_INT};
    static const struct schema schema = {.name = "A", .fields = &field, .count = 1, .size = 32};
    static const struct route bad[][2] = {
        {{.method = M_GET, .path = "/a", .handler = handler}},
        {{.method = M_GET, .path = "/a", .scope = SCOPE_PUBLIC}},
        {{.method = M_GET, .scope = SCOPE_PUBLIC, .handler = handler}},
        {R(M_GET, "")},
        {R(M_GET, "a")},
        {R(M_GET, "/a/")},
        {R(M_GET, "//a")},
        {R(M_GET, "/a b")},
        {R(M_GET, "/{}")},
        {R(M_GET, "/{a")},
        {R(M_GET, "/x{a}")},
        {R(M_GET, "/{a-b}")},
        {R(M_GET, "/{a}/{b}/{c}/{d}/{e}")},
        {R(M_HEAD, "/a")},
        {R(M_OPTIONS, "/a")},
        {R(M_GET, "/a"), R(M_GET, "/a")},
        {R(M_GET, "/a/{x}"), R(M_GET, "/a/{y}")},
        {{.method = M_GET,
          .path = "/a",
          .scope = SCOPE_PUBLIC,
          .handler = handler,
          .flags = ROUTE_INLINE,
          .query = &schema}},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const struct route_set one = {bad[i], bad[i][1].handler ? 2 : 1};
        struct route_table *t = NULL;
        struct errbuf err = {0};
        assert_status(ST_INVALID, route_table_new(&one, 1, &t, &err));
        assert_string_not_equal(err.text, "");
        assert_null(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_allow),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
