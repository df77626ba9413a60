-- What ended of one token's session and user: for a process that remembers less than the store.
CREATE INDEX endings_by_session ON endings (session_id) WHERE session_id IS NOT NULL;

CREATE INDEX endings_by_user ON endings (user_id) WHERE user_id IS NOT NULL;
