"""Open311 GeoReport v2: cases and matters for clients that know that standard and nothing of this platform.

A facade: every call is one of the platform's own GraphQL operations, under the caller's rights, with the same limits,
audit and refusals. Services are the matters that can be reported, requests are cases, a request's id is its tracking
code. Source: wiki.open311.org/GeoReport_v2, which is frozen.

Whose city it is: the path names a city (`/open311/<slug>/v2/…`) as a public address, as a house number does; it gives
nobody a right. Whoever sends an `api_key` is who that key stands for, and a key of another city is refused. Whoever
sends none sees what the city shows everybody, if it shows anything (`is_public`): never who reported or handles what,
never a photo, a place to about a hundred metres, and no text that somebody wrote unless the city says so.
"""
