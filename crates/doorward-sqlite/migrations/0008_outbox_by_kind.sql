-- Workers take each kind of message apart, so that none waits for another's receiver.
CREATE INDEX outbox_due_by_kind ON outbox (kind, due_at, id) WHERE abandoned_at IS NULL;

DROP INDEX outbox_due;
