"""Reports in GraphQL."""
