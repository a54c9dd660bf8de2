"""Tags (标签): what is known of residents beyond their papers, by the city's own catalogue.

A tag is of one class (identity, service, behaviour) and of one sensitivity. People and imports assign tags; rules of
the city assign them too, and take back what a rule assigned once it does not hold any more.

Invariants: a resident has a tag at most once at a time, and earlier periods are kept; an assignment lies in the area of
its resident; a rule never ends what a person assigned; what needs consent ends with it; who may not see tags of a
sensitivity neither reads, finds nor counts them; no event says which sensitive tag somebody has.
"""
