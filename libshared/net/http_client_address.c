/* Who sent a request: the socket's other end, or whom trusted proxies name in X-Forwarded-For. */
#include "net/http_internal.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]:4711". */
static bool parse_entry(const char *at, size_t len, struct cidr_address *out)
{
    char text[INET6_ADDRSTRLEN + 8];
    while (len > 0 && (*at == ' ' || *at == '\t'))
        at++, len--;
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    if (len == 0 || len >= sizeof(text))
        return false;
    memcpy(text, at, len);
    text[len] = '\0';
    char *address = text;
    char *colon = strchr(text, ':');
    if (text[0] == '[') {
        char *end = strchr(text, ']');
        if (!end)
            return false;
        *end = '\0';
        address = text + 1;
    } else if (colon && !strchr(colon + 1, ':')) {
        *colon = '\0';
    }
    struct cidr_address a = {0};
    a.is_v4 = inet_pton(AF_INET, address, a.b) == 1;
    if (!a.is_v4 && inet_pton(AF_INET6, address, a.b) != 1)
        return false;
    cidr_address_unmap(&a);
    *out = a;
    return true;
}

static void to_sockaddr(const struct cidr_address *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (a->is_v4) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        memcpy(&v4.sin_addr, a->b, 4);
        memcpy(out, &v4, sizeof(v4));
    } else {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        memcpy(&v6.sin6_addr, a->b, 16);
        memcpy(out, &v6, sizeof(v6));
    }
}

/* Walks one field's value from the right; true when the client was found, or what comes before is
 * not to be believed. */
static bool walk(const struct cidr_list *trusted, const char *value, size_t len,
                 struct cidr_address *client)
{
    while (len > 0) {
        const char *comma = memrchr(value, ',', len);
        const char *entry = comma ? comma + 1 : value;
        struct cidr_address a;
        if (!parse_entry(entry, len - (size_t)(entry - value), &a))
            return true;
        *client = a;
        if (!cidr_list_has(trusted, &a))
            return true;
        len = comma ? (size_t)(comma - value) : 0;
    }
    return false;
}

void http_client_address(struct exchange *ex)
{
    const struct cidr_list *trusted = &ex->server->proxies;
    struct cidr_address client;
    ex->req.is_proxied = false;
    if (trusted->count == 0 ||
        !cidr_address_of((const struct sockaddr *)&ex->req.socket_peer, &client, NULL))
        return;
    cidr_address_unmap(&client);
    if (!cidr_list_has(trusted, &client))
        return;
    ex->req.is_proxied = true;
    for (size_t i = ex->field_count; i > 0; i--) {
        const struct http_field *f = &ex->fields[i - 1];
        if (f->name_len == 15 && strncasecmp(f->name, "X-Forwarded-For", 15) == 0 &&
            walk(trusted, f->value, f->value_len, &client))
            break;
    }
    to_sockaddr(&client, &ex->req.peer);
}
