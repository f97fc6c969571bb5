/* A connection a node of a cluster, and which slot lies where. */
#include <string.h>

#include "base/str.h"
#include "redis/internal.h"

void redis_node_use(struct redis *r, size_t i)
{
    if (i == r->current)
        return;
    r->nodes[r->current].c = r->c;
    r->nodes[r->current].socket_timeout_ms = r->socket_timeout_ms;
    r->current = i;
    r->c = r->nodes[i].c;
    r->socket_timeout_ms = r->nodes[i].socket_timeout_ms;
}

/* A node does not answer: another one knows where its slots are now. */
void redis_nodes_forget(struct redis *r)
{
    if (!r->slot_node)
        return;
    memset(r->slot_node, UNKNOWN_NODE, REDIS_SLOTS);
    r->seed = (r->current + 1) % r->node_count;
}

static enum status node_of(struct redis *r, const struct redis_redirect *to, size_t *out)
{
    for (size_t i = 0; i < r->node_count; i++) {
        if (r->nodes[i].port == to->port && str_eq(r->nodes[i].host, to->host)) {
            *out = i;
            return ST_OK;
        }
    }
    if (r->node_count == NODES_MAX)
        return ST_TOO_LARGE;
    struct node *node = &r->nodes[r->node_count];
    *node = (struct node){.port = to->port};
    (void)str_copy(node->host, sizeof(node->host), to->host);
    *out = r->node_count++;
    return ST_OK;
}

/* Remembers a redirection; *out: the node to ask. ST_NOT_FOUND when the error is none. */
enum status redis_nodes_learn(struct redis *r, const char *error, struct redis_redirect *to,
                              size_t *out)
{
    TRY(redis_redirect_parse(error, to));
    TRY(node_of(r, to, out));
    if (!r->slot_node) {
        r->slot_node = malloc(REDIS_SLOTS);
        if (!r->slot_node)
            return ST_NO_MEMORY;
        memset(r->slot_node, UNKNOWN_NODE, REDIS_SLOTS);
    }
    if (!to->is_ask)
        r->slot_node[to->slot] = (uint8_t)*out;
    return ST_OK;
}

static void route_slot(struct redis *r, int slot)
{
    if (!r->slot_node || r->pending > 0 || r->is_subscribed || slot < 0)
        return;
    redis_node_use(r, r->slot_node[slot] == UNKNOWN_NODE ? r->seed : r->slot_node[slot]);
}

void redis_route(struct redis *r, const char *key)
{
    if (r->slot_node)
        route_slot(r, redis_slot(key, strlen(key)));
}

void redis_node_route(struct redis *r, int count, const char *const *value, const size_t *length)
{
    if (r->slot_node)
        route_slot(r, redis_command_slot(count, value, length));
}
