"""The GraphQL API of tags."""
