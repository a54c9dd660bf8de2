"""The GraphQL API of imports."""
