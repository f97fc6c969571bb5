/*
 * Hosts: one row is a chatops server and a secumon agent at once. It is addressed by its UUID or by
 * its slug ("server-001"), unique in the organisation. admin_status is what people set;
 * connectivity follows from when the host was last heard of.
 */
#ifndef TOCSIN_STORE_HOSTS_H
#define TOCSIN_STORE_HOSTS_H

#include "base/arena.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "db/db.h"

struct host {
    struct uuid id;
    const char *slug;
    const char *name;
    const char *host; /* address to reach it by; NULL for an agent that registered itself */
    int64_t port;
    const char *hostname, *ip_address, *os, *os_version, *agent_version; /* NULL: unknown */
    const char *admin_status;                                            /* active, inactive */
    const char *connectivity;                                      /* online, offline, unknown */
    const char *labels;                                            /* JSON object */
    int64_t last_seen_at, last_metrics_at, created_at, updated_at; /* µs; 0: never */
};

/* What to write; NULL or 0 leaves a member alone (or to its default in a new host). */
struct host_fields {
    const char *slug;
    const char *name;
    const char *host;
    int64_t port;
    const char *hostname, *ip_address, *os, *os_version, *agent_version;
    const char *admin_status;
    const char *labels; /* JSON object */
    /* host_update sets these to null, whatever the members above say. */
    bool clear_hostname, clear_ip_address, clear_os, clear_os_version, clear_agent_version;
};

#define HOST_SLUG_BYTES (LIMIT_HOST_SLUG + 1)
/* A slug from any name: lower case, runs of anything but [a-z0-9] become one "-"; "host" when
 * nothing is left. */
FOR_TESTS void host_slug(const char *name, char out[HOST_SLUG_BYTES]);
/* Whether the text can be a slug: [a-z0-9-], 1 to LIMIT_HOST_SLUG bytes, no "-" at an end. */
bool host_is_slug(const char *text);
/* "online" when seen within LIMIT_HOST_ONLINE_US, "offline" when longer ago, "unknown" if never. */
FOR_TESTS const char *host_connectivity(int64_t last_seen_us, int64_t now_us);

/* By UUID or slug. Strings live in the arena. ST_NOT_FOUND. */
NODISCARD enum status host_find(struct db *db, struct arena *arena, const struct uuid *org,
                                const char *text, struct host *out);
/* The same for an agent's id, which may also be the name that the agent registered with. */
NODISCARD enum status host_find_agent(struct db *db, struct arena *arena, const struct uuid *org,
                                      const char *text, struct host *out);
/* Oldest first; `sort` is NULL, created_at, name, or one of these after a "-". *total counts all.
 */
NODISCARD enum status host_list(struct db *db, struct arena *arena, const struct uuid *org,
                                const char *sort, int64_t limit, int64_t offset, struct host **out,
                                size_t *count, int64_t *total);
/* `name` is needed. Without a slug one is made from the name, made unique by -2, -3 …; a given slug
 * that is taken is ST_CONFLICT. */
NODISCARD enum status host_create(struct db *db, struct arena *arena, const struct uuid *org,
                                  const struct host_fields *in, struct host *out);
/* ST_NOT_FOUND, ST_CONFLICT (slug taken). */
NODISCARD enum status host_update(struct db *db, struct arena *arena, const struct uuid *org,
                                  const struct uuid *id, const struct host_fields *in,
                                  struct host *out);
/* With all its series and keys. ST_NOT_FOUND. */
NODISCARD enum status host_delete(struct db *db, struct arena *arena, const struct uuid *org,
                                  const struct uuid *id);
/* The agent's host, made on first sight. Concurrent first contacts make one. */
NODISCARD enum status host_register(struct db *db, struct arena *arena, const struct uuid *org,
                                    const char *agent_id, struct host *out);

#endif
