/* website: an HTTP or HTTPS request and what its answer must be like. */
#include "kinds/website.h"

#include "kinds/status_set.h"
#include "net/header.h"
#include "net/url.h"

static const char *const methods[] = {"GET",   "HEAD",   "POST",    "PUT",
                                      "PATCH", "DELETE", "OPTIONS", NULL};

#define AT(member) offsetof(struct website_config, member)
static const struct field fields[] = {
    {.name = "url",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(url),
     .min = 1,
     .max = LIMIT_URL_BYTES,
     .check = url_check_http,
     .format = "http-url",
     .help = "URL to check",
     .example = "\"https://example.com\""},
    {.name = "expected_status",
     .type = FT_INT,
     .offset = AT(expected_status),
     .min = 100,
     .max = 599,
     .help = "Expected HTTP status code (default: 200)",
     .example = "200"},
    {.name = "accepted_statuses",
     .type = FT_STRING,
     .offset = AT(accepted_statuses),
     .min = 1,
     .max = 256,
     .check = status_set_check,
     .format = "http-status-set",
     .help = "Status codes that are fine, instead of one: 200-299,301 or 2xx",
     .example = "\"200-299,301\""},
    {.name = "timeout",
     .type = FT_NUMBER,
     .offset = AT(timeout),
     .min = 0.1,
     .max = 120,
     .help = "Request timeout in seconds (default: 10)",
     .example = "30"},
    {.name = "method",
     .type = FT_STRING,
     .offset = AT(method),
     .choices = methods,
     .help = "HTTP method (default: GET)",
     .example = "\"GET\""},
    {.name = "headers",
     .type = FT_MAP,
     .offset = AT(headers),
     .rules = HEADERS_RULES,
     .help = "Request headers, an object of strings",
     .example = "{\"Accept\":\"text/html\"}"},
    {.name = "body", .type = FT_STRING, .offset = AT(body), .max = 65536, .help = "Request body"},
    {.name = "expected_content",
     .type = FT_STRING,
     .offset = AT(expected_content),
     .min = 1,
     .max = 4096,
     .help = "Text that the body must contain",
     .example = "\"Welcome\""},
    {.name = "unexpected_content",
     .type = FT_STRING,
     .offset = AT(unexpected_content),
     .min = 1,
     .max = 4096,
     .help = "Text that the body must not contain",
     .example = "\"Fatal error\""},
    {.name = "verify_ssl",
     .type = FT_BOOL,
     .offset = AT(verify_ssl),
     .help = "Whether the TLS certificate must be valid (default: true)",
     .example = "true"},
    {.name = "follow_redirects",
     .type = FT_BOOL,
     .offset = AT(follow_redirects),
     .help = "Whether redirects are followed (default: true)",
     .example = "true"},
    {.name = "max_redirects",
     .type = FT_INT,
     .offset = AT(max_redirects),
     .min = 0,
     .max = LIMIT_PROBE_REDIRECTS,
     .help = "Redirects followed at most (default: 10)"},
    {.name = "warning_time",
     .type = FT_NUMBER,
     .offset = AT(warning_time),
     .min = 0.001,
     .max = 120,
     .help = "A slower answer, in seconds, is a warning",
     .example = "2.5"},
    {.name = "auth_username",
     .type = FT_STRING,
     .offset = AT(auth_username),
     .max = 255,
     .help = "User name for basic authentication"},
    {.name = "auth_password",
     .type = FT_STRING,
     .offset = AT(auth_password),
     .max = 255,
     .flags = F_SECRET | F_NULLABLE,
     .help = "Password for basic authentication"},
};
static const struct schema config = {
    .name = "WebsiteConfig",
    .fields = fields,
    .count = ARRAY_LEN(fields),
    .size = sizeof(struct website_config),
    .rules = "\"not\":{\"required\":[\"expected_status\",\"accepted_statuses\"]}",
};

static const char *const aliases[] = {"website_status", NULL};

static void check(const void *bound, struct field_errors *errors)
{
    const struct website_config *c = bound;
    if (c->headers.set && !c->headers.null)
        headers_check("config.headers", c->headers.v, NULL, errors);
    if (c->expected_status.set && c->accepted_statuses.set)
        field_errors_add(errors, "body", "config.accepted_statuses", "value_error",
                         "expected_status is given already");
}

const struct check_kind kind_website = {
    .name = "website",
    .aliases = aliases,
    .summary = "Check website availability and status",
    .config = &config,
    .check = check,
};
