/* dns: a question to name servers and what their answer must be like. */
#include "kinds/dns.h"

#include <string.h>

#include "base/str.h"
#include "net/dnsq.h"

static const char *const record_types[] = {
#define DNS_TYPE(name, number) #name,
    DNS_TYPE_TABLE(DNS_TYPE)
#undef DNS_TYPE
        NULL};

static const char *check_name(const char *text)
{
    AUTO_BUF message;
    buf_init(&message, 1024);
    const struct dns_question q = {.name = text, .type = DNS_A};
    return text[0] != '\0' && dns_question_write(&q, &message) == ST_OK
               ? NULL
               : "not a name of labels of 1 to 63 bytes (write others than ASCII as xn--…)";
}

/* check_texts */
#define ONE_OR_MORE(text, max)                                                                    \
    "\"anyOf\":[" text ",{\"type\":\"array\",\"minItems\":1,\"maxItems\":" max ",\"items\":" text \
    "}]"
#define TEXT                                                               \
    "{\"type\":\"string\",\"minLength\":1,\"maxLength\":1024,\"pattern\":" \
    "\"^[^\\\\x00-\\\\x1f\\\\x7f]*$\"}"
#define AT(member) offsetof(struct dns_config, member)
static const struct field fields[] = {
    {.name = "domain",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(domain),
     .min = 1,
     .max = DNS_NAME_BYTES,
     .check = check_name,
     .format = "dns-name",
     .help = "Domain name to check; for PTR an address will do",
     .example = "\"example.com\""},
    {.name = "record_type",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(record_type),
     .choices = record_types,
     .help = "DNS record type: A, AAAA, CAA, CNAME, MX, NS, PTR, SOA, SRV or TXT",
     .example = "\"A\""},
    {.name = "subdomain",
     .type = FT_STRING,
     .offset = AT(subdomain),
     .min = 1,
     .max = DNS_NAME_BYTES,
     .check = check_name,
     .format = "dns-name",
     .help = "Subdomain to check, as www for www.example.com",
     .example = "\"www\""},
    {.name = "expected_value",
     .type = FT_JSON,
     .offset = AT(expected_value),
     .rules = ONE_OR_MORE(TEXT, "32"),
     .help = "Record, or list of records, that must be among the answers",
     .example = "\"192.0.2.1\""},
    {.name = "exact",
     .type = FT_BOOL,
     .offset = AT(exact),
     .help = "Whether there may be no other records than the expected ones (default: false)"},
    {.name = "nameserver",
     .type = FT_JSON,
     .offset = AT(nameserver),
     .rules = ONE_OR_MORE("{\"type\":\"string\",\"format\":\"name-server\"}", "8"),
     .help = "Address of the name server to ask, or list of them (default: the worker's own)",
     .example = "\"192.0.2.53\""},
    {.name = "timeout",
     .type = FT_NUMBER,
     .offset = AT(timeout),
     .min = 0.1,
     .max = 120,
     .help = "Time limit in seconds (default: 10)",
     .example = "10"},
    {.name = "check_authoritative",
     .type = FT_BOOL,
     .offset = AT(check_authoritative),
     .help = "Whether the domain's own name server must say the same (default: false)"},
    {.name = "check_dnssec",
     .type = FT_BOOL,
     .offset = AT(check_dnssec),
     .help = "Whether the name server must have validated the answer by DNSSEC (default: false)"},
    {.name = "check_propagation",
     .type = FT_BOOL,
     .offset = AT(check_propagation),
     .help = "Whether other resolvers are asked for the same (default: false)"},
    {.name = "resolvers",
     .type = FT_LIST,
     .element = FT_STRING,
     .offset = AT(resolvers),
     .min = 1,
     .max = DNS_RESOLVERS_MAX,
     .format = "name-server",
     .help = "Addresses of those resolvers (default: eight public ones)",
     .example = "[\"9.9.9.9\",\"1.1.1.1\"]"},
    {.name = "propagation_threshold",
     .type = FT_NUMBER,
     .offset = AT(propagation_threshold),
     .min = 0.1,
     .max = 100,
     .help = "Percentage of resolvers that must agree, else it is a warning (default: 80)"},
    {.name = "max_workers",
     .type = FT_INT,
     .offset = AT(max_workers),
     .min = 1,
     .max = DNS_RESOLVERS_MAX,
     .help = "Resolvers asked at a time (default: 10)"},
};
#undef AT
static const struct schema config = {
    .name = "DnsConfig",
    .fields = fields,
    .count = ARRAY_LEN(fields),
    .size = sizeof(struct dns_config),
    .rules = "\"anyOf\":[{\"required\":[\"expected_value\"]},"
             "{\"properties\":{\"exact\":{\"const\":false}}}]",
};

static const char *const aliases[] = {"dns_record", NULL};

size_t dns_texts_count(const struct in_json *value)
{
    if (!value->set || value->null || !value->v)
        return 0;
    return json_is_array(value->v) ? json_array_size(value->v) : 1;
}

const char *dns_texts_at(const struct in_json *value, size_t i)
{
    return json_string_value(json_is_array(value->v) ? json_array_get(value->v, i) : value->v);
}

static void check_texts(const struct in_json *value, const char *loc, size_t max,
                        struct field_errors *errors)
{
    size_t count = dns_texts_count(value);
    if (value->set && (count == 0 || count > max))
        field_errors_add(errors, "body", loc, "value_error", "one text, or a list of 1 to %zu",
                         max);
    for (size_t i = 0; i < count; i++) {
        const char *text = dns_texts_at(value, i);
        if (!text || text[0] == '\0' || strlen(text) > 1024 || str_has_control(text))
            field_errors_add(errors, "body", loc, "type_error.string",
                             "not a text of 1 to 1024 bytes, or a list of such");
    }
}

static void check_server(const char *text, const char *loc, struct field_errors *errors)
{
    struct sockaddr_storage address;
    if (text && dnsq_server_parse(text, &address) != ST_OK)
        field_errors_add(errors, "body", loc, "value_error",
                         "%.60s is no address of a name server: 192.0.2.53, 192.0.2.53:5353 or "
                         "[2001:db8::53]:53",
                         text);
}

static void check(const void *bound, struct field_errors *errors)
{
    const struct dns_config *c = bound;
    check_texts(&c->expected_value, "config.expected_value", DNS_EXPECTED_MAX, errors);
    check_texts(&c->nameserver, "config.nameserver", DNSQ_SERVERS_MAX, errors);
    for (size_t i = 0; i < dns_texts_count(&c->nameserver); i++)
        check_server(dns_texts_at(&c->nameserver, i), "config.nameserver", errors);
    const char *const *resolvers = c->resolvers.v;
    for (size_t i = 0; i < c->resolvers.count; i++)
        check_server(resolvers[i], "config.resolvers", errors);
    if (c->subdomain.set && strlen(c->subdomain.v) + strlen(c->domain.v) + 1 > DNS_NAME_BYTES - 1)
        field_errors_add(errors, "body", "config.subdomain", "value_error",
                         "subdomain and domain together are longer than a name may be");
    if (c->exact.set && c->exact.v && !c->expected_value.set)
        field_errors_add(errors, "body", "config.exact", "value_error", "needs an expected_value");
}

const struct check_kind kind_dns = {
    .name = "dns",
    .aliases = aliases,
    .summary = "Check what the DNS answers for a name",
    .config = &config,
    .check = check,
};
