-- name: migrate_has_table
SELECT to_regclass('schema_migrations') IS NOT NULL AS exists

-- name: migrate_list
SELECT version, name, checksum FROM schema_migrations ORDER BY version

-- name: migrate_insert
INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)
