"""The GraphQL inputs of cases."""

from __future__ import annotations

from datetime import datetime

import strawberry

from cityloom.graph import bound as b
from cityloom.modules.areas.api.inputs import PositionInput
from cityloom.modules.cases.api.words import CasePhotoPurpose, CasePriority, CaseSource, CaseTaskAnswer

_VERSION = "The `version` that you read; the change is refused as STALE if it is not the current one. Or nothing."
_TRANSITION = "The workflow's transition, where it has several of this kind from the case's state. Or nothing."


@b.input_type(description="Something that somebody noticed. Send `position`, `areaId` or both.")
class CaseReportInput:
    """See `service.report`."""

    matter_id: b.ID = strawberry.field(description="What kind of thing it is: an item of the catalogue.")
    description: str = strawberry.field(description="What was noticed, 1 to 2,000 characters.")
    position: PositionInput | None = strawberry.field(
        default=None, description="Where it is; the grid is found by it where no area is sent."
    )
    area_id: b.ID | None = strawberry.field(default=None, description="The area that it lies in.")
    address: str | None = strawberry.field(default=None, description="Where it is, in words, at most 200 characters.")
    source: CaseSource = strawberry.field(default=CaseSource.WEB, description="How the report came in.")
    priority: CasePriority | None = strawberry.field(default=None, description="How urgent; the matter's own if not.")
    phone: str | None = strawberry.field(
        default=None, description="The reporter's mobile number. It is stored encrypted."
    )
    external_reference: str | None = strawberry.field(
        default=None, description="The number that the source gave it, for example the hotline's; taken once only."
    )
    is_anonymous: bool = strawberry.field(
        default=False, description="Whether nothing that names the reporter is stored; not all matters allow it."
    )
    photos: list[b.ID] = strawberry.field(
        default_factory=list, description="Your uploads (`POST /files`) that show it: photos or videos, at most 20."
    )


@b.input_type(description="What another system reports: things by their codes, and the number that it gave it.")
class CaseIntakeInput:
    """See `service.take_in`."""

    matter_code: str = strawberry.field(description="The code of the matter.")
    external_reference: str = strawberry.field(
        description="The number that your system gave it, at most 200 characters: sent again, nothing is made twice."
    )
    description: str = strawberry.field(description="What was noticed, 1 to 2,000 characters.")
    area_code: str | None = strawberry.field(default=None, description="The official code of the area that it lies in.")
    position: PositionInput | None = strawberry.field(
        default=None, description="Where it is; the grid is found by it where no area is sent."
    )
    address: str | None = strawberry.field(default=None, description="Where it is, in words, at most 200 characters.")
    source: CaseSource = strawberry.field(default=CaseSource.SYSTEM, description="How the report came in.")
    priority: CasePriority | None = strawberry.field(default=None, description="How urgent; the matter's own if not.")
    phone: str | None = strawberry.field(
        default=None, description="The reporter's mobile number. It is stored encrypted."
    )
    photos: list[b.ID] = strawberry.field(default_factory=list, description="Your uploads that show it, at most 20.")


@b.input_type(description="A department or a person that is called in. Send one of the two, or both.")
class CaseHandlerInput:
    """See `service.Handler`."""

    department_id: b.ID | None = strawberry.field(default=None, description="The department.")
    assignee_id: b.ID | None = strawberry.field(default=None, description="The person's account.")
    instruction: str | None = strawberry.field(default=None, description="What they are asked to do.")


@b.input_type(description="A photo or video that comes with a step.")
class CasePhotoInput:
    """See `service.photos.attach`."""

    file_id: b.ID = strawberry.field(description="Your upload: the `id` that `POST /files` answered.")
    purpose: CasePhotoPurpose = strawberry.field(
        default=CasePhotoPurpose.OTHER, description="What it shows; a workflow may demand some before or after."
    )


@b.input_type(description="A step of a case.")
class CaseStepInput:
    """What every step takes."""

    id: b.ID = strawberry.field(description="The case.")
    version: int | None = strawberry.field(default=None, description=_VERSION)
    transition: str | None = strawberry.field(default=None, description=_TRANSITION)
    comment: str | None = strawberry.field(default=None, description="What is said, at most 2,000 characters.")
    photos: list[CasePhotoInput] = strawberry.field(
        default_factory=list, description="Photos and videos that come with it, at most 20."
    )


@b.input_type(description="Whom a case is given to; the matter's own department where nobody is named.")
class CaseGiveInput(CaseStepInput):
    """See `service.act`."""

    department_id: b.ID | None = strawberry.field(default=None, description="The department that leads.")
    assignee_id: b.ID | None = strawberry.field(default=None, description="The person who leads.")
    handlers: list[CaseHandlerInput] = strawberry.field(
        default_factory=list, description="Who is called in beside them, at most 20."
    )


@b.input_type(description="A step that is made on the spot.")
class CaseFieldInput(CaseStepInput):
    """See `service.act`."""

    position: PositionInput | None = strawberry.field(default=None, description="Where the actor is now.")


