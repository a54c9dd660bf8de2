"""Cases: what somebody reports goes through the city's own workflow until it is really closed (闭环).

A *matter* (事项) is something that may become a case; a *case* (事件) is one report of it on its way; a *workflow* says
through which states it goes, who may move it and how long each state may take; the *ledger* of clocks says what time
was used.

Invariants: a case is in one state of the workflow version that it is pinned to; it moves only by a transition of that
version; lights, deadlines, overdue and escalation are projections of the append-only ledger and change with it alone;
nobody verifies what they resolved.
"""
