/* YAML that is read, YAML that is refused, and that what is written reads the same. */
#include "json/yaml.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "json/parse.h"
#include "tests/kit/kit.h"

static void must_read(const char *yaml, const char *json)
{
    AUTO_JSON got = NULL;
    struct errbuf err = {""};
    if (yaml_parse(yaml, strlen(yaml), &got, &err) != ST_OK)
        fail_msg("%s: %s", yaml, err.text);
    AUTO_JSON want = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(want);
    AUTO_FREE char *text = json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT);
    if (!json_equal(got, want))
        fail_msg("%s: %s, not %s", yaml, text, json);
}

static void must_not_read(const char *yaml, const char *why)
{
    AUTO_JSON got = NULL;
    struct errbuf err = {""};
    assert_status(ST_MALFORMED, yaml_parse(yaml, strlen(yaml), &got, &err));
    if (!strstr(err.text, why))
        fail_msg("%s: \"%s\", not \"%s\"", yaml, err.text, why);
}

static void test_scalars(void **state)
{
    must_read("a: 1", "{\"a\":1}");
    must_read("[1, -2, +3, 0o17, 0xFf, 010]", "[1,-2,3,15,255,10]");
    must_read("[1.5, .5, 5., -1e3, 1E-2]", "[1.5,0.5,5.0,-1000.0,0.01]");
    must_read("[true, False, TRUE]", "[true,false,true]");
    must_read("[~, null, Null, ]", "[null,null,null]");
    must_read("{a: , b: ''}", "{\"a\":null,\"b\":\"\"}");
    must_read("[yes, no, on, off]", "[\"yes\",\"no\",\"on\",\"off\"]");
    must_read("['1', \"true\", !!str 5, ! 6]", "[\"1\",\"true\",\"5\",\"6\"]");
    must_read("[1.2.3, 12:30, 2026-11-22, -, 0x, 1e]",
              "[\"1.2.3\",\"12:30\",\"2026-11-22\",\"-\",\"0x\",\"1e\"]");
    must_read("text: |\n  one\n  two\n", "{\"text\":\"one\\ntwo\\n\"}");
    must_read("text: >-\n  one\n  two\n", "{\"text\":\"one two\"}");
    must_read("--- # comment\nä: \"\\u00e4\\n\"\n...\n", "{\"ä\":\"ä\\n\"}");
    must_read("1: a\ntrue: b\n", "{\"1\":\"a\",\"true\":\"b\"}");
    must_read("{\"json\": [1, {\"too\": null}]}", "{\"json\":[1,{\"too\":null}]}");
}

static void test_anchors(void **state)
{
    must_read("a: &x [1, 2]\nb: *x\n", "{\"a\":[1,2],\"b\":[1,2]}");
    must_read("a: &x 5\nb: [*x, *x]\n", "{\"a\":5,\"b\":[5,5]}");
    must_read("base: &b {i: 1, j: 2}\nc:\n  <<: *b\n  j: 3\n",
              "{\"base\":{\"i\":1,\"j\":2},\"c\":{\"i\":1,\"j\":3}}");
    must_read("base: &b {i: 1, j: 2}\nc:\n  j: 3\n  <<: *b\n",
              "{\"base\":{\"i\":1,\"j\":2},\"c\":{\"i\":1,\"j\":3}}");
    must_read("x: &x {i: 1}\ny: &y {i: 2, j: 2}\nc:\n  <<: [*x, *y]\n  k: 3\n",
              "{\"x\":{\"i\":1},\"y\":{\"i\":2,\"j\":2},\"c\":{\"i\":1,\"j\":2,\"k\":3}}");
    must_read("a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}");
}

