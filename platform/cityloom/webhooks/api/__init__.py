"""The GraphQL side of webhooks."""
