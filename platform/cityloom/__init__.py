"""Cityloom: one GraphQL platform that serves many cities as tenants; a city is a configuration, never code."""
