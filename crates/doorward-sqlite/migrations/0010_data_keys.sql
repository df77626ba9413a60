-- What everything is sealed under, itself sealed under a secret that is not in the database.
CREATE TABLE data_keys (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    state TEXT NOT NULL CHECK (state IN ('staged', 'active', 'retired', 'past')),
    sealed BLOB NOT NULL,
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
