"""The enums of reports."""

from __future__ import annotations

from enum import Enum

import strawberry


@strawberry.enum(description="How often a report is run by itself.")
class ReportRhythm(Enum):
    """See `models.RHYTHMS`."""

    DAILY = strawberry.enum_value("DAILY", description="Every day.")
    WEEKLY = strawberry.enum_value("WEEKLY", description="On one weekday.")
    MONTHLY = strawberry.enum_value("MONTHLY", description="On one day of the month, 1 to 28.")


@strawberry.enum(description="How often something is filled in.")
class ReportFrequency(Enum):
    """See `models.FREQUENCIES`."""

    ONCE = strawberry.enum_value("ONCE", description="Once, in the month in which it was filed.")
    DAILY = strawberry.enum_value("DAILY", description="Every day.")
    WEEKLY = strawberry.enum_value("WEEKLY", description="Every Monday.")
    MONTHLY = strawberry.enum_value("MONTHLY", description="Every month.")
    QUARTERLY = strawberry.enum_value("QUARTERLY", description="In the last month of each quarter.")
    YEARLY = strawberry.enum_value("YEARLY", description="In December.")


@strawberry.enum(description="What has become of a report request.")
class ReportRequestState(Enum):
    """See `models.REQUEST_STATES`."""

    PROPOSED = strawberry.enum_value("PROPOSED", description="Somebody has to decide about proposed matches.")
    ASKED = strawberry.enum_value("ASKED", description="What remains of it is filled in by people.")
    GENERATED = strawberry.enum_value("GENERATED", description="Nobody fills it in.")
    WITHDRAWN = strawberry.enum_value("WITHDRAWN", description="It is not wanted any more.")


@strawberry.enum(description="What a requested field was found to be.")
class ReportFieldMatch(Enum):
    """See `models.MATCHES`."""

    NONE = strawberry.enum_value("NONE", description="The platform does not know it.")
    DERIVABLE = strawberry.enum_value("DERIVABLE", description="The platform can derive it itself.")
    ASKED_ELSEWHERE = strawberry.enum_value("ASKED_ELSEWHERE", description="Another request asks for it already.")


@strawberry.enum(description="What a person decided about a match.")
class ReportFieldDecision(Enum):
    """See `models.DECISIONS`."""

    OPEN = strawberry.enum_value("OPEN", description="Nothing yet: it is asked for.")
    CONFIRMED = strawberry.enum_value("CONFIRMED", description="The match is right: it is not asked for.")
    REJECTED = strawberry.enum_value("REJECTED", description="The match is wrong: it is asked for.")


@strawberry.enum(description="What becomes of a request that the platform can answer wholly.")
class ReportRequestAnswer(Enum):
    """See `service.Asked.on_derivable`."""

    GENERATE = strawberry.enum_value("GENERATE", description="A report answers it; nobody is asked.")
    ASK = strawberry.enum_value("ASK", description="It is asked for all the same, for a reason that is kept.")


@strawberry.enum(description="What sort of thing can be ticked.")
class ReportTickKind(Enum):
    """See `composing.Tick.kind`."""

    VALUE = strawberry.enum_value("VALUE", description="A value of the row itself.")
    RELATED = strawberry.enum_value("RELATED", description="A value of the one thing that the row belongs to.")
    COUNT = strawberry.enum_value("COUNT", description="How many things belong to the row.")
    DIMENSION = strawberry.enum_value("DIMENSION", description="What rows are counted by.")
    FIGURE = strawberry.enum_value("FIGURE", description="A count, sum or other figure of a group.")


@strawberry.enum(description="What happened to a row between two snapshots.")
class ReportRowChangeKind(Enum):
    """See `comparing.Change`."""

    ADDED = strawberry.enum_value("ADDED", description="It was not there before.")
    REMOVED = strawberry.enum_value("REMOVED", description="It is not there any more.")
    CHANGED = strawberry.enum_value("CHANGED", description="Some of its cells are others.")
