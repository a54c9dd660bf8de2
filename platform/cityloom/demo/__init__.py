"""Demo populations: people who do not exist, the same ones for the same seed, at the scale of a real city.

Everything that looks personal is impossible by construction: identity numbers carry a division code that was never
issued and cannot be (see `papers`), phone numbers lie in a range that no operator has opened.
"""
