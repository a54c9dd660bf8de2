"""The audit log: one entry per change and per sensitive read, in the transaction that made it; append-only."""