@b.input_type(description="A step by which somebody says how satisfied they are.")
class CaseJudgeInput(CaseFieldInput):
    """See `service.act`."""

    satisfaction: int | None = strawberry.field(default=None, description="How satisfied, 1 to 5.")


@b.input_type(description="Any transition of a case's workflow, by its code, with all that a step may need.")
class CaseActInput:
    """See `service.act`."""

    id: b.ID = strawberry.field(description="The case.")
    transition: str = strawberry.field(description="The transition's code, from the workflow's `definition`.")
    version: int | None = strawberry.field(default=None, description=_VERSION)
    comment: str | None = strawberry.field(default=None, description="What is said, at most 2,000 characters.")
    photos: list[CasePhotoInput] = strawberry.field(
        default_factory=list, description="Photos and videos that come with it, at most 20."
    )
    department_id: b.ID | None = strawberry.field(default=None, description="The department that leads.")
    assignee_id: b.ID | None = strawberry.field(default=None, description="The person who leads.")
    handlers: list[CaseHandlerInput] = strawberry.field(
        default_factory=list, description="Who is called in beside them, at most 20."
    )
    position: PositionInput | None = strawberry.field(default=None, description="Where the actor is now.")
    satisfaction: int | None = strawberry.field(default=None, description="How satisfied, 1 to 5.")


@b.input_type(description="A comment on a case; no clock moves.")
class CaseCommentInput:
    """See `service.comment`."""

    id: b.ID = strawberry.field(description="The case.")
    text: str = strawberry.field(description="What is said, 1 to 2,000 characters.")


@b.input_type(description="A reminder (催办) to whoever has a case in hand; no clock moves.")
class CaseRemindInput:
    """See `service.remind`."""

    id: b.ID = strawberry.field(description="The case.")
    text: str = strawberry.field(description="What is said, 1 to 2,000 characters.")


@b.input_type(description="A deadline that a supervisor sets (限期督办) for the state that a case is in.")
class CaseSuperviseInput:
    """See `service.supervise`."""

    id: b.ID = strawberry.field(description="The case.")
    due_at: datetime = strawberry.field(description="The new deadline: in the future, within a year.")
    text: str = strawberry.field(description="Why, 1 to 2,000 characters.")
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="A duplicate that is joined to the case that stays.")
class CaseMergeInput:
    """See `service.merge`."""

    id: b.ID = strawberry.field(description="The duplicate; it is closed.")
    into_id: b.ID = strawberry.field(description="The case that stays; it gets the duplicate's reports.")
    text: str | None = strawberry.field(default=None, description="Why, at most 2,000 characters.")
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="A return visit (回访) after a case was closed.")
class CaseVisitReturnInput:
    """See `service.visit`."""

    id: b.ID = strawberry.field(description="The case.")
    satisfaction: int = strawberry.field(description="How satisfied the reporter is, 1 to 5.")
    text: str | None = strawberry.field(default=None, description="What they said, at most 2,000 characters.")
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="A co-handler's answer.")
class CaseTaskAnswerInput:
    """See `service.answer`."""

    id: b.ID = strawberry.field(description="The task.")
    answer: CaseTaskAnswer = strawberry.field(description="What they answer.")
    text: str | None = strawberry.field(default=None, description="What is said, at most 2,000 characters.")
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="A matter that somebody asks to be admitted (准入申请).")
class MatterProposeInput:
    """See `service.catalogue.propose`."""

    parent_id: b.ID = strawberry.field(description="The class that it lies in, whose workflow it takes.")
    code: str = strawberry.field(description="The matter's code, unique in the city, at most 40 characters.")
    name_zh: str = strawberry.field(description="What it is called in Chinese.")
    name_en: str = strawberry.field(description="What it is called in English.")
    department_code: str | None = strawberry.field(default=None, description="The code of the department that owns it.")
    priority: CasePriority | None = strawberry.field(default=None, description="How urgent its cases are.")


@b.input_type(description="The decision on a proposed matter; never by who proposed it.")
class MatterDecideInput:
    """See `service.catalogue.decide`."""

    id: b.ID = strawberry.field(description="The proposed matter.")
    is_admitted: bool = strawberry.field(description="Whether it is admitted.")


@b.input_type(description="A workflow as in a city's pack.")
class WorkflowPublishInput:
    """See `service.publish`."""

    definition: b.JSON = strawberry.field(
        description="`code`, `title`, `initial`, `states`, `transitions` …: as `Workflow.definition` shows them."
    )
    carries_over: bool = strawberry.field(
        default=False, description="Whether open cases go on in the new version, in the state of the same code."
    )


@b.input_type(description="A workflow that is tried against the city as it is; nothing is changed.")
class WorkflowRehearseInput:
    """See `service.rehearse`."""

    definition: b.JSON = strawberry.field(description="The workflow as in a city's pack.")
