"""The SQL of a tally: what its trigger does, what folds changes, what counts anew and tells the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import table as lightweight
from sqlalchemy.sql.expression import column as lightweight_column

from cityloom.core.tallies import CHANGED, HERE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cityloom.core.tallies import Tally

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call] # the dialect is untyped
_quote = _DIALECT.identifier_preparer.quote

#: The places that count a row at a path: the area itself, and each above it.
_PLACES = f"""CROSS JOIN LATERAL (
    SELECT CASE WHEN n = cardinality(labels) THEN {HERE - 1} + n ELSE n - 1 END AS tier,
      (array_to_string(labels[1:n], '.') || '.') COLLATE "C" AS place
    FROM (SELECT string_to_array(rtrim(area_path, '.'), '.') AS labels) AS split,
      generate_series(1, cardinality(labels)) AS n
  ) AS places"""  # noqa: S608 - a number


def keys(tally: Tally) -> tuple[str, ...]:
    """What tells groups apart, beside the tier."""
    return ("area_path", *map(_quote, tally.by))


def amounts(tally: Tally) -> tuple[str, ...]:
    """The columns that are added up."""
    return tuple(map(_quote, tally.amounts))


def joined(parts: Iterable[str], between: str = ", ") -> str:
    """Parts as one text."""
    return between.join(parts)


def counted(tally: Tally, source: str, *, sign: str = "") -> str:
    """One select of the rows of `source` that are counted, each with its keys and what it adds."""
    values = {name: f"moved.{_quote(name)}" for name in tally.by}
    row = lightweight("moved", *(lightweight_column(c.key, c.type) for c in tally.of.columns))
    added = [f"{sign}1 AS count"]
    for name, measure in tally.measures.items():
        given = measure(row.c)
        text = given.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
        added.append(f"{sign}coalesce({text}, 0) AS {_quote(name)}")
    chosen = joined(["moved.tenant_id", "moved.area_path", *values.values(), *added])
    return f"SELECT {chosen} FROM {source} AS moved WHERE {_is_counted(tally)}"  # noqa: S608 - names of models


def _is_counted(tally: Tally) -> str:
    words = {None: "moved.{} IS NULL", True: "moved.{}", False: "NOT moved.{}"}
    return joined((words[value].format(_quote(name)) for name, value in tally.rows.items()), " AND ")


def _summed(tally: Tally) -> str:
    return joined(f"sum({name}) AS {name}" for name in amounts(tally))


def _is_some(tally: Tally) -> str:
    return joined((f"sum({name}) <> 0" for name in amounts(tally)), " OR ")


def adding(tally: Tally, source: str) -> str:
    """Add what a select of `counted` comes to as changes."""
    columns = joined(["tenant_id", *keys(tally)])
    return (
        f"INSERT INTO public.{tally.table.name} (tenant_id, id, tier, {joined([*keys(tally), *amounts(tally)])}) "  # noqa: S608 - as above
        f"SELECT tenant_id, gen_random_uuid(), {CHANGED}, {joined(keys(tally))}, {_summed(tally)} "
        f"FROM ({source}) AS moved GROUP BY {columns} HAVING {_is_some(tally)}"
    )


def function(tallies: Sequence[Tally]) -> str:
    """The body of the function that all three triggers of a table call, for all the tallies of its rows.

    It runs as whoever writes, under their policies: it can add nothing where they could write nothing. Most statements
    concern no row that is counted: one look says so.
    """
    is_counted = joined(dict.fromkeys(f"({_is_counted(tally)})" for tally in tallies), " OR ")
    come, gone = (f"EXISTS (SELECT FROM {given} AS moved WHERE {is_counted})" for given in ("come", "gone"))
    branches = []
    for event, condition, sources in (
        ("IF TG_OP = 'INSERT'", come, {"come": ""}),
        ("ELSIF TG_OP = 'DELETE'", gone, {"gone": "-"}),
        ("ELSIF TG_OP = 'UPDATE'", f"{come} OR {gone}", {"come": "", "gone": "-"}),
    ):
        parts = (
            joined((counted(tally, source, sign=sign) for source, sign in sources.items()), " UNION ALL ")
            for tally in tallies
        )
        added = joined((f"      {adding(tally, part)};\n" for tally, part in zip(tallies, parts, strict=True)), "")
        branches.append(f"  {event} THEN\n    IF {condition} THEN\n{added}    END IF;\n")
    return f"\nBEGIN\n{joined(branches, '')}  END IF;\n  RETURN NULL;\nEND\n"


def folding(tally: Tally) -> str:
    """Fold at most $2 changes of the tenant $1 into what is kept of areas; answers how many there were.

    Each change is deleted once and added once, so that every other statement sees the same sums before and after.
    """
    names = joined([*keys(tally), *amounts(tally)])
    place = joined(["tier", "place", *keys(tally)[1:]])
    kept = joined(f"{name} = kept.{name} + excluded.{name}" for name in amounts(tally))
    table = tally.table.name
    return f"""
