"""What has happened: written with the change that made it true, put in order when committed, read by position.

Words. An *event* is one fact about one *subject*. The *outbox* holds what was written and is not in the stream yet. The
*stream* of a tenant is the table `events`: append-only, each event at a *position* counted from 1 without gaps.
The *subject sequence* counts the events of one subject, also from 1. A *sequencer* moves committed events from the
outbox to the stream; any number of them may run.

Invariants. What is in the stream was committed, once, and stays; what was committed gets there. The order of one
subject's positions is that of its subject sequence, which is the order in which its changes were made, whatever clocks
said. A reader that has seen position n has seen everything before it (ops/decisions/0009).
"""
