"""Tenants in GraphQL: what a city may know of itself (`own`), and the operators' control plane (`control`)."""
