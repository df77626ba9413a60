-- An account with all that a decision about it may need is one row, written anew if its revision is still the one read.
ALTER TABLE users ADD COLUMN email_verified_at INTEGER;
ALTER TABLE users ADD COLUMN must_change_password INTEGER NOT NULL DEFAULT 0 CHECK (must_change_password IN (0, 1));
-- JSON, as the library writes it.
ALTER TABLE users ADD COLUMN second_factor TEXT;
-- JSON, as the library writes it; NULL: none.
ALTER TABLE users ADD COLUMN tickets TEXT;
ALTER TABLE users ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;

-- Who could act when an administrator steps down: a handful of rows among millions.
CREATE INDEX acting_admins ON users (id) WHERE role = 'admin' AND is_active = 1;

-- When the person last proved in it who they are; NULL, in sessions from before this migration: when it was opened.
ALTER TABLE sessions ADD COLUMN authenticated_at INTEGER;
ALTER TABLE sessions ADD COLUMN device TEXT;
ALTER TABLE sessions ADD COLUMN address BLOB CHECK (length(address) IN (4, 16));

-- What happened, in the order of its recording. No reference to users: events outlive accounts.
CREATE TABLE events (
    -- AUTOINCREMENT: a page's end is never another event later.
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    user_id INTEGER,
    session_id BLOB CHECK (length(session_id) = 16),
    actor TEXT NOT NULL CHECK (actor IN ('anonymous', 'user', 'operator')),
    actor_id INTEGER,
    address BLOB CHECK (length(address) IN (4, 16)),
    user_agent TEXT,
    request_id TEXT,
    -- A JSON object of strings; NULL: none.
    details TEXT,
    CHECK ((actor = 'user') = (actor_id IS NOT NULL))
) STRICT;

-- Each of these has the position at its end, as every index has, and only grows at an end.
CREATE INDEX events_by_user ON events (user_id) WHERE user_id IS NOT NULL;

CREATE INDEX events_by_kind ON events (kind);

CREATE INDEX events_by_moment ON events (at);

-- What is to be sent. Rows come and go; abandoned ones stay for a while, without what they said.
CREATE TABLE outbox (
    id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    kind TEXT NOT NULL,
    user_id INTEGER,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    abandoned_at INTEGER,
    sealed BLOB NOT NULL
) STRICT;

CREATE INDEX outbox_due ON outbox (due_at, id) WHERE abandoned_at IS NULL;

CREATE INDEX outbox_abandoned ON outbox (abandoned_at) WHERE abandoned_at IS NOT NULL;

CREATE INDEX outbox_by_user ON outbox (user_id) WHERE user_id IS NOT NULL;
