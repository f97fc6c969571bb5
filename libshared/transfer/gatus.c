/*
 * The configuration of Gatus: `endpoints`, each with a URL and conditions. The scheme of the URL
 * says what kind of check it is; conditions that our kinds know become their settings, and the
 * others are named in the check's notes.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "json/parse.h"
#include "kinds/kind.h"
#include "transfer/document.h"

enum { STATUS_LEAST = 100, STATUS_END = 600 };

struct endpoint {
    const json_t *in;
    json_t *check, *config, *notes;
    bool rejects[STATUS_END]; /* statuses that a condition rules out: all of them have to hold */
};

static const char *text_of(const json_t *in, const char *name)
{
    const char *s = json_string_value(json_object_get(in, name));
    return str_is_empty(s) ? NULL : s;
}

static enum status set(json_t *to, const char *name, json_t *value)
{
    return value && json_object_set_new(to, name, value) == 0 ? ST_OK : ST_NO_MEMORY;
}

static enum status set_text(json_t *to, const char *name, const char *text)
{
    return text ? set(to, name, json_string(text)) : ST_OK;
}

/* A duration of Go, "1h30m", "90s", "500ms", in seconds; negative: none. */
static double duration_of(const char *text)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"ms", 0.001}, {"us", 0.000001}, {"ns", 1e-9}, {"h", 3600}, {"m", 60}, {"s", 1}};
    double total = 0;
    if (str_is_empty(text))
        return -1;
    while (*text) {
        char number[32];
        size_t digits = strspn(text, "0123456789.");
        double value = 0;
        size_t u = 0;
        if (digits == 0 || digits >= sizeof(number))
            return -1;
        (void)snprintf(number, sizeof(number), "%.*s", (int)digits, text);
        text += digits;
        while (u < ARRAY_LEN(units) && !str_starts(text, units[u].unit))
            u++;
        if (u == ARRAY_LEN(units) || str_to_f64(number, &value) != ST_OK)
            return -1;
        total += value * units[u].seconds;
        text += strlen(units[u].unit);
    }
    return total;
}

/* --- conditions --- */

/* "[STATUS] == 200" in its three parts. */
struct condition {
    char left[64], op[3], right[512];
};

static bool split(const char *text, struct condition *c)
{
    static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">"};
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        const char *at = strstr(text, ops[i]);
        if (!at)
            continue;
        size_t left = (size_t)(at - text);
        const char *right = at + strlen(ops[i]);
        while (left > 0 && text[left - 1] == ' ')
            left--;
        right += strspn(right, " ");
        if (left >= sizeof(c->left) || strlen(right) >= sizeof(c->right))
            return false;
        (void)snprintf(c->left, sizeof(c->left), "%.*s", (int)left, text);
        (void)str_copy(c->op, sizeof(c->op), ops[i]);
        (void)str_copy(c->right, sizeof(c->right), right);
        return true;
    }
    return false;
}

static bool holds(int64_t status, const char *op, int64_t code)
{
    return op[0] == '='   ? status == code
           : op[0] == '!' ? status != code
           : op[0] == '<' ? status < code || (op[1] == '=' && status == code)
                          : status > code || (op[1] == '=' && status == code);
}

/* The codes of "200" or "any(200, 204)"; 0: it is neither. */
static size_t codes_of(const char *text, int64_t *codes, size_t room)
{
    size_t count = 0;
    const size_t len = strlen(text);
    const bool is_any = str_starts(text, "any(") && text[len - 1] == ')';
    const char *end = text + len - is_any;
    text += is_any ? 4 : 0;
    while (text < end) {
        char number[8];
        text += strspn(text, " ");
        const size_t digits = strcspn(text, " ,)");
        (void)snprintf(number, sizeof(number), "%.*s", (int)digits, text);
        if (digits >= sizeof(number) || count == room ||
            str_to_i64(number, &codes[count]) != ST_OK || codes[count] < STATUS_LEAST ||
            codes[count] >= STATUS_END)
            return 0;
        count++;
        text += digits;
        text += strspn(text, is_any ? " ," : " ");
    }
    return count;
}