WITH changed AS (
  DELETE FROM {table} WHERE tenant_id = $1 AND id IN (
    SELECT id FROM {table} WHERE tenant_id = $1 AND tier = {CHANGED} LIMIT $2
  ) RETURNING {names}
), spread AS (
  SELECT {place}, {_summed(tally)} FROM changed {_PLACES} GROUP BY {place} HAVING {_is_some(tally)}
), added AS (
  INSERT INTO {table} AS kept (tenant_id, id, tier, {names})
  SELECT $1, md5(ROW({place})::text)::uuid, {place}, {joined(amounts(tally))} FROM spread ORDER BY {place}
  ON CONFLICT (tenant_id, id) DO UPDATE SET {kept}
)
SELECT count(*) FROM changed
"""  # noqa: S608 - as above


def missing_changes(tally: Tally) -> str:
    """What is wrong of the tenant $1 where rows lie: by how much each group of rows differs from what is tallied."""
    named = joined(["tenant_id", *keys(tally)])
    kept = joined(f"-{name} AS {name}" for name in amounts(tally))
    source = f"public.{tally.of.name}"
    return (
        f"{counted(tally, source)} AND moved.tenant_id = $1 UNION ALL SELECT {named}, {kept} FROM {tally.table.name} "  # noqa: S608 - as above
        f"WHERE tenant_id = $1 AND (tier = {CHANGED} OR tier >= {HERE})"
    )


def differences(tally: Tally, source: str) -> str:
    """How many groups of a select of `counted` do not come to nothing."""
    grouped = joined(keys(tally))
    return (
        f"SELECT count(*) FROM (SELECT FROM ({source}) AS moved GROUP BY {grouped} HAVING {_is_some(tally)}) AS wrong"  # noqa: S608 - as above
    )


def missing_sums(tally: Tally) -> str:
    """What is wrong of the tenant $1 above: by how much what is kept of whole areas differs from what lies in them."""
    place = joined(["tier", "place", *keys(tally)[1:]])
    kept = joined(f"-{name}" for name in amounts(tally))
    inner = joined(["tier", "area_path", *keys(tally)[1:]])
    table = tally.table.name
    return f"""
SELECT {place}, {_summed(tally)} FROM (
  SELECT {joined(f"places.{name}" for name in ("tier", "place"))}, {joined([*keys(tally)[1:], *amounts(tally)])}
  FROM (SELECT {joined([*keys(tally), *amounts(tally)])} FROM {table} WHERE tenant_id = $1 AND tier >= {HERE}) AS here
  {_PLACES} WHERE places.tier < {HERE}
  UNION ALL
  SELECT {inner}, {kept} FROM {table} WHERE tenant_id = $1 AND tier >= 0 AND tier < {HERE}
) AS compared GROUP BY {place} HAVING {_is_some(tally)}"""  # noqa: S608 - as above


def settling_sums(tally: Tally) -> str:
    """Put right what `missing_sums` tells; answers how many groups."""
    place = joined(["tier", "place", *keys(tally)[1:]])
    kept = joined(f"{name} = kept.{name} + excluded.{name}" for name in amounts(tally))
    return f"""
WITH wrong AS ({missing_sums(tally)}), added AS (
  INSERT INTO {tally.table.name} AS kept (tenant_id, id, tier, {joined([*keys(tally), *amounts(tally)])})
  SELECT $1, md5(ROW({place})::text)::uuid, {place}, {joined(amounts(tally))} FROM wrong ORDER BY {place}
  ON CONFLICT (tenant_id, id) DO UPDATE SET {kept}
)
SELECT count(*) FROM wrong
"""  # noqa: S608 - as above


def clearing(tally: Tally) -> str:
    """Delete what is kept of the tenant $1 and has come to nothing."""
    nothing = joined((f"{name} = 0" for name in amounts(tally)), " AND ")
    return f"DELETE FROM {tally.table.name} WHERE tenant_id = $1 AND {nothing}"  # noqa: S608 - as above
