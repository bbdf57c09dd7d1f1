-- Ceremonies: what a person is asked for in the browser. A row is used once and gone after minutes.
CREATE TABLE ceremonies (
    id TEXT NOT NULL PRIMARY KEY,
    handle TEXT UNIQUE,
    device BYTEA NOT NULL,
    detail TEXT NOT NULL,
    expires_ms BIGINT NOT NULL,
    taken_ms BIGINT,
    outcome TEXT,
    redeemed_ms BIGINT,
    next_page TEXT
);
CREATE INDEX ceremonies_expiry ON ceremonies (expires_ms);
