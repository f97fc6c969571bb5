-- Lists of incidents, deliveries and the audit log: indices in the very order of the lists (newest
-- first, then by id downwards), so that a deep page is counted off in the index; and of what is rare and
-- looked for among them.
DROP INDEX incidents_org_started;
CREATE INDEX incidents_org_started ON incidents (org_id, started_at DESC, id DESC);
CREATE INDEX incidents_org_updated ON incidents (org_id, updated_at DESC, started_at DESC, id DESC);
DROP INDEX outbox_org_created;
CREATE INDEX outbox_org_created ON outbox (org_id, created_at DESC, id DESC);
CREATE INDEX outbox_not_delivered ON outbox (org_id, status, created_at DESC, id DESC)
    WHERE status <> 'delivered';
CREATE INDEX audit_log_action ON audit_log (org_id, action, at DESC, id DESC);
