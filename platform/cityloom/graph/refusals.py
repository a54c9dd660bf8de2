"""The one shared GraphQL type of expected failures."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import orjson
import strawberry

from cityloom.core.errors import REFUSAL_CODE_DESCRIPTIONS
from cityloom.core.errors import RefusalCode as Code

if TYPE_CHECKING:
    from cityloom.core.errors import Refusal
    from cityloom.core.text import Locale

RefusalCode: Any = strawberry.enum(
    # Made from the one list in core, so that neither can lack a code.
    Enum(  # type: ignore[call-overload] # the functional form makes a class, whatever mypy infers here
        "RefusalCode",
        {code.name: strawberry.enum_value(code.value, description=REFUSAL_CODE_DESCRIPTIONS[code]) for code in Code},
    ),
    description="What kind of refusal it is. Switch on this; `reason` is finer.",
)


@strawberry.type(
    name="Refusal",
    description="Why a mutation was not carried out. Nothing was changed. Every mutation may answer this instead.",
)
class RefusalData:
    """A refusal as data."""

    code: RefusalCode = strawberry.field(description="The kind of refusal, from a list that only grows.")
    reason: str = strawberry.field(
        description="The exact refusal as a stable word, for example `AREA_STILL_IN_USE`: finer than `code`."
    )
    message: str = strawberry.field(
        description="What is wrong and what would be right, in the caller's language (Accept-Language)."
    )
    path: list[str] = strawberry.field(
        description='The argument or input field that is wrong, from the outside in: `["input", "areaId"]`. Or empty.'
    )
    details: strawberry.scalars.JSON | None = strawberry.field(
        description="Facts of this refusal by name, for example the limit and what was found. Or null."
    )


def camel(name: str) -> str:
    """The name that a field of Python has in GraphQL."""
    head, *tail = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in tail)


def as_data(refusal: Refusal, locale: Locale) -> RefusalData:
    """The refusal in the caller's language."""
    details = {camel(name): value for name, value in refusal.details.items()}
    return RefusalData(
        code=RefusalCode[refusal.code.name],
        reason=refusal.reason,
        message=refusal.message(locale),
        path=[camel(str(step)) for step in refusal.path],
        details=orjson.loads(orjson.dumps(details, default=str)) if details else None,
    )