/* == 200, < 300, != 500, == any(200, 204); false: something else. */
static bool rule_out(struct endpoint *e, const struct condition *c)
{
    int64_t codes[32] = {0};
    const size_t count = codes_of(c->right, codes, ARRAY_LEN(codes));
    const bool is_equality = c->op[0] == '=' || c->op[0] == '!';
    if (count == 0 || (count > 1 && !is_equality))
        return false;
    for (int64_t status = STATUS_LEAST; status < STATUS_END; status++) {
        /* Equal to one of them; not equal to any. */
        size_t holding = 0;
        for (size_t i = 0; i < count; i++)
            holding += holds(status, c->op, codes[i]);
        e->rejects[status] |= holding < (c->op[0] == '!' ? count : 1);
    }
    return true;
}

/* What is left, as ranges. */
static enum status set_statuses(struct endpoint *e)
{
    AUTO_BUF text;
    buf_init(&text, 4096);
    for (int from = STATUS_LEAST; from < STATUS_END; from++) {
        int to = from;
        if (e->rejects[from])
            continue;
        while (to + 1 < STATUS_END && !e->rejects[to + 1])
            to++;
        buf_printf(&text, "%s%d", text.len > 0 ? "," : "", from);
        if (to > from)
            buf_printf(&text, "-%d", to);
        from = to;
    }
    TRY(buf_status(&text));
    if (text.len == 0)
        return import_note(e->notes, "its conditions on [STATUS] leave none");
    return set_text(e->config, "accepted_statuses", buf_cstr(&text));
}

/* pat(*text*) with nothing special in between. */
static bool pattern_of(const struct condition *c, char *out, size_t room)
{
    size_t len = strlen(c->right);
    if (!str_starts(c->right, "pat(*") || len < 8 || !str_ends(c->right, "*)"))
        return false;
    (void)snprintf(out, room, "%.*s", (int)(len - 7), c->right + 5);
    return !strpbrk(out, "*?[\\");
}

/* Whether our kind says the same; what it says is set. */
static enum status apply_condition(struct endpoint *e, const char *text, bool *known)
{
    struct condition c;
    char value[512];
    double limit = 0;
    *known = true;
    bool is_website = str_eq(text_of(e->check, "plugin_type"), "website");
    if (!split(text, &c)) {
        *known = false;
        return ST_OK;
    }
    const char *content = str_eq(c.op, "==")   ? "expected_content"
                          : str_eq(c.op, "!=") ? "unexpected_content"
                                               : NULL;
    if (str_eq(c.left, "[CONNECTED]") && str_eq(c.op, "==") && str_eq(c.right, "true"))
        return ST_OK; /* what every check is about */
    else if (!is_website)
        *known = false;
    else if (str_eq(c.left, "[STATUS]") && rule_out(e, &c))
        return ST_OK;
    else if (str_eq(c.left, "[BODY]") && content && !json_object_get(e->config, content) &&
             pattern_of(&c, value, sizeof(value)))
        return set_text(e->config, content, value);
    else if (str_eq(c.left, "[RESPONSE_TIME]") && c.op[0] == '<' &&
             str_to_f64(c.right, &limit) == ST_OK && limit >= 1) {
        TRY(set(e->config, "warning_time", json_real(limit / 1000)));
        return import_note(e->notes, "%s: a slower answer is a warning here, not a failure", text);
    } else
        *known = false;
    return ST_OK;
}

static enum status read_conditions(struct endpoint *e)
{
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach (json_object_get(e->in, "conditions"), i, one) {
        const char *text = json_string_value(one);
        bool known = false;
        if (text)
            TRY(apply_condition(e, text, &known));
        if (!known)
            TRY(import_note(e->notes, "the condition %.300s is not imported",
                            text ? text : "(no text)"));
    }
    return str_eq(text_of(e->check, "plugin_type"), "website") ? set_statuses(e) : ST_OK;
}

/* --- kinds --- */

