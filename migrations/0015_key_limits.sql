-- Requests a minute of one key; null: as the installation has it, which is the most in any case.
ALTER TABLE api_keys ADD COLUMN rate_limit integer CHECK (rate_limit > 0);
