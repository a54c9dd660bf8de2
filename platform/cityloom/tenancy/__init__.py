"""Tenants: who they are, which modules, settings and limits they have, and the packs that describe them as folders.

Words: a *tenant* is a city (or district, town, community) that runs its own governance here. A *pack* is the folder
that states what a city should be; the database is what it is. A *base pack* is what several packs extend.

Invariants: the tenant of a unit of work comes from the credential alone; a module that an enabled module needs is
enabled; a pack with an error changes nothing; applying a pack twice changes nothing the second time, and exporting an
applied pack gives the pack, byte for byte, when it is in canonical form.
"""