/* YAML's 5 and true are texts where Gatus reads headers. */
static enum status set_headers(struct endpoint *e)
{
    const json_t *given = json_object_get(e->in, "headers");
    const char *name = NULL;
    json_t *value = NULL;
    if (!json_is_object(given))
        return ST_OK;
    json_t *headers = json_object();
    TRY(set(e->config, "headers", headers));
    json_object_foreach ((json_t *)(uintptr_t)given, name, value) {
        AUTO_FREE char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
        TRY(set(headers, name,
                text && !json_is_null(value) ? json_string(text)
                : text                       ? json_string("")
                                             : json_copy(value)));
    }
    return ST_OK;
}

static enum status read_website(struct endpoint *e, const char *url)
{
    const json_t *client = json_object_get(e->in, "client");
    TRY(set_text(e->config, "url", url));
    TRY(set_text(e->config, "method", text_of(e->in, "method")));
    TRY(set_text(e->config, "body", text_of(e->in, "body")));
    if (json_is_true(json_object_get(e->in, "graphql")))
        TRY(import_note(e->notes, "graphql is not imported: the body is sent as it is"));
    TRY(set_headers(e));
    TRY(set(e->config, "verify_ssl",
            json_boolean(!json_is_true(json_object_get(client, "insecure")))));
    return set(e->config, "follow_redirects",
               json_boolean(!json_is_true(json_object_get(client, "ignore-redirect"))));
}

/* host:port, or [address]:port, without the scheme and what follows. */
static enum status read_address(struct endpoint *e, const char *rest)
{
    char host[256];
    int64_t port = 0;
    size_t len = strcspn(rest, "/?#");
    (void)snprintf(host, sizeof(host), "%.*s", (int)MIN_OF(len, sizeof(host) - 1), rest);
    char *colon = strrchr(host, ':');
    if (colon && str_to_i64(colon + 1, &port) == ST_OK)
        *colon = '\0';
    if (port > 0)
        TRY(set(e->config, "port", json_integer(port)));
    return set_text(e->config, "host", host);
}

static enum status read_dns(struct endpoint *e, const char *server)
{
    const json_t *dns = json_object_get(e->in, "dns");
    TRY(set_text(e->config, "domain", text_of(dns, "query-name")));
    TRY(set_text(e->config, "record_type", text_of(dns, "query-type")));
    return set_text(e->config, "nameserver", server);
}

static const struct {
    const char *scheme, *plugin;
    bool keeps_scheme;
    enum status (*read)(struct endpoint *e, const char *rest);
} schemes[] = {
    {"http://", "website", true, read_website},
    {"https://", "website", true, read_website},
    {"tcp://", "tcp", false, read_address},
    {"icmp://", "ping", false, read_address},
    {"", "dns", false, read_dns},
};

/* The row for the URL; a `dns` section makes its URL that of a name server. */
static size_t scheme_of(const json_t *in, const char *url)
{
    size_t i = 0;
    if (json_object_get(in, "dns"))
        return ARRAY_LEN(schemes) - 1;
    while (i < ARRAY_LEN(schemes) - 1 && !str_starts(url, schemes[i].scheme))
        i++;
    return i < ARRAY_LEN(schemes) - 1 ? i : ARRAY_LEN(schemes);
}

/* --- endpoints --- */

static enum status read_alerts(struct endpoint *e)
{
    const json_t *list = json_object_get(e->in, "alerts");
    const json_t *first = json_array_get(list, 0);
    if (!first)
        return ST_OK;
    /* Three failures and two successes are what Gatus takes by default. */
    const json_t *failures = json_object_get(first, "failure-threshold");
    const json_t *successes = json_object_get(first, "success-threshold");
    TRY(set(e->check, "retries",
            json_integer(json_is_integer(failures) ? json_integer_value(failures) : 3)));
    TRY(set(e->check, "recoveries",
            json_integer(json_is_integer(successes) ? json_integer_value(successes) : 2)));
    return import_note(e->notes, "its alerts are not imported: give it channels");
}

static enum status read_times(struct endpoint *e)
{
    const char *interval = text_of(e->in, "interval");
    double every = interval ? duration_of(interval) : 60;
    double timeout = duration_of(text_of(json_object_get(e->in, "client"), "timeout"));
    if (every < 1) {
        TRY(import_note(e->notes, "the interval %.32s is not understood: every minute", interval));
        every = 60;
    }
    if (timeout > 0)
        TRY(set(e->check, "timeout", json_real(timeout)));
    return set(e->check, "schedule", json_sprintf("every %.0f seconds", every));
}

