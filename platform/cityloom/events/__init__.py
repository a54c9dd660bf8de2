"""The outbox: what has happened, written in the transaction that made it true; append-only."""
