"""The GraphQL API of access."""
