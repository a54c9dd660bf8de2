"""The registry: who and what is where, as one chain (人进户、户进房、房进楼、楼进格).

A resident is in a household, the household in a dwelling, the dwelling in a building, the building in an area.

Invariants: a row of the chain lies in the area of the thing that holds it; a household has at most one living head; an
identity number names one resident of the tenant; identity number, phone and exact birth date are stored as envelopes,
with a masked form and a blind index beside them, and never in clear.
"""
