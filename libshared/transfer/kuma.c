/*
 * Uptime Kuma's backup: JSON with monitorList, notificationList and proxyList, each monitor with
 * the columns of its table. Names are those of Uptime Kuma 1.23.
 */
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/str.h"
#include "json/parse.h"
#include "kinds/kind.h"
#include "transfer/document.h"

struct monitor {
    struct import_doc *doc;
    const json_t *in;
    json_t *check, *config, *notes;
};

static const char *text_of(const json_t *in, const char *name)
{
    const char *s = json_string_value(json_object_get(in, name));
    return str_is_empty(s) ? NULL : s;
}

/* SQLite's booleans come as true or 1. */
static bool flag_of(const json_t *in, const char *name)
{
    const json_t *v = json_object_get(in, name);
    return json_is_true(v) || (json_is_integer(v) && json_integer_value(v) != 0);
}

static double number_of(const json_t *in, const char *name, double fallback)
{
    const json_t *v = json_object_get(in, name);
    int64_t whole = 0;
    if (json_is_string(v) && str_to_i64(json_string_value(v), &whole) == ST_OK)
        return (double)whole;
    return json_is_number(v) ? json_number_value(v) : fallback;
}

static enum status set(json_t *to, const char *name, json_t *value)
{
    return value && json_object_set_new(to, name, value) == 0 ? ST_OK : ST_NO_MEMORY;
}

static enum status set_text(json_t *to, const char *name, const char *text)
{
    return text ? set(to, name, json_string(text)) : ST_OK;
}

static enum status set_every(json_t *to, const char *name, double seconds)
{
    return seconds >= 1 ? set(to, name, json_sprintf("every %.0f seconds", seconds)) : ST_OK;
}

/* --- what is common to all types --- */

static const json_t *monitor_by_id(const json_t *list, json_int_t id)
{
    size_t i = 0;
    const json_t *m = NULL;
    json_array_foreach (list, i, m) {
        if (json_integer_value(json_object_get(m, "id")) == id)
            return m;
    }
    return NULL;
}

static enum status set_group(struct monitor *m, const json_t *list)
{
    const json_t *parent = json_object_get(m->in, "parent");
    if (!json_is_integer(parent))
        return ST_OK;
    const char *name = text_of(monitor_by_id(list, json_integer_value(parent)), "name");
    return set_text(m->check, "group", name);
}

static enum status set_tags(struct monitor *m)
{
    json_t *tags = json_array();
    TRY(set(m->check, "tags", tags));
    size_t i = 0;
    const json_t *tag = NULL;
    json_array_foreach (json_object_get(m->in, "tags"), i, tag) {
        const char *name = text_of(tag, "name");
        const char *value = text_of(tag, "value");
        json_t *text = value && name ? json_sprintf("%s:%s", name, value)
                                     : json_string(name ? name : "");
        if (json_array_append_new(tags, text) != 0)
            return ST_NO_MEMORY;
    }
    return ST_OK;
}

/* What is in a paused group stands still, whatever it says itself. */
static enum status set_enabled(struct monitor *m)
{
    const bool is_active = !json_object_get(m->in, "active") || flag_of(m->in, "active");
    const bool is_held = flag_of(m->in, "forceInactive");
    if (is_active && is_held)
        TRY(import_note(m->notes, "its group is paused, and so is it"));
    return set(m->check, "enabled", json_boolean(is_active && !is_held));
}

static enum status set_common(struct monitor *m, const json_t *list)
{
    double retries = number_of(m->in, "maxretries", 0);
    double timeout = number_of(m->in, "timeout", 0);
    const json_t *id = json_object_get(m->in, "id");
    TRY(set(m->check, "name", json_string(text_of(m->in, "name") ? text_of(m->in, "name") : "")));
    if (json_is_integer(id))
        TRY(set(m->check, "external_id",
                json_sprintf("uptime-kuma:%lld", (long long)json_integer_value(id))));
    TRY(set_enabled(m));
    TRY(set_every(m->check, "schedule", number_of(m->in, "interval", 60)));
    /* Retries follow the first failure there, and count it here. */
    TRY(set(m->check, "retries", json_integer((json_int_t)retries + 1)));
    if (retries > 0)
        TRY(set_every(m->check, "retry_interval", number_of(m->in, "retryInterval", 0)));
    if (timeout > 0)
        TRY(set(m->check, "timeout", json_real(timeout)));
    TRY(set_group(m, list));
    return set_tags(m);
}

