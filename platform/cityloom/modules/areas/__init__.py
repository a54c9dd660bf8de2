"""Areas: the tree of territory that everything else lies in (街道, 社区, 网格 … of any depth).

Words: an *area* has a *kind* of the tenant's own table, a *code*, a *path* (one compact label per ancestor) and a
validity in days. Invariants: no cycles; a child's kind lies on a lower level than its parent's; a code names one area
on any day; the path of a row that lies in an area is proved by a foreign key, and moving the area moves its rows; an
area that has been closed, merged or split stays readable and names its successors.
"""
