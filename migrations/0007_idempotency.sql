-- Replies to POSTs that came with an Idempotency-Key, for a day. A row without a status is a request
-- that is being worked on, or one that nobody can tell the end of any more.
CREATE TABLE idempotency_keys (
    org_id        uuid NOT NULL,
    owner_id      uuid NOT NULL,               -- user, or a key without one
    key           text NOT NULL,
    fingerprint   bytea NOT NULL,              -- of method, target and body
    running_until timestamptz NOT NULL,
    status        integer,
    reply         bytea,                       -- sealed; null: too large to keep
    expires_at    timestamptz NOT NULL,
    PRIMARY KEY (org_id, owner_id, key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
