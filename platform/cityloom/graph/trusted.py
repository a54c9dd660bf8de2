"""Trusted documents: registered once, asked for by id; a client can be held to them."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

import orjson
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from cityloom.core.constraints import refusing
from cityloom.core.database import SET_CONTEXT
from cityloom.core.errors import InvalidInput, NotFound, Refusal, RefusalCode
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.graph.documents import document_id
from cityloom.graph.events import ClientRestricted, DocumentsRegistered, DocumentsRemoved
from cityloom.graph.models import RestrictedClient, TrustedDocument

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.core.database import Database
    from cityloom.core.principal import Principal
    from cityloom.core.work import Work

LARGEST_MANIFEST: Final = 2_000
_FIRST: Final = "$1::uuid::text"
_SQL: Final = f"""
WITH ctx AS MATERIALIZED (SELECT {SET_CONTEXT.format(tenant=_FIRST, low="$2", high="$3")})
SELECT
  (SELECT d.body FROM trusted_documents d
    WHERE d.tenant_id = $1::uuid AND d.document_id = $4 AND (d.client_id IS NULL OR d.client_id = $5::uuid)
    ORDER BY d.client_id NULLS LAST LIMIT 1) AS body,
  EXISTS (SELECT FROM restricted_clients r WHERE r.tenant_id = $1::uuid AND r.client_id = $5::uuid) AS is_restricted
FROM ctx
"""  # noqa: S608 - constants of ours, every value is a parameter


class UnknownDocument(Refusal):
    """There is no registered document {documentId}: register it, or send the text in `query`."""

    code = RefusalCode.NOT_FOUND
    zh = "没有已登记的文档 {documentId}:请先登记,或在 query 中发送全文。"


class TrustedDocumentsOnly(Refusal):
    """This client may send registered documents only: give `documentId` instead of `query`."""

    code = RefusalCode.FORBIDDEN
    zh = "该客户端只能使用已登记的文档:请用 documentId 代替 query。"


@dataclass(frozen=True, slots=True)
class DocumentRoom:
    """Refuses documents beyond a tenant's limit, in `work.services[DocumentRoom]`; limits are known higher up.

    `demand(work, table, count)` is called with 0 after the rows were added.
    """

    demand: Callable[[Work, type[TrustedDocument], int], Awaitable[None]]


class Trusted(Protocol):
    """Finds registered documents."""

    async def text(self, principal: Principal, document_id: str | None, text: str | None) -> str:
        """The text to run for what a request names or sends.

        Refuses an unknown id (`UnknownDocument`) and a text from a client that is held to ids (`TrustedDocumentsOnly`).
        """
        ...


class NoTrusted:
    """For surfaces without registered documents."""

    async def text(self, _principal: Principal, document_id: str | None, text: str | None) -> str:
        """The text as it was sent."""
        if text is None:
            raise UnknownDocument(documentId=document_id)
        return text


class TrustedDocuments:
    """Looks documents up in the tenant's table.

    What an id stands for never changes; whether it is still registered, and whether a client is restricted, is asked
    again after a second.
    """

    def __init__(
        self,
        database: Database,
        *,
        kept: int = 5_000,
        seconds: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._size, self._seconds, self._now = kept, seconds, monotonic
        self._bodies: OrderedDict[tuple[UUID, UUID | None, str], tuple[str, float]] = OrderedDict()
        self._restricted: OrderedDict[tuple[UUID, UUID], tuple[bool, float]] = OrderedDict()

    async def text(self, principal: Principal, document_id: str | None, text: str | None) -> str:
        """See `Trusted.text`."""
        if text is not None:
            if principal.client_id is not None and await self._is_restricted(principal):
                raise TrustedDocumentsOnly
            return text
        name = str(document_id)
        key = (principal.tenant_id, principal.client_id, name)
        known = self._bodies.get(key)
        now = self._now()
        if known is None or now - known[1] >= self._seconds:
            self._bodies.pop(key, None)
            body, _ = await self._look(principal, name)
            if body is None:
                raise UnknownDocument(documentId=name[:200])
            known = self._bodies[key] = body, now
            if len(self._bodies) > self._size:
                self._bodies.popitem(last=False)
        else:
            self._bodies.move_to_end(key)
        return known[0]

    async def _is_restricted(self, principal: Principal) -> bool:
        key = (principal.tenant_id, principal.client_id or UUID(int=0))
        known = self._restricted.get(key)
        now = self._now()
        if known is None or now - known[1] >= self._seconds:
            known = (await self._look(principal, ""))[1], now
            self._restricted[key] = known
            if len(self._restricted) > self._size:
                self._restricted.popitem(last=False)
        return known[0]

    async def _look(self, principal: Principal, name: str) -> tuple[str | None, bool]:
        low, high = principal.rights.wall
        (row,) = await self._database.reads.fetch(_SQL, principal.tenant_id, low, high, name, principal.client_id)
        return row["body"], row["is_restricted"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One document of a manifest: its ids (the one of its text, and the manifest's own) and its text."""

    ids: tuple[str, ...]
    body: str
    name: str | None = None


