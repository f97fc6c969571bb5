-- What people look for in the audit log, each in the order of the list; and users in theirs.
CREATE INDEX audit_log_user ON audit_log (org_id, user_id, at DESC, id DESC) WHERE user_id IS NOT NULL;
CREATE INDEX audit_log_type ON audit_log (org_id, object_type, at DESC, id DESC);
CREATE INDEX audit_log_address ON audit_log (org_id, address, at DESC, id DESC) WHERE address IS NOT NULL;
CREATE INDEX audit_log_request ON audit_log (org_id, request_id, at DESC, id DESC) WHERE request_id IS NOT NULL;
DROP INDEX audit_log_object;
CREATE INDEX audit_log_object ON audit_log (org_id, object_id, at DESC, id DESC);
DROP INDEX users_org;
CREATE INDEX users_org_created ON users (org_id, created_at, id);
