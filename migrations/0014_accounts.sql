-- Accounts: invitations, sessions that can be told apart, a second factor, users of a proxy,
-- failed sign-ins that all API processes know of, tickets for WebSockets.

ALTER TABLE users ADD COLUMN display_name text;
-- 'proxy': made for somebody whom a proxy had signed in (TOCSIN_AUTH=forward); has no password.
ALTER TABLE users ADD COLUMN source text NOT NULL DEFAULT 'local' CHECK (source IN ('local', 'proxy'));
DROP TRIGGER audit ON users;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF org_id, username, email, password_hash, role,
    is_active, display_name, source ON users
    FOR EACH ROW EXECUTE FUNCTION audit_row('user', 'token_epoch,created_at,updated_at,last_login_at',
                                            'password_hash');

-- What shows a person which of his sessions this is.
ALTER TABLE refresh_tokens ADD COLUMN address text;
ALTER TABLE refresh_tokens ADD COLUMN user_agent text;

CREATE TABLE invitations (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    email       text,                          -- null: whoever has it
    role        text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin', 'owner')),
    token_hash  bytea NOT NULL UNIQUE,
    created_by  uuid REFERENCES users ON DELETE SET NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    accepted_by uuid REFERENCES users ON DELETE SET NULL,
    accepted_at timestamptz,
    revoked_at  timestamptz
);
CREATE INDEX invitations_org ON invitations (org_id, created_at DESC, id DESC);
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF email, role, expires_at, accepted_at, revoked_at
    ON invitations
    FOR EACH ROW EXECUTE FUNCTION audit_row('invitation', 'created_at', 'token_hash');

-- Failed sign-ins by account and by address, as digests: an unknown name that was typed here may be
-- a password. One row each, forgotten a quarter of an hour after the last failure.
CREATE TABLE login_failures (
    key      bytea PRIMARY KEY,
    failures integer NOT NULL,
    last_at  timestamptz NOT NULL
) WITH (fillfactor = 70);

-- Time-based one-time passwords (RFC 6238). Unconfirmed: made, but no code was shown to work yet.
CREATE TABLE user_totp (
    user_id      uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    secret       bytea NOT NULL,                 -- sealed
    confirmed_at timestamptz,
    last_step    bigint NOT NULL DEFAULT 0,      -- of the newest code that was taken: none works twice
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE recovery_codes (
    user_id   uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    used_at   timestamptz,
    PRIMARY KEY (user_id, code_hash)
);

-- Good once and for half a minute; a crash may forget them, hence no log.
CREATE UNLOGGED TABLE ws_tickets (
    ticket_hash bytea PRIMARY KEY,
    user_id     uuid,
    api_key_id  uuid,
    session     uuid,
    expires_at  timestamptz NOT NULL
);
