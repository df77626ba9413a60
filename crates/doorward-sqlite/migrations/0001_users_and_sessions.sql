-- Moments are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE users (
    -- AUTOINCREMENT: the number of a removed account never comes back.
    id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id > 0),
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    full_name TEXT,
    role TEXT NOT NULL CHECK (role IN ('user', 'admin')),
    is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    password_hash TEXT NOT NULL,
    credential_version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT;

-- One row a session, rewritten in place by every rotation: what a rotation changes is in no index.
CREATE TABLE sessions (
    handle BLOB PRIMARY KEY NOT NULL CHECK (length(handle) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    user_id INTEGER NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    current_hash BLOB NOT NULL CHECK (length(current_hash) = 32),
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    spent_hash BLOB CHECK (length(spent_hash) = 32),
    spent_at INTEGER,
    sealed_successor BLOB CHECK (length(sealed_successor) = 64),
    ended_at INTEGER,
    ended_reason TEXT,
    CHECK ((spent_hash IS NULL) = (spent_at IS NULL)),
    CHECK (sealed_successor IS NULL OR spent_hash IS NOT NULL),
    CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user_id);

-- What access tokens must not outlive, in the order of its recording.
CREATE TABLE endings (
    -- AUTOINCREMENT: a reader's position never meets a number twice, though old endings are removed.
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('session', 'deactivated', 'reactivated', 'role_changed')),
    session_id BLOB CHECK (length(session_id) = 16),
    user_id INTEGER,
    role TEXT,
    CHECK ((kind = 'session') = (session_id IS NOT NULL)),
    CHECK ((kind = 'session') = (user_id IS NULL)),
    CHECK ((kind = 'role_changed') = (role IS NOT NULL))
) STRICT;

-- Always empty: where a readiness check proves that the database still takes writes.
CREATE TABLE probes (
    room BLOB NOT NULL
) STRICT;
