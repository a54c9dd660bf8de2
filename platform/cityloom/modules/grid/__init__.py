"""The grid: who works where, when, and what came of it (网格长、网格员、巡查、走访、日报、评分).

Words: a *post* is a kind of place on a grid's staff, in the city's own table; an *assignment* ties an account
to a post in an area for a time; a *worker* is an account that has or had one. A *shift* is planned and
attended, a *patrol* walked with a *track*, a *visit* made to a door. Inputs of these become *scores* by a
formula of the city.

Invariants: a single post has one holder on any day; an account has no two shifts at once and one patrol under
way; where somebody is can be seen only while they are on shift; a track lies within its patrol's time; a
formula, once used, never changes; a score is the sum of its lines and of what appeals added.
"""
