"""A small city on paper for tests of the compiler: its own tables, bound types, data.

And a naive resolver to compare with.
"""
