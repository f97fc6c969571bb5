-- A job that was asked for is found by its id from then on, not only once it is in the queue.
CREATE INDEX job_outbox_unpublished ON job_outbox (job_id) WHERE published_at IS NULL AND job_id IS NOT NULL;
