"""Importing the registry: buildings, dwellings, households and residents, in one wide sheet or in sheets of their own.

A row states one link of the chain or several: a resident with the number of their household, and beside it the
dwelling, the building and the area, as far as they are not registered already. Each link is named by its own key: the
building's code, unit and number in it, the household's number, the resident's identity number. What several rows say of
the same building, dwelling or household is put together; the first row that says something of it holds. Organisations
and vehicles come in sheets of their own, with targets of these names, of which each row is one thing (`rows`). Fields
of the city's own are columns of all of them (`own`).

Values are checked, sealed, masked and indexed by the same functions as those of a single resident.
"""
