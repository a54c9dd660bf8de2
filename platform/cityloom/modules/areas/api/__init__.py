"""The GraphQL API of areas."""
