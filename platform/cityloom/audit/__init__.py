"""The audit log (审计日志): one entry per change and per sensitive read, in the transaction that made it; append-only.

Once a minute the entries of a city are sealed: each gets a place in a chain of hashes that cover all before it. In the
same minute the end of the chain is signed and kept outside of the database. Whoever holds the public key and has read
`verifier` (a page, which shares no code with what writes) can prove that nothing was changed, taken out, put in,
moved or cut off since. See ADR 12.
"""
