-- Who changed what, when and from where. Rows are written by triggers, in the transaction of the
-- change itself, so that no way to change something goes round them; security events (sign-ins …)
-- are inserted by those who see them. Who it was is what the connection has in the setting
-- tocsin.actor, a JSON object (libshared/db/db.h: db_set_actor); without one it was Tocsin itself.
CREATE TABLE audit_log (
    id          uuid PRIMARY KEY DEFAULT uuid7(),
    org_id      uuid NOT NULL,               -- no foreign keys: the record outlives what it names
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    action      text NOT NULL,               -- check.update, user.login_failed …
    object_type text NOT NULL,
    object_id   text,
    object_name text,                        -- as it was then
    actor_type  text NOT NULL CHECK (actor_type IN ('user', 'api_key', 'anonymous', 'cli', 'system')),
    user_id     uuid,
    username    text,                        -- as it was then
    api_key_id  uuid,
    address     text,
    request_id  text,
    before      jsonb,                       -- what was different before; null for what is new
    after       jsonb                        -- … and is now; null for what is gone
);
CREATE INDEX audit_log_org_at ON audit_log (org_id, at DESC, id DESC);
CREATE INDEX audit_log_object ON audit_log (org_id, object_id, at DESC);
CREATE INDEX audit_log_at ON audit_log USING brin (at);

-- Fills in who it was, as far as the row does not say so itself.
CREATE FUNCTION audit_who() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    who jsonb := coalesce(nullif(current_setting('tocsin.actor', true), ''), '{}')::jsonb;
BEGIN
    NEW.user_id := coalesce(NEW.user_id, (who->>'user_id')::uuid);
    NEW.api_key_id := coalesce(NEW.api_key_id, (who->>'api_key_id')::uuid);
    NEW.actor_type := coalesce(NEW.actor_type, who->>'type', 'system');
    NEW.address := coalesce(NEW.address, who->>'address');
    NEW.request_id := coalesce(NEW.request_id, who->>'request_id');
    NEW.username := coalesce(NEW.username, who->>'name');
    IF NEW.username IS NULL AND NEW.user_id IS NOT NULL THEN
        NEW.username := (SELECT username FROM users WHERE id = NEW.user_id);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_log_who BEFORE INSERT ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_who();

-- What is written stays as it is, until its time is over (housekeeping deletes).
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is not changed';
END $$;
CREATE TRIGGER audit_log_is_final BEFORE UPDATE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();

-- Records a change of one row: audit_row(type, left out, masked), the last two being columns that
-- are no decision of anybody (comma separated), and columns whose values nobody shall read here.
-- Setting revoked_at is called revoke.
CREATE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    left_out CONSTANT text[] := string_to_array(TG_ARGV[1], ',');
    old_row jsonb;
    new_row jsonb;
    the_row jsonb;
    org uuid;
    before jsonb;
    after jsonb;
    masked text;
    verb text := lower(TG_OP);
BEGIN
    IF TG_OP <> 'INSERT' THEN
        old_row := to_jsonb(OLD) - left_out;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        new_row := to_jsonb(NEW) - left_out;
    END IF;
    the_row := coalesce(new_row, old_row);
    org := (CASE WHEN the_row ? 'org_id' THEN the_row->>'org_id' ELSE the_row->>'id' END)::uuid;
    IF org IS NULL THEN
        RETURN NULL; -- Tocsin's own row, nobody's
    END IF;
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(key, value), jsonb_object_agg(key, new_row->key) INTO before, after
        FROM jsonb_each(old_row)
        WHERE value <> new_row->key;
        IF before IS NULL THEN
            RETURN NULL;
        END IF;
        IF after->>'revoked_at' IS NOT NULL THEN
            verb := 'revoke';
        END IF;
    ELSE
        before := old_row;
        after := new_row;
        verb := CASE TG_OP WHEN 'INSERT' THEN 'create' ELSE 'delete' END;
    END IF;
    FOREACH masked IN ARRAY string_to_array(TG_ARGV[2], ',') LOOP
        IF before->>masked IS NOT NULL THEN
            before := jsonb_set(before, ARRAY[masked], '"***"');
        END IF;
        IF after->>masked IS NOT NULL THEN
            after := jsonb_set(after, ARRAY[masked], '"***"');
        END IF;
    END LOOP;
    INSERT INTO audit_log (org_id, action, object_type, object_id, object_name, before, after)
    VALUES (org, TG_ARGV[0] || '.' || verb, TG_ARGV[0], the_row->>'id',
            coalesce(the_row->>'username', the_row->>'name', the_row->>'email'),
            before, after);
    RETURN NULL;
END $$;

-- Which channels a check alerts. When the check itself goes, its own record says so.
CREATE FUNCTION audit_check_channel() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    link jsonb;
BEGIN
    IF TG_OP = 'DELETE' THEN
        link := to_jsonb(OLD);
    ELSE
        link := to_jsonb(NEW);
    END IF;
    INSERT INTO audit_log (org_id, action, object_type, object_id, object_name, before, after)
    SELECT c.org_id, CASE TG_OP WHEN 'DELETE' THEN 'check.channel_remove' ELSE 'check.channel_add' END,
           'check', c.id::text, c.name,
           CASE TG_OP WHEN 'DELETE' THEN link - 'check_id' END,
           CASE TG_OP WHEN 'INSERT' THEN link - 'check_id' END
    FROM checks c WHERE c.id = (link->>'check_id')::uuid;
    RETURN NULL;
END $$;

-- tests/integration/store/audit_test.c names every table of an organisation that has no such
-- trigger, with the reason. UPDATE OF leaves out what services write all the time, at no cost.
CREATE TRIGGER audit AFTER UPDATE ON organisations
    FOR EACH ROW EXECUTE FUNCTION audit_row('organisation', 'created_at', '');
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF org_id, username, email, password_hash, role,
    is_active ON users
    FOR EACH ROW EXECUTE FUNCTION audit_row('user', 'token_epoch,created_at,updated_at,last_login_at',
                                            'password_hash');
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF user_id, host_id, name, scopes, expires_at,
    revoked_at ON api_keys
    FOR EACH ROW EXECUTE FUNCTION audit_row('api_key', 'last_used_at,created_at', 'key_hash');
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF slug, name, host, port, admin_status, labels
    ON hosts
    FOR EACH ROW EXECUTE FUNCTION audit_row('server',
        'last_seen_at,last_metrics_at,created_at,updated_at,hostname,ip_address,os,os_version,agent_version',
        '');
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON channels
    FOR EACH ROW EXECUTE FUNCTION audit_row('channel', 'created_at,updated_at', 'secret');
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON checks
    FOR EACH ROW EXECUTE FUNCTION audit_row('check', 'legacy_id,revision,shard,created_at,updated_at',
                                            'secret');
CREATE TRIGGER audit AFTER INSERT OR DELETE ON check_channels
    FOR EACH ROW EXECUTE FUNCTION audit_check_channel();
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF name, task, args, schedule, queue, priority,
    enabled, catch_up, overlap, jitter_ms ON schedules
    FOR EACH ROW EXECUTE FUNCTION audit_row('schedule',
        'revision,shard,last_slot_at,expected_from,created_at,updated_at', '');
