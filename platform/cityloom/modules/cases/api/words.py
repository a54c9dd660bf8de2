"""The enums of cases, stored as the texts of their values."""

from __future__ import annotations

from enum import Enum

import strawberry


@strawberry.enum(description="The colour that a board shows a case in: a projection of its workflow's state (四色灯).")
class Light(Enum):
    """See `flow.LIGHTS`."""

    RED = strawberry.enum_value("RED", description="Found: nobody has it in hand yet (红).")
    BLUE = strawberry.enum_value("BLUE", description="Somebody was called in or works on it (蓝).")
    YELLOW = strawberry.enum_value("YELLOW", description="Said to be resolved, and waiting for acceptance (黄).")
    GREEN = strawberry.enum_value("GREEN", description="Closed (绿).")


@strawberry.enum(description="How a report came in.")
class CaseSource(Enum):
    """See `models.SOURCES`."""

    SNAP = strawberry.enum_value("SNAP", description="A snap report with a photo (随手拍).")
    GRID = strawberry.enum_value("GRID", description="A grid worker on patrol or visit.")
    HOTLINE = strawberry.enum_value("HOTLINE", description="A call to a hotline such as 12345.")
    MAILBOX = strawberry.enum_value("MAILBOX", description="A letter to the mayor's mailbox or the like.")
    WEB = strawberry.enum_value("WEB", description="A form on the web or in an app.")
    MEDIA = strawberry.enum_value("MEDIA", description="The press or social media.")
    DEVICE = strawberry.enum_value("DEVICE", description="A device that watches a place, such as a smoke alarm.")
    DATA = strawberry.enum_value("DATA", description="A rule over the city's data (数字吹哨).")
    SYSTEM = strawberry.enum_value("SYSTEM", description="Another system.")


@strawberry.enum(description="How urgent a case is.")
class CasePriority(Enum):
    """See `models.PRIORITIES`."""

    LOW = strawberry.enum_value("LOW", description="It can wait.")
    NORMAL = strawberry.enum_value("NORMAL", description="As usual.")
    HIGH = strawberry.enum_value("HIGH", description="Before others.")
    URGENT = strawberry.enum_value("URGENT", description="At once.")


@strawberry.enum(description="What was done with a case.")
class CaseVerb(Enum):
    """See `flow.VERBS and models.OTHER_VERBS`."""

    REPORT = strawberry.enum_value("REPORT", description="It was reported.")
    DISPATCH = strawberry.enum_value("DISPATCH", description="It was given to somebody (派单).")
    WHISTLE = strawberry.enum_value("WHISTLE", description="Departments were called in (吹哨).")
    ACCEPT = strawberry.enum_value("ACCEPT", description="It was accepted (接单).")
    RETURN = strawberry.enum_value("RETURN", description="It was given back (退回).")
    TRANSFER = strawberry.enum_value("TRANSFER", description="It was given to somebody else (转办).")
    HOLD = strawberry.enum_value("HOLD", description="It was put on hold: clocks stand still (挂起).")
    RESUME = strawberry.enum_value("RESUME", description="It goes on (恢复).")
    ESCALATE = strawberry.enum_value("ESCALATE", description="It was taken higher up by hand (上报).")
    RESOLVE = strawberry.enum_value("RESOLVE", description="It is said to be resolved (处置).")
    VERIFY = strawberry.enum_value("VERIFY", description="Somebody else found it resolved (验收).")
    REJECT = strawberry.enum_value("REJECT", description="Somebody else found it not resolved (验收不通过).")
    CLOSE = strawberry.enum_value("CLOSE", description="It was closed (结案).")
    REOPEN = strawberry.enum_value("REOPEN", description="It is open again (重开).")
    CANCEL = strawberry.enum_value("CANCEL", description="It was closed without being handled (作废).")
    ARCHIVE = strawberry.enum_value("ARCHIVE", description="It was archived (归档).")
    ACT = strawberry.enum_value("ACT", description="A step of the workflow without a verb of its own.")
    COMMENT = strawberry.enum_value("COMMENT", description="Somebody wrote something.")
    SUPERVISE = strawberry.enum_value("SUPERVISE", description="A supervisor set its deadline (限期督办).")
    REMIND = strawberry.enum_value("REMIND", description="Its handler was reminded (催办).")
    MERGE = strawberry.enum_value("MERGE", description="A duplicate was joined to it, or it to another case (合并).")
    VISIT = strawberry.enum_value("VISIT", description="The reporter was asked how satisfied they are (回访).")
    RESPOND = strawberry.enum_value("RESPOND", description="A co-handler responded (报到).")
    COMPLETE = strawberry.enum_value("COMPLETE", description="A co-handler is done (协办完成).")
    DECLINE = strawberry.enum_value("DECLINE", description="A co-handler declined (协办退回).")


