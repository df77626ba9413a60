-- What everything is sealed under, itself sealed under a secret that is not in the database.
CREATE TABLE data_keys (
    id UUID PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('staged', 'active', 'retired', 'past')),
    sealed BYTEA NOT NULL,
    made_at BIGINT NOT NULL
);
