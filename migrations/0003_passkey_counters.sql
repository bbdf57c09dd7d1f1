-- What a passkey said last of how often it has signed. It never falls, except where a passkey was copied.
CREATE TABLE passkey_counters (
    credential_id BYTEA NOT NULL PRIMARY KEY,
    sign_count BIGINT NOT NULL
);
