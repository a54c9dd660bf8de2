"""Reports: stored selections with parameters, kept as snapshots, and what they spare people (报表与减负).

A report is a query whose one root list is taken whole, as an export's is, with typed parameters; it is the city's own
data. It is put together from ticks over what the caller may read, run on demand or by a schedule under its owner's
rights, and two kept results can be compared.

Report requests (填表要求) are what departments ask communities to fill in by hand. Each field asked for is held against
what the platform can derive itself, or is asked for elsewhere already; a person confirms the match, and only the rest
is asked. The burden is counted: forms and minutes, before and after.

Invariants: a result shows nobody more than they may read at that moment; a request that can be derived wholly is not
asked for without a reason that is kept.
"""
