-- What ended of one token's session and user: for a process that remembers less than the store.
CREATE INDEX endings_by_session ON endings (session_id) WHERE session_id IS NOT NULL;

CREATE INDEX endings_by_user ON endings (user_id) WHERE user_id IS NOT NULL;

-- One row: which node removes the dead, and until when, by this server's clock, no other does.
CREATE TABLE housekeeping (
    holder UUID NOT NULL,
    held_until TIMESTAMPTZ NOT NULL
);

INSERT INTO housekeeping (holder, held_until) VALUES (gen_random_uuid(), '-infinity');
