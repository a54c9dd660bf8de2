"""GraphQL: bound types, the compiler of reads, contracts per city, limits, execution, mutations and HTTP.

Knows principals only by `cityloom.core.principal`. Modules write `api.py` against `cityloom.graph.bound`.
"""
