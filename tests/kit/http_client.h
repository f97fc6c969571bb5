/* A blocking HTTP client for tests, and replies as JSON. */
#ifndef TOCSIN_TESTS_KIT_HTTP_CLIENT_H
#define TOCSIN_TESTS_KIT_HTTP_CLIENT_H

#include <jansson.h>
#include <stddef.h>

struct kit_reply {
    int status;         /* 0: no answer */
    char headers[4096]; /* as they came, cut */
    json_t *json;       /* NULL when the body is none */
};

struct kit_request {
    int port;
    const char *method, *path;
    const char *bearer; /* Authorization: Bearer, or NULL */
    const char *header; /* one more "Name: value", or NULL */
    const char *body;   /* JSON unless `form`, or NULL */
    int form;
};

/* To 127.0.0.1. A reply that is not JSON has json NULL. Free with kit_reply_done. */
struct kit_reply kit_http(const struct kit_request *request);
void kit_reply_done(struct kit_reply *reply);
/* Borrowed texts of the reply: a string member of the body ("" if there is none), also
 * "user.id"; a header's value (in a static buffer, "" if there is none). */
const char *kit_reply_text(const struct kit_reply *reply, const char *path);
const char *kit_reply_header(const struct kit_reply *reply, const char *name);

#endif
