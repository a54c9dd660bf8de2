"""What can be refused about cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.errors import NotFound, Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Callable

THINGS = {
    "case": ("case", "事件"),
    "task": ("task", "协办任务"),
    "matter": ("matter", "事项"),
    "department": ("department", "部门"),
    "account": ("account", "账号"),
    "workflow": ("workflow", "流程"),
    "photo": ("photo", "照片"),
}


def absent(thing: str, path: tuple[str | int, ...] = ("id",)) -> NotFound:
    """There is no such thing, or the caller may not know of it."""
    noun, zh = THINGS[thing]
    return NotFound(path=path, thing=noun, thing_zh=zh)


class TransitionNotOpen(Refusal):
    """From the state {state} this cannot be done; what can be done now: {known}."""

    code = RefusalCode.INVALID_STATE
    zh = "当前状态({state})不能执行此操作;现在可以:{known}。"


class TransitionAmbiguous(Refusal):
    """There are several ways to do this: name one of {known} as `transition`."""

    zh = "有多种办理方式:请在 transition 中指定其一:{known}。"


class NotYours(Refusal):
    """This step is for: {who}."""

    code = RefusalCode.FORBIDDEN
    zh = "此步骤只能由以下人员办理:{who}。"


class NotByTheResolver(Refusal):
    """Nobody verifies what they resolved themselves."""

    code = RefusalCode.FORBIDDEN
    zh = "处置人不能验收自己处置的事件。"


class GuardFailed(Refusal):
    """The workflow does not allow this yet: {guard}."""

    code = RefusalCode.INVALID_STATE
    zh = "流程尚不允许此操作:{guard}。"


class NeedMissing(Refusal):
    """This step needs: {need}."""

    zh = "此步骤必须提供:{need}。"


class TooFarAway(Refusal):
    """You have to be within {metres} m of the place; you are about {found} m away."""

    code = RefusalCode.INVALID_STATE
    zh = "须在现场 {metres} 米以内办理;您距现场约 {found} 米。"


class ReopenWindowOver(Refusal):
    """The case was closed more than {days} days ago: report it anew."""

    code = RefusalCode.INVALID_STATE
    zh = "结案已超过 {days} 天,不能重开:请重新上报。"


class CaseClosed(Refusal):
    """The case is closed."""

    code = RefusalCode.INVALID_STATE
    zh = "事件已结案。"


class MatterNotReportable(Refusal):
    """The matter {matter} is a class, or is not admitted, or not valid today: choose one of its items."""

    code = RefusalCode.INVALID_STATE
    zh = "事项 {matter} 为类别,或未准入,或今日无效:请选择具体事项。"


class ReporterNotAllowed(Refusal):
    """This matter may be reported by: {known}."""

    code = RefusalCode.FORBIDDEN
    zh = "此事项仅限以下人员上报:{known}。"


class AnonymousNotAllowed(Refusal):
    """This matter is not taken without a name."""

    zh = "此事项不接受匿名上报。"


class PlaceUnknown(Refusal):
    """No area of the city holds this position: send another one, or an `areaId`."""

    zh = "该位置不在本市任何区域内:请更正位置或给出 areaId。"


class PlaceMissing(Refusal):
    """Say where it is: send `position`, `areaId` or both."""

    zh = "请给出位置(position)或区域(areaId)。"


class DeadlineWrong(Refusal):
    """A deadline lies in the future, within a year."""

    zh = "期限须在将来,且不超过一年。"


class TextWrong(Refusal):
    """The text has 1 to {limit} characters."""

    zh = "文本须为 1 至 {limit} 个字符。"


class ReportedAlready(Refusal):
    """This report of the source was taken already."""

    code = RefusalCode.CONFLICT
    zh = "该来源的此条记录已受理。"


class MergeImpossible(Refusal):
    """Only open cases can be merged, and not into themselves."""

    code = RefusalCode.INVALID_STATE
    zh = "只能合并未结案的事件,且不能与自身合并。"


class TaskAnswered(Refusal):
    """The task was answered already."""

    code = RefusalCode.INVALID_STATE
    zh = "该协办任务已回应。"


class ReferenceMissing(Refusal):
    """Send the number that your system gave it as `externalReference`, at most {limit} characters."""

    zh = "请以 externalReference 给出贵系统的编号,最多 {limit} 个字符。"


class PeriodWrong(Refusal):
    """The period ends before it begins."""

    zh = "时间段的结束不能早于开始。"


class TooManyPhotos(Refusal):
    """At most {limit} photos and videos come with one step."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "每个步骤最多 {limit} 个照片或视频。"


class SatisfactionWrong(Refusal):
    """Satisfaction is a whole number from 1 to 5."""

    zh = "满意度为 1 至 5 的整数。"


class WorkflowFaulty(Refusal):
    """The workflow {workflow} cannot be published: {reasons_en}"""  # noqa: D415 - the reasons end the sentence

    code = RefusalCode.INVALID_PACK
    zh = "流程 {workflow} 不能发布:{reasons_zh}"


class WorkflowStillUsed(Refusal):
    """Matters or open cases still go through the workflow {workflow}: {counts}."""

    code = RefusalCode.STILL_IN_USE
    zh = "仍有事项或未结案事件使用流程 {workflow}:{counts}。"


class WorkflowWouldStrand(Refusal):
    """The new version would strand open cases: {counts}."""

    code = RefusalCode.CONFLICT
    zh = "新版本会使未结案事件无路可走:{counts}。"


class MatterStillUsed(Refusal):
    """There are cases of the matter {matter}: end its validity instead."""

    code = RefusalCode.STILL_IN_USE
    zh = "事项 {matter} 已有事件:请改为设置失效日期。"


class MatterCodeTaken(Refusal):
    """Another matter has this code."""

    code = RefusalCode.CONFLICT
    zh = "该事项编码已被使用。"


class MatterDecided(Refusal):
    """The matter was decided on already."""

    code = RefusalCode.INVALID_STATE
    zh = "该事项已审批。"


class ApprovedByProposer(Refusal):
    """Nobody admits what they proposed themselves."""

    code = RefusalCode.FORBIDDEN
    zh = "申请人不能审批自己申请的事项。"


class CaseMovedMeanwhile(Refusal):
    """The area was changed at the same moment: repeat."""

    code = RefusalCode.STALE
    zh = "所在区域刚刚发生调整:请重试。"


#: Constraints of this slice's tables, by name.
REFUSALS: dict[str, Callable[[], Refusal]] = {
    "uq_case_reports_external": lambda: ReportedAlready(path=("externalReference",)),
    "uq_matters_tenant_id_code": lambda: MatterCodeTaken(path=("code",)),
    "fk_cases_tenant_id_department_id": lambda: absent("department", ("departmentId",)),
    "fk_cases_tenant_id_assignee_id": lambda: absent("account", ("assigneeId",)),
    "fk_case_tasks_tenant_id_department_id": lambda: absent("department", ("handlers",)),
    "fk_case_tasks_tenant_id_assignee_id": lambda: absent("account", ("handlers",)),
    "fk_case_steps_tenant_id_department_id": lambda: absent("department", ("departmentId",)),
    "fk_case_steps_tenant_id_assignee_id": lambda: absent("account", ("assigneeId",)),
    "fk_matters_tenant_id_department_id": lambda: absent("department", ("departmentId",)),
    **{f"fk_{table}_tenant_id_area_id_area_path": CaseMovedMeanwhile for table in ("cases", "case_tasks")},
}