/* Parts that change what is checked, and that nothing here stands for. */
static enum status note_others(struct endpoint *e)
{
    static const char *const known[] = {"name",    "group",   "url",      "method", "body",
                                        "headers", "enabled", "interval", "alerts", "conditions",
                                        "client",  "dns",     "graphql",  NULL};
    static const char *const client_known[] = {"insecure", "ignore-redirect", "timeout", NULL};
    const struct {
        const json_t *of;
        const char *const *known;
        const char *prefix;
    } parts[] = {{e->in, known, ""}, {json_object_get(e->in, "client"), client_known, "client."}};
    AUTO_FREE char *all = json_dumps(e->config, JSON_COMPACT);
    if (all && strstr(all, "${"))
        TRY(import_note(e->notes, "variables of the environment (${…}) are not filled in"));
    for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
        const char *name = NULL;
        json_t *value = NULL;
        json_object_foreach ((json_t *)(uintptr_t)parts[p].of, name, value) {
            const char *const *k = parts[p].known;
            while (*k && !str_eq(*k, name))
                k++;
            if (!*k)
                TRY(import_note(e->notes, "%s%.64s is not imported", parts[p].prefix, name));
        }
    }
    return ST_OK;
}

static enum status set_identity(struct endpoint *e, const char *name)
{
    const char *group = text_of(e->in, "group");
    const json_t *enabled = json_object_get(e->in, "enabled");
    TRY(set_text(e->check, "name", name));
    TRY(set_text(e->check, "group", group));
    /* As Gatus itself: the key of an endpoint is its group and its name. */
    TRY(set(e->check, "external_id", json_sprintf("gatus:%.90s_%.90s", group ? group : "", name)));
    return set(e->check, "enabled", json_boolean(!json_is_false(enabled)));
}

static enum status read_endpoint(struct import_doc *doc, const json_t *in)
{
    const char *name = text_of(in, "name");
    const char *url = text_of(in, "url");
    size_t s = scheme_of(in, url ? url : "");
    if (!name || !url)
        return import_skip(doc, name, "endpoint", "it has no name or no url");
    if (s == ARRAY_LEN(schemes) || !check_kind_find(schemes[s].plugin))
        return import_skip(doc, name, json_object_get(in, "dns") ? "dns" : url,
                           "there is no such kind of check");
    json_t *entry = import_add(doc);
    json_t *config = json_object();
    if (!entry || !config)
        return ST_NO_MEMORY;
    struct endpoint e = {.in = in,
                         .check = json_object_get(entry, "check"),
                         .config = config,
                         .notes = json_object_get(entry, "notes")};
    TRY(set(e.check, "config", config));
    TRY(set_text(e.check, "plugin_type", schemes[s].plugin));
    TRY(set_identity(&e, name));
    TRY(schemes[s].read(&e, url + (schemes[s].keeps_scheme ? 0 : strlen(schemes[s].scheme))));
    TRY(read_times(&e));
    TRY(read_conditions(&e));
    TRY(read_alerts(&e));
    return note_others(&e);
}

enum status gatus_read(const json_t *file, struct import_doc *doc, struct errbuf *err)
{
    const json_t *list = json_object_get(file, "endpoints");
    const char *name = NULL;
    json_t *value = NULL;
    if (!json_is_array(list))
        return err_set(err, ST_INVALID, "endpoints is not a list");
    json_object_foreach ((json_t *)(uintptr_t)file, name, value) {
        if (!str_eq(name, "endpoints"))
            TRY(import_note(doc->notes, "the section %.64s is not imported", name));
    }
    size_t i = 0;
    json_array_foreach (list, i, value) {
        if (!json_is_object(value))
            return err_set(err, ST_INVALID, "endpoints[%zu] is not a mapping", i);
        TRY(read_endpoint(doc, value));
    }
    return ST_OK;
}
