-- name: dbclock
SELECT clock_timestamp() AS now