static void test_refused(void **state)
{
    must_not_read("", "empty");
    must_not_read("# only a comment\n", "empty");
    must_not_read("a: 1\na: 2\n", "line 2, column 1: a key that the mapping has already");
    must_not_read("{a: 1, \"a\": 2}", "already");
    must_not_read("a: [1\nb: 2", "line 2");
    must_not_read("a: b: c", "mapping values");
    must_not_read("---\na: 1\n---\nb: 2\n", "more than one document");
    must_not_read("*x", "without its anchor");
    must_not_read("&x [*x]", "inside of what it names");
    must_not_read("&x {a: {b: *x}}", "inside of what it names");
    must_not_read("? [a, b]\n: 1\n", "key");
    must_not_read("? {a: b}\n: 1\n", "key");
    must_not_read("a: !!python/object:os.system x", "tag");
    must_not_read("a: !!binary aGk=", "tag");
    must_not_read("!thing {a: 1}", "tag");
    must_not_read("a: .inf", "no number");
    must_not_read("a: -.INF", "no number");
    must_not_read("a: .NaN", "no number");
    must_not_read("a: 99999999999999999999", "too large");
    must_not_read("a: 1e999", "too large");
    must_not_read("a: \"x\\0y\"", "NUL");
    must_not_read("\"x\\0y\": a", "NUL");
    must_not_read("a: {<<: 5}", "<<");
    must_not_read("a: {<<: [5]}", "<<");
    must_not_read("x: &x {i: 1}\na: {<<: *x, <<: *x}", "already");
    must_not_read("a: \xff", "UTF-8");
    must_not_read("\tkey: value", "line 1");
    struct errbuf err = {""};
    json_t *out = NULL;
    assert_status(ST_MALFORMED, yaml_parse("a\0b", 3, &out, &err));
}

static void test_bombs(void **state)
{
    /* A billion laughs: nine lines that double tenfold. */
    must_not_read("a: &a [x,x,x,x,x,x,x,x,x,x]\n"
                  "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                  "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                  "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                  "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
                  "f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
                  "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n",
                  "too large, with all its aliases");
    AUTO_BUF deep;
    buf_init(&deep, 1 << 20);
    for (int i = 0; i < LIMIT_JSON_DEPTH + 1; i++)
        buf_char(&deep, '[');
    must_not_read(buf_cstr(&deep), "deep");
    buf_reset(&deep);
    for (int i = 0; i < 257; i++)
        buf_printf(&deep, "- &a%d x\n", i);
    must_not_read(buf_cstr(&deep), "too many anchors");
    buf_reset(&deep);
    buf_char(&deep, '[');
    for (int i = 0; i < LIMIT_YAML_NODES; i++)
        buf_str(&deep, "1,");
    must_not_read(buf_cstr(&deep), "too large");
}

static void must_round(const char *json)
{
    AUTO_JSON value = json_loads(json, JSON_DECODE_ANY, NULL);
    AUTO_JSON again = NULL;
    AUTO_BUF yaml;
    struct errbuf err = {""};
    assert_non_null(value);
    buf_init(&yaml, 1 << 20);
    assert_ok(yaml_write(value, &yaml));
    if (yaml_parse(buf_cstr(&yaml), yaml.len, &again, &err) != ST_OK || !json_equal(value, again))
        fail_msg("%s came back different: %s (%s)", json, buf_cstr(&yaml), err.text);
}

static void test_round_trips(void **state)
{
    static const char *const values[] = {
        "{}",
        "[]",
        "{\"a\":{},\"b\":[]}",
        "[[1,[2]],{\"x\":[{}]}]",
        "null",
        "5",
        "\"text\"",
        "[0.1,1e300,-5,9223372036854775807,1.0]",
        "[true,false,null]",
        "[\"\",\" \",\"~\",\"null\",\"True\",\"yes\",\"no\",\"on\",\"Off\",\"y\",\"1\",\"1.5\","
        "\"0x1f\",\"0o7\",\".inf\",\"-\",\"- a\",\"a: b\",\"a #b\",\"#\",\"*a\",\"&a\",\"!a\","
        "\"%\",\"@\",\"`\",\"'\",\"\\\"\",\"{\",\"[\",\"|\",\">\",\"<<\",\"=\",\"2026-11-22\","
        "\"12:30:45\",\"a\\nb\",\"a\\n\",\"\\n\",\"\\t\",\" a\",\"a \",\"ä€😀\",\"\\u2028\","
        "\"\\u0085\",\"\\u0001\",\"---\",\"...\",\"? a\",\"a,b\",\"1_000\",\"+1\"]",
        "{\"yes\":1,\"1\":2,\"a b\":3,\"\":4,\"<<\":5,\"a: b\":6}",
    };
    for (size_t i = 0; i + 1 < ARRAY_LEN(values); i++)
        must_round(values[i]);
    must_round("{\"yes\":1,\"1\":2,\"a b\":3,\"\":4,\"a: b\":6}");
    AUTO_JSON value = json_pack("{s:i}", "a", 1);
    AUTO_BUF small;
    buf_init(&small, 2);
    assert_status(ST_TOO_LARGE, yaml_write(value, &small));
}

int main(void)
{
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),     cmocka_unit_test(test_anchors),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