def _entry(given: str, body: object, name: object = None) -> Entry:
    if not isinstance(body, str) or not body.strip():
        raise InvalidInput(
            f"清单中的 {given[:80]} 没有文档文本。",
            f"The manifest's entry {given[:80]} has no text.",
            path=("input", "manifest"),
        )
    ids = dict.fromkeys((document_id(body), given))
    if given.startswith("sha256:") and len(ids) > 1:
        raise InvalidInput(
            f"清单中的 {given[:80]} 与文本的哈希不符。",
            f"The manifest's id {given[:80]} is not the hash of its text.",
            path=("input", "manifest"),
        )
    return Entry(tuple(ids), body, name if isinstance(name, str) else None)


def read_manifest(text: str) -> list[Entry]:
    """The documents of a manifest, in any of three forms.

    Apollo: `{"format": "apollo-persisted-query-manifest", "operations": [{"id", "name", "body"}]}`; Relay and GraphQL
    Code Generator: `{"<hash>": "<text>"}`. Refuses (`InvalidInput`) anything else and more than 2,000 documents.
    """
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"清单不是有效的 JSON:{error}", f"The manifest is no JSON: {error}", path=("input", "manifest")
        ) from None
    if isinstance(found, dict) and isinstance(found.get("operations"), list):
        operations = [item if isinstance(item, dict) else {} for item in found["operations"]]
        entries = [_entry(str(item.get("id", "?")), item.get("body"), item.get("name")) for item in operations]
    elif isinstance(found, dict) and found:
        entries = [_entry(str(key), body) for key, body in found.items()]
    else:
        raise InvalidInput(
            "无法识别清单格式:支持 Apollo、Relay 和 GraphQL Code Generator 的清单。",
            "The manifest's form is not known: those of Apollo, Relay and GraphQL Code Generator are read.",
            path=("input", "manifest"),
        )
    if len(entries) > LARGEST_MANIFEST:
        raise InvalidInput(
            f"清单包含 {len(entries)} 个文档,最多 {LARGEST_MANIFEST} 个。",
            f"The manifest has {len(entries)} documents, at most {LARGEST_MANIFEST} are taken at once.",
            path=("input", "manifest"),
        )
    return entries


def _no_client() -> NotFound:
    return NotFound(thing="API client", thing_zh="接口客户端", path=("client_id",))


_CONSTRAINTS: Final = {"fk_trusted_documents_client": _no_client, "fk_restricted_clients_client": _no_client}


async def register(work: Work, entries: list[Entry], client_id: UUID | None) -> int:
    """Register documents for one client, or for all where `client_id` is None; answers how many ids are new.

    Refuses more than the tenant may have, where the installation has limits (`DocumentRoom`).
    """
    rows = [
        {
            "tenant_id": work.tenant_id,
            "id": new_id(),
            "client_id": client_id,
            "document_id": name,
            "body": entry.body,
            "name": entry.name,
            "registered_by": work.principal.account_id or work.principal.client_id,
            "created_at": work.now(),
        }
        for entry in entries
        for name in entry.ids
    ]
    async with refusing(work, _CONSTRAINTS):
        found = await work.session.scalars(
            insert(TrustedDocument).on_conflict_do_nothing().returning(TrustedDocument.id), rows
        )
        added = len(found.all())
    room: DocumentRoom | None = work.services.get(DocumentRoom)
    if added and room is not None:
        await room.demand(work, TrustedDocument, 0)
    if added:
        tenant_id = work.tenant_id
        work.emit(DocumentsRegistered(subject_id=tenant_id, client_id=client_id, added=added))
        work.audit(AuditEntry(action="graph.document.register", object_tag="tent", object_id=tenant_id))
    return added


async def remove(work: Work, document_ids: list[str], client_id: UUID | None) -> int:
    """Remove documents of one client, or of all where `client_id` is None; answers how many ids were registered.

    Ids of one text are removed one by one: a manifest's own id stays where only the hash is named. Again is no error.
    """
    found = await work.session.scalars(
        delete(TrustedDocument)
        .where(TrustedDocument.client_id.is_not_distinct_from(client_id), TrustedDocument.document_id.in_(document_ids))
        .returning(TrustedDocument.id)
    )
    removed = len(found.all())
    if removed:
        tenant_id = work.tenant_id
        work.emit(DocumentsRemoved(subject_id=tenant_id, client_id=client_id, removed=removed))
        work.audit(AuditEntry(action="graph.document.remove", object_tag="tent", object_id=tenant_id))
    return removed


async def restrict(work: Work, client_id: UUID, *, is_restricted: bool) -> None:
    """Hold a client to registered documents, or let it send any; refuses (`NotFound`) a client that there is not.

    Again is no error, and tells nothing.
    """
    values = {"tenant_id": work.tenant_id, "id": new_id(), "client_id": client_id, "created_at": work.now()}
    # Released clients are inserted first as well: the foreign key is what knows whether there is such a client.
    async with refusing(work, _CONSTRAINTS):
        new = await work.session.scalars(
            insert(RestrictedClient).values(values).on_conflict_do_nothing().returning(RestrictedClient.id)
        )
        was_restricted = not new.all()
    if not is_restricted:
        await work.session.execute(delete(RestrictedClient).where(RestrictedClient.client_id == client_id))
    if was_restricted is not is_restricted:
        work.emit(ClientRestricted(subject_id=client_id, is_restricted=is_restricted))
        work.audit(
            AuditEntry(
                action="graph.client.restrict",
                object_tag="clnt",
                object_id=client_id,
                before={"is_restricted": was_restricted},
                after={"is_restricted": is_restricted},
            )
        )
