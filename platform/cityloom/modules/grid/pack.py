"""The grid in a tenant pack.

`posts.csv` and `staffing.csv` (1+1+1+N, 一长四员, 三长), `visit_forms/<code>.toml`, `score_formulas/<code>.toml` and
`awards.csv`. Forms and formulas are versioned: a changed one is another edition; the pack states the latest.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import delete, func, select, update

from cityloom.core.constraints import refusing
from cityloom.core.errors import Refusal
from cityloom.core.questions import MOST_QUESTIONS, Question
from cityloom.modules.areas.pack import KINDS
from cityloom.modules.grid import models as m
from cityloom.modules.grid.errors import PostStillHeld, PostTaken
from cityloom.modules.grid.formula import checked_terms
from cityloom.tenancy.packs import CsvTable, PackPart, PackRow, PackText, TomlFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from cityloom.core.work import Work
    from cityloom.tenancy.packs import Difference, Differences, Pack, Problems
    from cityloom.tenancy.packs.parts import Rows

Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,39}$")]
FileCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Title = Annotated[str, Field(min_length=1, max_length=100)]


class PostRow(PackRow):
    """One post; `rank` says who is called first, `patrols` for whom the rule of daily patrols holds."""

    code: Code
    title_zh: Title
    title_en: Title
    rank: Annotated[int, Field(ge=1, le=99)]
    lead: bool = False
    single: bool = False
    patrols: bool = False


class StaffingRow(PackRow):
    """How many holders of a post an area of a kind needs, and may have (nothing: any number)."""

    post: str
    area_kind: str
    least: Annotated[int, Field(ge=0, le=999)]
    most: Annotated[int, Field(ge=1, le=999)] | None = None


class QuestionRow(PackRow):
    """One question of a form."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    title: PackText
    kind: Literal["TEXT", "NUMBER", "YES_NO", "CHOICE", "CHOICES", "DAY"] = "TEXT"
    required: bool = False
    choices: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=100)] = Field(
        default_factory=list
    )


class FormRow(PackRow):
    """One form of visits."""

    code: FileCode
    title: PackText
    questions: Annotated[list[QuestionRow], Field(min_length=1, max_length=MOST_QUESTIONS)]


class TermRow(PackRow):
    """One term of a formula; see `formula.Term`."""

    input: str
    weight_milli: int
    per: Literal["NONE", "HOUSEHOLDS", "SHIFTS"] = "NONE"
    per_amount: int = 1
    cap_milli: int | None = None


class FormulaRow(PackRow):
    """One formula of scores."""

    code: FileCode
    title: PackText
    terms: Annotated[list[TermRow], Field(min_length=1)]


class AwardRow(PackRow):
    """One award: how many a period has, and the least score in thousandths of a point."""

    code: Code
    title_zh: Title
    title_en: Title
    places: Annotated[int, Field(ge=1, le=100_000)] | None = None
    least_points_milli: int | None = None


POSTS = CsvTable("posts.csv", PostRow, key=("code",))
STAFFING = CsvTable("staffing.csv", StaffingRow, key=("post", "area_kind"))
FORMS = TomlFolder("visit_forms", FormRow, key=("code",))
FORMULAS = TomlFolder("score_formulas", FormulaRow, key=("code",))
AWARDS = CsvTable("awards.csv", AwardRow, key=("code",))
_IN_USE: dict[str, Callable[[], Refusal]] = dict.fromkeys(
    (
        "fk_post_assignments_post",
        "fk_shifts_tenant_id_post_id",
        "fk_scores_tenant_id_post_id",
        "fk_awards_tenant_id_kind_id",
    ),
    PostStillHeld,
) | {"ex_post_assignments_single": PostTaken}


