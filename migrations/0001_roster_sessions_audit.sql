-- The same text runs on SQLite and on PostgreSQL: BIGINT, TEXT and BYTEA, times in Unix milliseconds.

-- What this database belongs to: the fingerprint of the gateways' key, the public key of the first invitation.
CREATE TABLE deployment (
    name TEXT NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

-- The roster's log. The number is the optimistic lock of whoever appends.
CREATE TABLE statements (
    number BIGINT NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    kind BIGINT NOT NULL,
    statement BYTEA NOT NULL,
    stored_ms BIGINT NOT NULL
);

-- The gateway's own denials, a log as well: the newest row of a subject counts.
CREATE TABLE suspensions (
    number BIGINT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    suspended BIGINT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    stored_ms BIGINT NOT NULL
);
CREATE INDEX suspensions_subject ON suspensions (subject, number);

-- What devices and clusters said of themselves when they were last here.
CREATE TABLE parties_seen (
    party TEXT NOT NULL PRIMARY KEY,
    first_seen_ms BIGINT NOT NULL,
    last_seen_ms BIGINT NOT NULL,
    source_address TEXT NOT NULL,
    version TEXT NOT NULL,
    facts TEXT NOT NULL
);

CREATE TABLE sign_ins (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    passkey_id TEXT NOT NULL,
    evidence BYTEA NOT NULL,
    issued_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    ended_ms BIGINT
);
CREATE INDEX sign_ins_device ON sign_ins (device_id, expires_ms);

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    sign_in_id TEXT NOT NULL REFERENCES sign_ins (id),
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    device_instance BYTEA NOT NULL,
    cluster_id TEXT NOT NULL,
    target TEXT NOT NULL,
    instance BYTEA NOT NULL,
    opened_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    idle_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    end_reason TEXT
);
CREATE INDEX sessions_live ON sessions (ended_ms, expires_ms);
CREATE INDEX sessions_user ON sessions (user_id, opened_ms);

-- Texts that a policy statement may name.
CREATE TABLE policies (
    digest BYTEA NOT NULL PRIMARY KEY,
    text TEXT NOT NULL,
    actor TEXT NOT NULL,
    stored_ms BIGINT NOT NULL
);

-- Heads are kept apart from records, so that a cut or missing chain shows.
CREATE TABLE audit_chains (
    chain BYTEA NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    updated_ms BIGINT NOT NULL
);

CREATE TABLE audit_records (
    position BIGINT NOT NULL PRIMARY KEY,
    chain BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    record BYTEA NOT NULL,
    time_ms BIGINT NOT NULL,
    UNIQUE (chain, seq)
);

-- Numbers handed out in a transaction: whoever adds holds the row, so no reader sees a later one first.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('audit_position', 0), ('suspension', 0);
