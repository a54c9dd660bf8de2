"""Privacy (个人信息保护): what protected data are shown for, to whom, and how they are forgotten.

It owns the tenant's register of purposes, the ledger of consents, what was disclosed of whom, legal holds, erasures and
the rotation of keys. People are tables that derive from `core.subjects.Person`; this slice knows none of them by name.

Invariants: a protected value leaves the platform in the answer of an unmasking or an export alone, which needs a
permission, a purpose that covers the field and room in the quota, and is written to the ledger of disclosures and the
audit log in the same transaction; who is under a legal hold is not erased; an erasure is noted outside of the database,
so that a restored backup can be brought up to it (ADR 21). What counts as a sensitive read: ADR 22.
"""
