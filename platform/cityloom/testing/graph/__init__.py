"""A small city on paper for tests of the compiler: its own tables, bound types, data, and a naive resolver to compare with."""
