"""The business slices: what a city switches on."""
