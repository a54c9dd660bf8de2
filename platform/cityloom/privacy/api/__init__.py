"""The GraphQL API of privacy."""
