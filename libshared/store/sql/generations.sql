-- What tells whether a kept reply is out of date (migrations/0017).

-- name: generations_read
SELECT org_id, kind, bit_xor(value) AS value
FROM generations
WHERE org_id = ANY ($1::uuid[])
GROUP BY org_id, kind