/* Settings that have no counterpart: what they would change is said. */
static enum status note_common(struct monitor *m)
{
    static const struct {
        const char *name, *note;
    } flags[] = {
        {"expiryNotification", "warnings about the certificate's expiry are not imported"},
        {"resendInterval", "repeated notifications (resendInterval) are not imported"},
        {"proxyId", "the proxy is not imported"},
        {"description", "the description is not imported"},
    };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (flag_of(m->in, flags[i].name) || text_of(m->in, flags[i].name))
            TRY(import_note(m->notes, "%s", flags[i].note));
    }
    if (json_object_size(json_object_get(m->in, "notificationIDList")) > 0)
        TRY(import_note(m->notes, "its notifications are not imported: give it channels"));
    return ST_OK;
}

/* --- types --- */

static enum status set_headers(struct monitor *m)
{
    const char *text = text_of(m->in, "headers");
    AUTO_JSON headers = NULL;
    if (!text)
        return ST_OK;
    if (json_parse(text, strlen(text), &headers, NULL) != ST_OK || !json_is_object(headers))
        return import_note(m->notes, "its headers are no JSON object and not imported");
    return json_object_set(m->config, "headers", headers) == 0 ? ST_OK : ST_NO_MEMORY;
}

/* There a body has the type of its encoding, unless the headers say otherwise; here it has none. */
static enum status set_body(struct monitor *m)
{
    static const struct {
        const char *encoding, *type;
    } types[] = {{"json", "application/json"},
                 {"form", "application/x-www-form-urlencoded"},
                 {"xml", "text/xml; charset=utf-8"}};
    const char *body = text_of(m->in, "body");
    const char *encoding = text_of(m->in, "httpBodyEncoding");
    const char *name = NULL;
    json_t *value = NULL;
    if (!body)
        return ST_OK;
    TRY(set_text(m->config, "body", body));
    json_object_foreach (json_object_get(m->config, "headers"), name, value) {
        if (strcasecmp(name, "content-type") == 0)
            return ST_OK;
    }
    if (!json_object_get(m->config, "headers"))
        TRY(set(m->config, "headers", json_object()));
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq(encoding ? encoding : "json", types[i].encoding))
            return set_text(json_object_get(m->config, "headers"), "Content-Type", types[i].type);
    }
    return import_note(m->notes, "the body's encoding %.32s is not imported", encoding);
}

static enum status set_statuses(struct monitor *m)
{
    const json_t *list = json_object_get(m->in, "accepted_statuscodes");
    size_t i = 0;
    const json_t *code = NULL;
    AUTO_BUF text;
    buf_init(&text, 4096);
    json_array_foreach (list, i, code) {
        if (!json_is_string(code))
            continue;
        buf_printf(&text, "%s%s", text.len > 0 ? "," : "", json_string_value(code));
    }
    TRY(buf_status(&text));
    return set_text(m->config, "accepted_statuses", text.len > 0 ? buf_cstr(&text) : "200-299");
}

static enum status set_auth(struct monitor *m)
{
    const char *method = text_of(m->in, "authMethod");
    if (!method || str_eq(method, "basic")) {
        TRY(set_text(m->config, "auth_username", text_of(m->in, "basic_auth_user")));
        return set_text(m->config, "auth_password", text_of(m->in, "basic_auth_pass"));
    }
    return str_eq(method, "null")
               ? ST_OK
               : import_note(m->notes, "authentication by %.32s is not imported", method);
}

static enum status read_http(struct monitor *m)
{
    double redirects = number_of(m->in, "maxredirects", 10);
    TRY(set_text(m->config, "url", text_of(m->in, "url")));
    TRY(set_text(m->config, "method", text_of(m->in, "method")));
    TRY(set(m->config, "verify_ssl", json_boolean(!flag_of(m->in, "ignoreTls"))));
    TRY(set(m->config, "follow_redirects", json_boolean(redirects > 0)));
    if (redirects > 0)
        TRY(set(m->config, "max_redirects",
                json_integer((json_int_t)MIN_OF(redirects, (double)LIMIT_PROBE_REDIRECTS))));
    if (redirects > LIMIT_PROBE_REDIRECTS)
        TRY(import_note(m->notes, "%d redirects are followed at most", LIMIT_PROBE_REDIRECTS));
    TRY(set_headers(m));
    TRY(set_body(m));
    TRY(set_auth(m));
    return set_statuses(m);
}

