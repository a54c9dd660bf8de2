"""Webhooks: what happens in a city is told to other programs, losing nothing (推送).

Words: an *endpoint* is an address that an integrator gave, with the events it wants; a *delivery* is one event that is
to reach one endpoint, its bytes frozen when it is made; an *attempt* is one try to deliver. The *lane* of an endpoint
is what changes with every event: how far it has read the stream, its last number and hash, and when something is due.

Invariants: the deliveries of an endpoint are numbered without gaps, in the order of the stream, and each names the
hash of the one before; a body never changes once it is made, so a repeat is the same bytes under the same
`webhook-id`; of one subject only the oldest open delivery is tried; nothing is deleted because a receiver was down.
Whatever moves a lane (fan-out, claim, acknowledgement, replay, pause) holds the lock of its row: that is what lets any
number of workers run.
"""
