-- Jobs that are enqueued together with a business change: written in its transaction, published
-- after its commit (store/job_outbox.h). A row lives for moments; one that can never be published
-- stays and says why.
CREATE TABLE job_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text NOT NULL,
    job bytea NOT NULL, -- the envelope, as in the stream
    created_at timestamptz NOT NULL DEFAULT now(),
    error text
);
-- It is always being emptied: vacuum before dead rows slow the relay's scan down.
ALTER TABLE job_outbox SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);
