"""Tags in a tenant pack: the catalogue `tags.csv`, and `tag_rules/<code of a tag>.toml` with one condition `when`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field
from sqlalchemy import delete, select

from cityloom.core.constraints import refusing
from cityloom.core.errors import Refusal
from cityloom.modules.tags import models as m
from cityloom.modules.tags import rules
from cityloom.modules.tags.errors import REFUSALS
from cityloom.modules.tags.service.catalogue import carry_sensitivity, demand_consents
from cityloom.modules.tags.service.rulebook import demand_known, end_rule
from cityloom.privacy.models import Purpose
from cityloom.privacy.pack import PURPOSES
from cityloom.privacy.service.purposes import CODE
from cityloom.tenancy.packs import CsvTable, PackPart, PackRow, TomlFolder

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.tenancy.packs import Difference, Differences, Pack, Problems
    from cityloom.tenancy.packs.parts import Rows

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Title = Annotated[str, Field(min_length=1, max_length=100)]


class TagRow(PackRow):
    """One tag; `validity_days` is how long it is valid where nothing else is said, nothing: until it is withdrawn.

    One that needs consent names the purpose, of `purposes.csv`, to which residents consent.
    """

    code: Code
    title_zh: Title
    title_en: Title
    tag_class: Literal["IDENTITY", "SERVICE", "BEHAVIOUR"]
    sensitivity: Literal["OPEN", "RESTRICTED", "SENSITIVE"] = "RESTRICTED"
    validity_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    needs_consent: bool = False
    purpose: Annotated[str, Field(pattern=CODE)] | None = None


def _in_order(said: Any) -> Any:  # noqa: ANN401 - of any JSON value
    """The same with keys in their order, for the database keeps none."""
    if isinstance(said, dict):
        return {key: _in_order(said[key]) for key in sorted(said)}
    return [_in_order(one) for one in said] if isinstance(said, list) else said


class RuleRow(PackRow):
    """The rule of a tag; `when` is a condition, see `cityloom.modules.tags.rules`."""

    code: Code
    when: Annotated[dict[str, Any], AfterValidator(_in_order)]


TAGS = CsvTable("tags.csv", TagRow, key=("code",))
RULES = TomlFolder("tag_rules", RuleRow, key=("code",))


class TagPart(PackPart):
    """See `cityloom.tenancy.packs.PackPart`."""

    name = "tags"
    tables = (TAGS, RULES)

    def check(self, pack: Pack, problems: Problems) -> None:
        """Rules are whole, of tags that there are and need no consent, and stand on no circle."""
        tags = {entry.row.code: entry.row for entry in pack.entries(TAGS)}
        purposes = {entry.row.code for entry in pack.entries(PURPOSES)}
        for stated in pack.entries(TAGS):
            purpose = stated.row.purpose
            if stated.row.needs_consent and purpose is None:
                problems.add(
                    stated,
                    "purpose",
                    zh="须经同意的标签须指明使用目的",
                    en="a tag on consent names its purpose",
                )
            if purpose is not None and purpose not in purposes:
                problems.add(stated, "purpose", zh="purposes.csv 中没有该目的", en="purposes.csv has no such purpose")
        conditions: dict[str, rules.Condition] = {}
        for entry in pack.entries(RULES):
            tag = tags.get(entry.row.code)
            if tag is None:
                problems.add(entry, "code", zh="tags.csv 中没有该标签", en="tags.csv has no such tag")
            elif tag.needs_consent:
                problems.add(
                    entry, "code", zh="须经同意的标签不能由规则赋予", en="a tag that needs consent can have no rule"
                )
            try:
                condition = rules.parse(entry.row.when)
                demand_known(rules.codes_in(condition), tags)
                conditions[entry.row.code] = condition
                rules.in_order(conditions)
            except Refusal as refusal:
                problems.add(entry, "when", zh=refusal.message("zh"), en=refusal.message("en"))
                conditions.pop(entry.row.code, None)

    async def read(self, work: Work) -> Rows:
        """The catalogue and its rules as they are now."""
        tags = {tag.id: tag for tag in await work.session.scalars(select(m.Tag))}
        found = await work.session.scalars(select(m.TagRule))
        purposes = {code: row_id for row_id, code in (await _purposes(work)).items()}
        return {
            TAGS: [_row(tag, purposes) for tag in tags.values()],
            RULES: [RuleRow(code=tags[rule.tag_id].code, when=rule.definition) for rule in found],
        }

    async def write(self, work: Work, differences: Differences) -> None:
        """Make it so; refuses (`TagInUse`) to remove a tag that somebody has or had."""
        await _write_tags(work, differences[TAGS])
        await _write_rules(work, differences[RULES])
        async with refusing(work, REFUSALS):
            gone = [row.code for row in differences[TAGS].removed]
            await work.session.execute(delete(m.Tag).where(m.Tag.code.in_(gone)))


async def _purposes(work: Work) -> dict[str, UUID]:
    """Ids of the register's purposes by code."""
    found = await work.session.execute(select(Purpose.code, Purpose.id))
    return {row.code: row.id for row in found}


def _row(tag: m.Tag, purposes: dict[UUID, str]) -> TagRow:
    names = TagRow.model_fields.keys() - {"purpose"}
    purpose = None if tag.purpose_id is None else purposes[tag.purpose_id]
    return TagRow.model_validate({name: getattr(tag, name) for name in names} | {"purpose": purpose})


async def _write_tags(work: Work, tags: Difference[TagRow]) -> None:
    purposes = await _purposes(work)

    def values(row: TagRow) -> dict[str, Any]:
        purpose_id = None if row.purpose is None else purposes[row.purpose]
        return row.model_dump(exclude={"purpose"}) | {"purpose_id": purpose_id}

    work.session.add_all(
        m.Tag(version=1, created_at=work.now(), changed_at=work.now(), **values(row)) for row in tags.added
    )
    await work.session.flush()
    for old, row in tags.changed:
        tag = await work.session.scalar(select(m.Tag).where(m.Tag.code == row.code).with_for_update())
        if tag is None:
            continue
        if old.sensitivity != row.sensitivity:
            await carry_sensitivity(work, tag, row.sensitivity)
        changed = values(row)
        await demand_consents(work, tag, needs_consent=row.needs_consent, purpose_id=changed["purpose_id"])
        for key, value in changed.items():
            setattr(tag, key, value)
        tag.version, tag.changed_at = tag.version + 1, work.now()
    await work.session.flush()


async def _write_rules(work: Work, found: Difference[RuleRow]) -> None:
    known = await work.session.execute(select(m.Tag.code, m.Tag.id))
    tags = {row.code: row.id for row in known.all()}
    query = select(m.TagRule).with_for_update()
    present = {rule.tag_id: rule for rule in await work.session.scalars(query)}
    for row in found.removed:
        await end_rule(work, present[tags[row.code]])
    for row in (*found.added, *(new for _, new in found.changed)):
        rule = present.get(tags[row.code])
        if rule is None:
            rule = m.TagRule(tag_id=tags[row.code], edition=0, version=0, created_at=work.now())
            work.session.add(rule)
        rule.definition, rule.edition, rule.version = row.when, rule.edition + 1, rule.version + 1
        rule.is_pending, rule.changed_at = True, work.now()
    await work.session.flush()
