"""The platform's scalars, written the same by PostgreSQL (the compiler) and by Python (mutations, resolved fields)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

#: A whole number of up to 53 bits; money is counted in fen with it.
BigInt = NewType("BigInt", int)

_SAFE = 2**53 - 1


def _big(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or abs(value) > _SAFE:
        raise GraphQLError(f"BigInt cannot represent {value!r}: a whole number between -(2^53-1) and 2^53-1 is needed.")
    return int(value)


def _read_time(value: object) -> datetime:
    refusal = (
        f"DateTime cannot represent {value!r}: RFC 3339 with a zone is needed, for example 2026-05-01T08:30:00+08:00."
    )
    if not isinstance(value, str):
        raise GraphQLError(refusal)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise GraphQLError(refusal) from None
    if moment.tzinfo is None:
        raise GraphQLError(refusal)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise GraphQLError(refusal) from None


def write_time(moment: datetime) -> str:
    """RFC 3339 in UTC with six digits of a second and `Z`: exactly what compiled statements answer."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


BIG_INT: ScalarDefinition = strawberry.scalar(
    name="BigInt",
    description=(
        "A whole number of up to 53 bits, written as a JSON number. Amounts of money are in fen (1 yuan = 100 fen)."
    ),
    serialize=int,
    parse_value=_big,
)
DATE_TIME: ScalarDefinition = strawberry.scalar(
    name="DateTime",
    description=(
        "A moment by RFC 3339. Answers are in UTC with six digits of "
        "a second: 2026-05-01T00:30:00.000000Z. Inputs need a zone."
    ),
    serialize=write_time,
    parse_value=_read_time,
    specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
)

#: For `StrawberryConfig(scalar_map=…)`: every schema that holds bound types needs it.
SCALARS: dict[object, ScalarDefinition] = {BigInt: BIG_INT, datetime: DATE_TIME}