static enum status read_keyword(struct monitor *m)
{
    TRY(read_http(m));
    return set_text(m->config,
                    flag_of(m->in, "invertKeyword") ? "unexpected_content" : "expected_content",
                    text_of(m->in, "keyword"));
}

static enum status read_port(struct monitor *m)
{
    TRY(set_text(m->config, "host", text_of(m->in, "hostname")));
    return set(m->config, "port", json_integer((json_int_t)number_of(m->in, "port", 0)));
}

static enum status read_ping(struct monitor *m)
{
    return set_text(m->config, "host", text_of(m->in, "hostname"));
}

/* One server is asked here, and that may be at a port of its own. */
static enum status set_nameserver(struct monitor *m)
{
    const char *servers = text_of(m->in, "dns_resolve_server");
    const int port = (int)number_of(m->in, "port", 53);
    if (!servers)
        return ST_OK;
    servers += strspn(servers, " [");
    const int len = (int)strcspn(servers, " ,]");
    if (strchr(servers, ','))
        TRY(import_note(m->notes, "of the name servers %.200s the first is asked", servers));
    if (port == 53 || port == 0)
        return set(m->config, "nameserver", json_sprintf("%.*s", len, servers));
    const bool is_v6 = memchr(servers, ':', (size_t)len) != NULL;
    return set(m->config, "nameserver",
               json_sprintf(is_v6 ? "[%.*s]:%d" : "%.*s:%d", len, servers, port));
}

static enum status read_dns(struct monitor *m)
{
    TRY(set_text(m->config, "domain", text_of(m->in, "hostname")));
    TRY(set_text(m->config, "record_type", text_of(m->in, "dns_resolve_type")));
    return set_nameserver(m);
}

static const struct {
    const char *type, *plugin;
    enum status (*read)(struct monitor *m);
} types[] = {
    {"http", "website", read_http}, {"keyword", "website", read_keyword},
    {"port", "tcp", read_port},     {"ping", "ping", read_ping},
    {"dns", "dns", read_dns},
};

static enum status read_monitor(struct import_doc *doc, const json_t *in, const json_t *list)
{
    const char *type = text_of(in, "type");
    const char *name = text_of(in, "name");
    size_t t = 0;
    while (t < ARRAY_LEN(types) && !str_eq(types[t].type, type))
        t++;
    if (str_eq(type, "group"))
        return import_skip(doc, name, type, "its monitors have its name as group");
    if (t == ARRAY_LEN(types) || !check_kind_find(types[t].plugin))
        return import_skip(doc, name, type, "there is no such kind of check");
    if (flag_of(in, "upsideDown"))
        return import_skip(doc, name, type, "a failure that is a success (upside down) is unknown");
    json_t *entry = import_add(doc);
    json_t *config = json_object();
    if (!entry || !config)
        return ST_NO_MEMORY;
    struct monitor m = {.doc = doc,
                        .in = in,
                        .check = json_object_get(entry, "check"),
                        .config = config,
                        .notes = json_object_get(entry, "notes")};
    TRY(set(m.check, "config", config));
    TRY(set_text(m.check, "plugin_type", types[t].plugin));
    TRY(set_common(&m, list));
    TRY(types[t].read(&m));
    return note_common(&m);
}

enum status kuma_read(const json_t *file, struct import_doc *doc, struct errbuf *err)
{
    static const char *const others[] = {"notificationList", "proxyList"};
    const json_t *list = json_object_get(file, "monitorList");
    if (!json_is_array(list))
        return err_set(err, ST_INVALID, "monitorList is not a list");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        size_t count = json_array_size(json_object_get(file, others[i]));
        if (count > 0)
            TRY(import_note(doc->notes, "%s is not imported (%zu entries)", others[i], count));
    }
    size_t i = 0;
    const json_t *m = NULL;
    json_array_foreach (list, i, m) {
        if (!json_is_object(m))
            return err_set(err, ST_INVALID, "monitorList[%zu] is not an object", i);
        TRY(read_monitor(doc, m, list));
    }
    return ST_OK;
}
