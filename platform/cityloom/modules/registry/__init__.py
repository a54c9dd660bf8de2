"""The registry: who and what is where, as one chain (人进户、户进房、房进楼、楼进格).

A resident is in a household, the household in a dwelling, the dwelling in a building, the building in an area;
organisations are in buildings or dwellings, vehicles belong to residents or organisations. Ties are periods of valid
time; a city adds fields of its own; changes made offline are submitted in batches.

Invariants: a row of the chain lies in the area of the thing that holds it; what a thing says of today is what its open
tie says; a household has at most one living head; an identity number names one resident of the tenant, a plate one
vehicle; identity number, phone, exact birth date and plate are stored as envelopes, with a masked form and a blind
index beside them, and never in clear.
"""
