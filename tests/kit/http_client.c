/* libcurl's easy interface, wrapped for tests. */
#include "tests/kit/http_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BODY_LIMIT = 1 << 20 };

struct body {
    char *data;
    size_t len;
};

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct body *b = arg;
    const size_t len = size * count;
    if (b->len + len > BODY_LIMIT)
        return 0;
    memcpy(b->data + b->len, data, len);
    b->len += len;
    return len;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    struct kit_reply *r = arg;
    const size_t len = size * count, used = strlen(r->headers);
    if (used + len < sizeof(r->headers)) {
        memcpy(r->headers + used, data, len);
        r->headers[used + len] = '\0';
    }
    return len;
}

static struct curl_slist *headers_of(const struct kit_request *q)
{
    char text[8192];
    struct curl_slist *list = NULL;
    if (q->bearer) {
        (void)snprintf(text, sizeof(text), "Authorization: Bearer %s", q->bearer);
        list = curl_slist_append(list, text);
    }
    if (q->body)
        list = curl_slist_append(list, q->form ? "Content-Type: application/x-www-form-urlencoded"
                                               : "Content-Type: application/json");
    return q->header ? curl_slist_append(list, q->header) : list;
}

struct kit_reply kit_http(const struct kit_request *q)
{
    struct kit_reply reply = {0};
    struct body body = {.data = malloc(BODY_LIMIT)};
    struct curl_slist *headers = headers_of(q);
    CURL *curl = curl_easy_init();
    char url[4096];
    long status = 0;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", q->port, q->path);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, q->method ? q->method : "GET");
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 60000L);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply);
    if (q->body)
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, q->body);
    if (curl_easy_perform(curl) == CURLE_OK)
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    reply.status = (int)status;
    reply.json = json_loadb(body.data, body.len, JSON_DECODE_ANY, NULL);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    free(body.data);
    return reply;
}

void kit_reply_done(struct kit_reply *reply)
{
    json_decref(reply->json);
    reply->json = NULL;
}

const char *kit_reply_text(const struct kit_reply *reply, const char *path)
{
    char name[64];
    const json_t *at = reply->json;
    for (const char *p = path; at && *p;) {
        const size_t len = strcspn(p, ".");
        (void)snprintf(name, sizeof(name), "%.*s", (int)len, p);
        at = json_object_get(at, name);
        p += len + (p[len] == '.');
    }
    const char *text = json_string_value(at);
    return text ? text : "";
}

const char *kit_reply_header(const struct kit_reply *reply, const char *name)
{
    static __thread char value[512];
    const size_t len = strlen(name);
    value[0] = '\0';
    for (const char *p = reply->headers; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
        if (strncasecmp(p, name, len) != 0 || p[len] != ':')
            continue;
        p += len + 1;
        p += strspn(p, " ");
        (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\r\n"), p);
        return value;
    }
    return value;
}