class GridPart(PackPart):
    """See `cityloom.tenancy.packs.PackPart`."""

    name = "grid"
    tables = (POSTS, STAFFING, FORMS, FORMULAS, AWARDS)

    def check(self, pack: Pack, problems: Problems) -> None:
        """Staffing names posts and kinds that there are; forms and formulas are whole."""
        posts = {entry.row.code: entry.row for entry in pack.entries(POSTS)}
        kinds = {entry.row.code for entry in pack.entries(KINDS)}
        for entry in pack.entries(STAFFING):
            post = posts.get(entry.row.post)
            if post is None:
                problems.add(entry, "post", zh="posts.csv 中没有该岗位", en="posts.csv has no such post")
            if entry.row.area_kind not in kinds:
                problems.add(entry, "area_kind", zh="没有该区域类型", en="there is no such kind of area")
            most = 1 if post is not None and post.single else entry.row.most
            if most is not None and (most < entry.row.least or (entry.row.most or most) > most):
                problems.add(
                    entry,
                    "most",
                    zh="most 不能小于 least;唯一岗位最多 1 人",
                    en="most is not below least, and a single post has one holder at most",
                )
        for form in pack.entries(FORMS):
            codes = [question.code for question in form.row.questions]
            if len(set(codes)) != len(codes):
                problems.add(form, "questions", zh="问题代码重复", en="two questions have the same code")
            if any(
                (question.kind in {"CHOICE", "CHOICES"}) != bool(question.choices) for question in form.row.questions
            ):
                problems.add(
                    form,
                    "questions",
                    zh="选择题须有 choices,其他题不得有",
                    en="choices are given exactly where the kind is CHOICE or CHOICES",
                )
        for formula in pack.entries(FORMULAS):
            try:
                checked_terms([term.model_dump() for term in formula.row.terms])
            except Refusal as refusal:
                problems.add(formula, "terms", zh=refusal.message("zh"), en=refusal.message("en"))

    async def read(self, work: Work) -> Rows:
        """Everything as it is now; of forms and formulas the current editions."""
        posts = {post.id: post for post in await work.session.scalars(select(m.Post))}
        staffing = await work.session.scalars(select(m.PostStaffing))
        forms = await work.session.scalars(select(m.VisitForm).where(m.VisitForm.is_current))
        formulas = await work.session.scalars(select(m.ScoreFormula).where(m.ScoreFormula.is_current))
        awards = await work.session.scalars(select(m.AwardKind))
        return {
            POSTS: [_post_row(post) for post in posts.values()],
            STAFFING: [
                StaffingRow(post=posts[one.post_id].code, area_kind=one.kind, least=one.least, most=one.most)
                for one in staffing
            ],
            FORMS: [_form_row(form) for form in forms],
            FORMULAS: [_formula_row(formula) for formula in formulas],
            AWARDS: [
                AwardRow(
                    code=one.code,
                    title_zh=one.title_zh,
                    title_en=one.title_en,
                    places=one.places,
                    least_points_milli=one.least_points_milli,
                )
                for one in awards
            ],
        }

    async def write(self, work: Work, differences: Differences) -> None:
        """Make it so; refuses (`PostStillHeld`, `PostTaken`) what holders, shifts, scores or awards stand against."""
        await _write_posts(work, differences[POSTS])
        await _write_staffing(work, differences[STAFFING])
        await _write_editions(work, m.VisitForm, differences[FORMS], _form_values)
        await _write_editions(work, m.ScoreFormula, differences[FORMULAS], _formula_values)
        await _write_awards(work, differences[AWARDS])
        async with refusing(work, _IN_USE):
            awards = [row.code for row in differences[AWARDS].removed]
            await work.session.execute(delete(m.AwardKind).where(m.AwardKind.code.in_(awards)))
            posts = [row.code for row in differences[POSTS].removed]
            await work.session.execute(delete(m.Post).where(m.Post.code.in_(posts)))


def _post_row(post: m.Post) -> PostRow:
    return PostRow(
        code=post.code,
        title_zh=post.title_zh,
        title_en=post.title_en,
        rank=post.rank,
        lead=post.is_lead,
        single=post.is_single,
        patrols=post.must_patrol,
    )


