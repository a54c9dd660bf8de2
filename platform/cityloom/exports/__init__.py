"""Exports: whole lists that leave the platform as files (数据导出), each a compiled selection under the asker's rights.

An export is a query whose one root list is taken whole. It is asked for with a purpose; above the city's row limit, or
where protected fields are told in full, a second person approves it first. A worker runs it with the rights that the
asker has at that moment, never more rows than were approved, and keeps the file sealed until its time is over.

Invariants: nobody approves what they asked for; a file says who took it, when, why and which export it is; what was
approved is the bound of what is delivered; each download is in the audit log.
"""
