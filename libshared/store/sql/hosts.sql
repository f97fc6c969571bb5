-- Hosts: chatops servers and secumon agents in one table.

-- name: host_get
SELECT id, slug, name, host, port, hostname, ip_address, os, os_version, agent_version,
       admin_status, labels::text AS labels, last_seen_at, last_metrics_at, created_at, updated_at
FROM hosts
WHERE org_id = $1 AND (id = $2 OR slug = $3)
ORDER BY (id = $2) DESC NULLS LAST
LIMIT 1

-- An agent is also known by the name it registered with, where that was no slug.
-- name: host_get_agent
SELECT id, slug, name, host, port, hostname, ip_address, os, os_version, agent_version,
       admin_status, labels::text AS labels, last_seen_at, last_metrics_at, created_at, updated_at
FROM hosts
WHERE org_id = $1 AND (id = $2 OR slug = $3 OR name = $3)
ORDER BY CASE WHEN id = $2 THEN 0 WHEN slug = $3 THEN 1 ELSE 2 END, created_at, id
LIMIT 1

-- name: host_list
SELECT id, slug, name, host, port, hostname, ip_address, os, os_version, agent_version,
       admin_status, labels::text AS labels, last_seen_at, last_metrics_at, created_at, updated_at,
       count(*) OVER () AS total
FROM hosts
WHERE org_id = $1
ORDER BY CASE WHEN $4 = 'name' THEN name END, CASE WHEN $4 = '-name' THEN name END DESC,
         CASE WHEN $4 = '-created_at' THEN created_at END DESC, created_at, id
LIMIT $2 OFFSET $3

-- name: host_count
SELECT count(*) AS total FROM hosts WHERE org_id = $1

-- part: host_insert_values
INSERT INTO hosts (id, org_id, slug, name, host, port, hostname, ip_address, os, os_version,
                   agent_version, admin_status, labels)
VALUES ($1, $2, $3, $4, $5, coalesce($6, 22), $7, $8, $9, $10, $11, coalesce($12, 'active'),
        coalesce($13::jsonb, '{}'))

-- part: host_returned
RETURNING id, slug, name, host, port, hostname, ip_address, os, os_version, agent_version,
          admin_status, labels::text AS labels, last_seen_at, last_metrics_at, created_at,
          updated_at

-- A slug of its own wish: taken is 23505.
-- name: host_insert
-- use: host_insert_values
-- use: host_returned

-- A slug made from the name: no row when it is taken.
-- name: host_insert_free
-- use: host_insert_values
ON CONFLICT (org_id, slug) DO NOTHING
-- use: host_returned

-- Then the first free one of slug-2, slug-3 …; no row when another took it meanwhile. One of as many
-- numbers as there are such slugs, and two more, must be free.
-- name: host_insert_numbered
INSERT INTO hosts (id, org_id, slug, name, host, port, hostname, ip_address, os, os_version,
                   agent_version, admin_status, labels)
SELECT $1, $2, free.slug, $4, $5, coalesce($6, 22), $7, $8, $9, $10, $11, coalesce($12, 'active'),
       coalesce($13::jsonb, '{}')
FROM (SELECT $3::text || '-' || min(n) AS slug
      FROM generate_series(2, (SELECT count(*) + 2 FROM hosts h
                               WHERE h.org_id = $2 AND starts_with(h.slug, $3 || '-'))) n
      WHERE NOT EXISTS (SELECT 1 FROM hosts h
                        WHERE h.org_id = $2 AND h.slug = $3::text || '-' || n)) free
ON CONFLICT (org_id, slug) DO NOTHING
-- use: host_returned

-- $n is null where nothing was given; the flags at the end set a column to null.
-- name: host_update
UPDATE hosts SET
    slug          = coalesce($3, slug),
    name          = coalesce($4, name),
    host          = coalesce($5, host),
    port          = coalesce($6, port),
    hostname      = CASE WHEN $14 THEN NULL ELSE coalesce($7, hostname) END,
    ip_address    = CASE WHEN $15 THEN NULL ELSE coalesce($8, ip_address) END,
    os            = CASE WHEN $16 THEN NULL ELSE coalesce($9, os) END,
    os_version    = CASE WHEN $17 THEN NULL ELSE coalesce($10, os_version) END,
    agent_version = CASE WHEN $18 THEN NULL ELSE coalesce($11, agent_version) END,
    admin_status  = coalesce($12, admin_status),
    labels        = coalesce($13::jsonb, labels),
    updated_at    = now()
WHERE org_id = $2 AND id = $1
-- use: host_returned

-- name: host_delete
DELETE FROM hosts WHERE org_id = $1 AND id = $2

-- Two first contacts of one agent make one host.
-- name: host_register_lock
SELECT pg_advisory_xact_lock(hashtextextended('host:' || $1 || ':' || $2, 0))
