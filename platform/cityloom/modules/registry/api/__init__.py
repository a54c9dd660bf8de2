"""The GraphQL API of the registry."""
