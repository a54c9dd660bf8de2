"""What can be done with cases."""

from cityloom.modules.cases.service.due import run_due
from cityloom.modules.cases.service.handling import Given, Handler, act, comment, remind, supervise, visit
from cityloom.modules.cases.service.intake import Reported, merge, report, take_in
from cityloom.modules.cases.service.sampling import SampleResult, sample_result
from cityloom.modules.cases.service.tasks import answer
from cityloom.modules.cases.service.workflows import publish, rehearse, withdraw

__all__ = [
    "Given",
    "Handler",
    "Reported",
    "SampleResult",
    "act",
    "answer",
    "comment",
    "merge",
    "publish",
    "rehearse",
    "remind",
    "report",
    "run_due",
    "sample_result",
    "supervise",
    "take_in",
    "visit",
    "withdraw",
]
