"""What every slice stands on: database, unit of work, ids, clock, refusals, crypto, telemetry. Knows no slice."""