def _form_row(form: m.VisitForm) -> FormRow:
    questions = [Question.of(one) for one in form.questions]
    return FormRow(
        code=form.code,
        title=PackText(zh=form.title_zh, en=form.title_en),
        questions=[
            QuestionRow(
                code=question.code,
                title=PackText(zh=question.title_zh, en=question.title_en),
                kind=question.kind,
                required=question.is_required,
                choices=list(question.choices),
            )
            for question in questions
        ],
    )


def _formula_row(formula: m.ScoreFormula) -> FormulaRow:
    return FormulaRow(
        code=formula.code,
        title=PackText(zh=formula.title_zh, en=formula.title_en),
        terms=[TermRow(**term) for term in formula.terms],
    )


def _form_values(row: FormRow) -> dict[str, Any]:
    questions = [
        Question(q.code, q.title.zh, q.title.en, q.kind, is_required=q.required, choices=tuple(q.choices))
        for q in row.questions
    ]
    return {"questions": [question.stored() for question in questions]}


def _formula_values(row: FormulaRow) -> dict[str, Any]:
    return {"terms": [asdict(term) for term in checked_terms([term.model_dump() for term in row.terms])]}


async def _write_posts(work: Work, posts: Difference[PostRow]) -> None:
    for row in (*posts.added, *(new for _, new in posts.changed)):
        values = {
            "title_zh": row.title_zh,
            "title_en": row.title_en,
            "rank": row.rank,
            "is_lead": row.lead,
            "is_single": row.single,
            "must_patrol": row.patrols,
        }
        if row in posts.added:
            work.session.add(m.Post(code=row.code, **values))
            continue
        async with refusing(work, _IN_USE):
            post = await work.session.scalar(select(m.Post).where(m.Post.code == row.code))
            if post is None:
                continue
            for key, value in values.items():
                setattr(post, key, value)
            await work.session.flush()
            # Assignments carry whether their post is single, so that the database can hold them apart.
            await work.session.execute(
                update(m.PostAssignment).where(m.PostAssignment.post_id == post.id).values(is_single=row.single)
            )
    await work.session.flush()


async def _write_staffing(work: Work, staffing: Difference[StaffingRow]) -> None:
    rows = await work.session.execute(select(m.Post.code, m.Post.id))
    posts = {row.code: row.id for row in rows.all()}
    for row in (*staffing.removed, *(old for old, _ in staffing.changed)):
        await work.session.execute(
            delete(m.PostStaffing).where(
                m.PostStaffing.post_id == posts[row.post], m.PostStaffing.kind == row.area_kind
            )
        )
    for row in (*staffing.added, *(new for _, new in staffing.changed)):
        work.session.add(m.PostStaffing(post_id=posts[row.post], kind=row.area_kind, least=row.least, most=row.most))
    await work.session.flush()


async def _write_editions(
    work: Work,
    model: type[m.VisitForm | m.ScoreFormula],
    rows: Difference[Any],
    values: Callable[[Any], dict[str, Any]],
) -> None:
    """A row that is new or changed becomes the next edition; one that is removed is current no longer."""
    wanted = [*rows.added, *(new for _, new in rows.changed)]
    touched = [row.code for row in (*wanted, *rows.removed)]
    if not touched:
        return
    found = await work.session.execute(
        select(model.code, func.max(model.edition)).where(model.code.in_(touched)).group_by(model.code)
    )
    latest: dict[str, int] = {code: edition for code, edition in found.all()}  # noqa: C416 - rows are no pairs for mypy
    await work.session.execute(update(model).where(model.code.in_(touched)).values(is_current=False))
    for row in wanted:
        work.session.add(
            model(
                code=row.code,
                edition=latest.get(row.code, 0) + 1,
                title_zh=row.title.zh,
                title_en=row.title.en,
                is_current=True,
                created_at=work.now(),
                **values(row),
            )
        )
    await work.session.flush()


async def _write_awards(work: Work, awards: Difference[AwardRow]) -> None:
    for row in awards.added:
        work.session.add(m.AwardKind(**row.model_dump()))
    for _, row in awards.changed:
        values = row.model_dump(exclude={"code"})
        await work.session.execute(update(m.AwardKind).where(m.AwardKind.code == row.code).values(values))
    await work.session.flush()
