"""The GraphQL API of the grid."""
