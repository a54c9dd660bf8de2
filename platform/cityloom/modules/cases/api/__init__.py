"""The GraphQL API of cases."""
