"""Departures: a city leaves with all its data, and nothing of it stays (租户退出).

Words: a *departure* is the way of one city from LEAVING to GONE, in steps that are each done once, however often the
process that does them is killed. The *bundle* is everything that the city had, as files under a signed *manifest* of
their hashes. The *certificate* says, signed, what was handed over, what was deleted and when, and is what is left.

Invariants: nothing is written for a city that leaves, and nobody signs in to it; it can be taken back until the first
key is destroyed; keys are destroyed only when an operator has named the manifest of the bundle that was handed over,
and only if the database still holds, table by table, as many rows as the bundle; a city is GONE only when the database
itself counts no row of it in any table with a tenant, and its short name is never given to another.
"""