@strawberry.enum(description="How far a co-handler is.")
class CaseTaskState(Enum):
    """See `models.TASK_STATES`."""

    OPEN = strawberry.enum_value("OPEN", description="Called in, and not answered yet.")
    RESPONDED = strawberry.enum_value("RESPONDED", description="Has responded (已报到).")
    DONE = strawberry.enum_value("DONE", description="Has done their part.")
    DECLINED = strawberry.enum_value("DECLINED", description="Says that it is not theirs.")


@strawberry.enum(description="What a co-handler answers.")
class CaseTaskAnswer(Enum):
    """See `service.tasks`."""

    RESPONDED = strawberry.enum_value("RESPONDED", description="I am on it (报到).")
    DONE = strawberry.enum_value("DONE", description="My part is done.")
    DECLINED = strawberry.enum_value("DECLINED", description="This is not mine; say why.")


@strawberry.enum(description="What a line of the ledger says.")
class CaseClockKind(Enum):
    """See `models.CLOCK_KINDS`."""

    START = strawberry.enum_value("START", description="A clock begins.")
    DEADLINE = strawberry.enum_value("DEADLINE", description="The deadline is set.")
    PAUSE = strawberry.enum_value("PAUSE", description="The clock stands still.")
    RESUME = strawberry.enum_value("RESUME", description="The clock goes on.")
    STOP = strawberry.enum_value("STOP", description="The clock ends.")
    WARN = strawberry.enum_value("WARN", description="Part of the time is used up.")
    BREACH = strawberry.enum_value("BREACH", description="The deadline was missed.")
    ESCALATE = strawberry.enum_value("ESCALATE", description="The case went one rung up its ladder.")


@strawberry.enum(description="Which clock of a case.")
class CaseClockName(Enum):
    """See `clocks.Which`."""

    STATE = strawberry.enum_value("STATE", description="Of the state that it is in.")
    CASE = strawberry.enum_value("CASE", description="Of the whole case.")


@strawberry.enum(description="What a photo or video of a case shows.")
class CasePhotoPurpose(Enum):
    """See `models.PHOTO_PURPOSES`."""

    REPORT = strawberry.enum_value("REPORT", description="The matter as it was reported.")
    BEFORE = strawberry.enum_value("BEFORE", description="The place before it was handled (处置前); a photo.")
    AFTER = strawberry.enum_value("AFTER", description="The place after it was handled (处置后); a photo.")
    OTHER = strawberry.enum_value("OTHER", description="Something else that tells about it.")


@strawberry.enum(description="Whether a matter is on the access list (准入清单).")
class MatterAdmission(Enum):
    """See `models.ADMISSIONS`."""

    PROPOSED = strawberry.enum_value("PROPOSED", description="Somebody asks for it; it cannot be reported yet.")
    ADMITTED = strawberry.enum_value("ADMITTED", description="It can be reported.")
    REFUSED = strawberry.enum_value("REFUSED", description="It was not admitted.")
    WITHDRAWN = strawberry.enum_value("WITHDRAWN", description="It was admitted once.")
