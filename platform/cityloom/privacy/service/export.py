"""The export of all that is stored of one person (查阅、复制): JSON that a program can read, with a manifest."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from cityloom.core.ids import encode_id
from cityloom.privacy import permissions
from cityloom.privacy.errors import PurposeCoversNot, PurposeUnknown
from cityloom.privacy.service.disclosures import disclose
from cityloom.privacy.service.holdings import held_of, read_rows
from cityloom.privacy.service.purposes import purpose_in_force
from cityloom.privacy.service.reaching import is_own, reach_person

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.core.subjects import Person
    from cityloom.core.work import Work

FORMAT = "cityloom.person.v1"


async def begin_export(work: Work, person_id: str, *, purpose: str | None) -> Person:
    """The person to be exported, written down as a disclosure of all protected fields.

    A resident exports themself without a purpose; anybody else names one that covers every protected field. Refuses
    what `reach_person` refuses, `PurposeUnknown`, `PurposeCoversNot`.
    """
    person = await reach_person(work, person_id, permissions.EXPORT)
    fields = sorted(one.name for one in person.__person__.fields)
    register = None
    if not is_own(work, person):
        if purpose is None:
            raise PurposeUnknown(path=("purpose",), code="")
        register = await purpose_in_force(work, purpose)
        outside = sorted(set(fields) - set(register.fields))
        if outside:
            raise PurposeCoversNot(path=("purpose",), purpose=register.code, fields=", ".join(outside))
    disclose(work, person, kind="EXPORT", action=permissions.EXPORT, fields=fields, purpose=register)
    await work.session.flush()
    return person


async def export_rows(work: Work, person: Person) -> AsyncIterator[bytes]:
    """The export piece by piece: what is held table by table, then the manifest with counts and hashes of each table.

    The hash of a table is SHA-256 over the texts of its rows as they stand in the export, in their order.
    """
    tag = person.__person__.tag
    head = {"format": FORMAT, "person": encode_id(tag, work.tenant_id, person.id), "at": work.now().isoformat()}
    yield orjson.dumps(head)[:-1] + b',"data":{'
    manifest: list[dict[str, Any]] = []
    for holding in held_of(work, person):
        # One table may be held in two ways: by the person, and by their account.
        name = f"{holding.table}.{holding.column}"
        digest, count = hashlib.sha256(), 0
        yield (b"," if manifest else b"") + orjson.dumps(name) + b":["
        async for row in read_rows(work, holding, person):
            text = orjson.dumps(row, option=orjson.OPT_SORT_KEYS, default=str)
            digest.update(text)
            yield (b"," if count else b"") + text
            count += 1
        yield b"]"
        manifest.append(
            {
                "data": name,
                "title": {"zh": holding.title.zh, "en": holding.title.en},
                "rows": count,
                "sha256": digest.hexdigest(),
                "onErasure": holding.fate.value,
                "reason": {"zh": holding.reason.zh, "en": holding.reason.en},
            }
        )
    yield b'},"manifest":' + orjson.dumps(manifest) + b"}\n"
