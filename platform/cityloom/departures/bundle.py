"""What a bundle holds: every table of the city with its personal data opened, its pack, files, audit log and past.

The tables are those of the models, so that none can be forgotten. Rows are read by a cursor and written as they come:
memory does not grow with the city. A part that is written is noted, and a process that is killed goes on after it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
from alembic.script import ScriptDirectory
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import LargeBinary, delete, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert

from cityloom.access.models import IdentityProvider
from cityloom.audit.checkpoints import Checkpoints
from cityloom.audit.verifier import SEALS
from cityloom.core import rls
from cityloom.core.database import Base
from cityloom.core.migrations import alembic_config
from cityloom.core.sealed import SealedTable, index_columns, sealed_tables
from cityloom.departures.models import DeparturePart, TenantDeparture
from cityloom.departures.writing import Bundle, Part
from cityloom.exports.models import Export
from cityloom.files.models import StoredFile
from cityloom.files.store import FileStore
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.models import OperatorAction, PackApplication, Tenant
from cityloom.tenancy.service import TenantService
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    import asyncpg
    from sqlalchemy import Column, Table

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Works
    from cityloom.departures.writing import Writing

FORMAT: Final = "cityloom-bundle/1"
MANIFEST, SIGNATURE, KEY, READ_ME = "manifest.json", "manifest.sig", "key.pem", "README.txt"
LOG, CHECKPOINTS = "audit/log.jsonl.gz", "audit/checkpoints.jsonl"
FILES, CONTROL = "files/index.jsonl.gz", "control.jsonl"
#: Rows that are read, opened and packed at a time.
_ROWS: Final = 1_000
#: Columns that are no data of the city but prove who somebody is: of no use elsewhere, where they could do harm.
CREDENTIALS: Final = {
    "accounts": ("password_hash",),
    "api_client_keys": ("token_hash",),
    "sign_ins": ("token_hash",),
    "tenant_data_keys": ("wrapped",),
    "upload_tickets": ("token_hash",),
    "webhook_endpoints": ("sealed_headers",),
    "webhook_keys": ("sealed_secret",),
}
_quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call] # the dialect is untyped
_READ_ME = """\
本目录是一个城市退出平台时移交的全部数据,含个人信息,请仅以加密介质保存和传递。
This folder is everything that a city had on the platform when it left. It holds personal data: keep and pass it on
only on an encrypted medium, for example `tar c . | age -r <recipient> > city.tar.age`.

manifest.json    各部分的 SHA-256、字节数、行数 · hashes, sizes and rows of all parts
manifest.sig     Ed25519 签名 · the signature over manifest.json, 64 bytes
key.pem          平台公钥,请与证书核对 · the platform's public key: compare it with the certificate
tables/          每张表一个文件 · a table each, JSON lines, gzip; opened values are text, other bytes {"base64": ...}
pack/            城市配置包 · the city's pack, to be applied elsewhere
files/           照片和视频 · photos and videos as they were, and an index of them
audit/           审计日志及检查点 · the audit log with its checkpoints

    openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in manifest.json -sigfile manifest.sig
    cityloom departure verify-bundle .
"""


def tenant_tables() -> list[Table]:
    """Every table that holds rows of tenants, parents before children."""
    return [table for table in Base.metadata.sorted_tables if rls.kind(table) == "tenant"]


def exported_tables() -> list[Table]:
    """Those that a bundle has: all but tallies, which say nothing that the rows do not."""
    return [table for table in tenant_tables() if not rls.is_tally(table)]


def withheld() -> dict[str, list[str]]:
    """Columns that are left out, by table: credentials, and blind indexes of what is given opened."""
    found = {table.name: [*CREDENTIALS.get(table.name, ()), *index_columns(table)] for table in exported_tables()}
    return {str(name): sorted(map(str, columns)) for name, columns in sorted(found.items()) if columns}


def table_path(name: str) -> str:
    """Where a table lies in a bundle."""
    return f"tables/{name}.jsonl.gz"


@dataclass
class Exporter:
    """Writes the bundle of one departure; each part once, however often it is begun."""

    works: Works
    departure: TenantDeparture

    def __post_init__(self) -> None:
        """The folder is the departure's."""
        self.bundle = Bundle(Path(self.departure.folder))
        self.tenant_id = self.departure.tenant_id

    async def write(self) -> str:
        """Write what is not written yet, then the signed manifest; answers the SHA-256 of the manifest."""
        await asyncio.to_thread(self.bundle.prepare)
        parts = await self._written()
        for path, write in self._parts():
            if path not in parts:
                parts[path] = await self._note(await self._part(path, write))
        for path, content in (await self._pack()).items():
            if path not in parts:
                parts[path] = await self._note(await self._part(path, partial(_bytes, content)))
        manifest = orjson.dumps(await self._manifest(parts), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        await asyncio.to_thread(self._sign, manifest)
        return hashlib.sha256(manifest).hexdigest()

    def _parts(self) -> Iterator[tuple[str, Callable[[Writing], Any]]]:
        sealed = {one.table.name: one for one in sealed_tables()}
        for table in exported_tables():
            yield table_path(table.name), partial(self._table, table, sealed.get(table.name))
        yield LOG, self._log
        yield CHECKPOINTS, self._checkpoints
        yield FILES, self._files
        yield CONTROL, self._control

    async def _part(self, path: str, write: Callable[[Writing], Any]) -> Part:
        async with self.bundle.part(path) as (writing, told):
            await write(writing)
        return told[0]

    async def _written(self) -> dict[str, Part]:
        query = select(DeparturePart).where(DeparturePart.departure_id == self.departure.id)
        async with self.works.database.operator_sessions() as session:
            rows = (await session.scalars(query)).all()
        return {row.path: Part(row.path, row.row_count, row.byte_size, row.sha256) for row in rows}

    async def _note(self, part: Part) -> Part:
        async with self.works.database.operator_sessions.begin() as session:
            statement = insert(DeparturePart).values(departure_id=self.departure.id, **asdict(part))
            await session.execute(statement.on_conflict_do_nothing())
        return part

    async def _table(self, table: Table, sealed: SealedTable | None, writing: Writing) -> None:
        """Every row of a table, its envelopes opened."""
        left_out = {*CREDENTIALS.get(table.name, ()), *index_columns(table)}
        columns = [column for column in table.c if column.name not in left_out]
        ring: KeyRing = self.works.services[KeyRing]
        keys = await ring.of(self.tenant_id)
        names = ", ".join(_quote(column.name) for column in columns)
        order = "position" if _is_stream(table) else "id"
        sql = f"SELECT {names} FROM {_quote(table.name)} WHERE tenant_id = $1 ORDER BY {order}"  # noqa: S608 - names of models
        await writing.lines(())
        async for rows in self._read(sql):
            await writing.lines(_opened(rows, columns, sealed, keys))

    async def _read(self, sql: str) -> AsyncIterator[list[asyncpg.Record]]:
        """Rows of a statement about the city, some at a time, in one transaction of it."""
        async with self.works.begin(system_principal(self.tenant_id)) as work:
            cursor = await (await work.connection()).cursor(sql, self.tenant_id)
            while rows := await cursor.fetch(_ROWS):
                yield rows

    async def _log(self, writing: Writing) -> None:
        """The audit log as its verifier reads it."""
        await writing.lines(())
        async for rows in self._read(SEALS):
            await writing.lines(
                {"position": row["position"], "hash": row["hash"].hex(), "entry": row["entry"]} for row in rows
            )

    async def _checkpoints(self, writing: Writing) -> None:
        outside: Checkpoints = self.works.services[Checkpoints]
        await writing.lines(text.decode() for text in await outside.of(self.tenant_id))

    async def _files(self, writing: Writing) -> None:
        """Photos and videos as they are, each a file beside the index; sealed copies of exports are left out."""
        store: FileStore = self.works.services[FileStore]
        await writing.lines(())
        async for name, _ in store.objects(self.tenant_id):
            file_id = UUID(hex=name.partition(".")[0])
            async with self.works.begin(system_principal(self.tenant_id)) as work:
                file = await work.session.scalar(select(StoredFile).where(StoredFile.id == file_id))
                is_export = file is None and await work.session.scalar(select(Export.id).where(Export.id == file_id))
            if is_export:
                await writing.lines([{"object": name, "left_out": "a sealed copy of rows that are in `tables`"}])
                continue
            part = await self._object(store, name)
            told = {"object": name, "path": part.path, "sha256": part.sha256, "bytes": part.byte_size}
            await writing.lines([told | {"media_type": None if file is None else file.media_type}])

    async def _object(self, store: FileStore, name: str) -> Part:
        path = f"files/{name}"
        found = await asyncio.to_thread(self.bundle.measured, path)
        if found is not None:
            return found

        async def copy(writing: Writing) -> None:
            async for piece in store.content(self.tenant_id, name):
                await writing.bytes(piece)

        return await self._part(path, copy)

    async def _control(self, writing: Writing) -> None:
        """What operators keep of the city: its entry, identity providers, applied packs, what was done to it."""
        async with self.works.database.operator_sessions() as session:
            for model in (Tenant, IdentityProvider, PackApplication, OperatorAction):
                table = Base.metadata.tables[model.__tablename__]
                whose = table.c.get("tenant_id", table.c.id)
                rows = await session.execute(select(table).where(whose == self.tenant_id))
                await writing.lines({"table": str(table.name), "row": dict(row)} for row in rows.mappings())

    async def _pack(self) -> dict[str, bytes]:
        service: TenantService = self.works.services[TenantService]
        files = await service.export(self.departure.slug)
        return {f"pack/{path}": content for path, content in sorted(files.items())}

    async def _manifest(self, parts: dict[str, Part]) -> dict[str, Any]:
        outside: Checkpoints = self.works.services[Checkpoints]
        return {
            "format": FORMAT,
            "tenant": {"id": str(self.tenant_id), "slug": self.departure.slug},
            "departure": str(self.departure.id),
            "schema_revision": ScriptDirectory.from_config(alembic_config()).get_current_head(),
            "key": outside.signer.public,
            "parts": [
                {"path": part.path, "rows": part.row_count, "bytes": part.byte_size, "sha256": part.sha256}
                for part in sorted(parts.values(), key=lambda part: part.path)
            ],
            "withheld": withheld(),
        }

    def _sign(self, manifest: bytes) -> None:
        outside: Checkpoints = self.works.services[Checkpoints]
        private = outside.signer.private
        pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for path, content in (
            (KEY, pem),
            (READ_ME, _READ_ME.encode()),
            (SIGNATURE, private.sign(manifest)),
            (MANIFEST, manifest),
        ):
            self.bundle.write(path, content)


async def forget_parts(works: Works, departure_id: UUID) -> None:
    """Let the bundle be written anew."""
    async with works.database.operator_sessions.begin() as session:
        await session.execute(delete(DeparturePart).where(DeparturePart.departure_id == departure_id))


async def rows_exported(works: Works, departure_id: UUID) -> dict[str, int]:
    """How many rows of each table a bundle has."""
    query = select(DeparturePart).where(DeparturePart.departure_id == departure_id)
    async with works.database.operator_sessions() as session:
        counts = {row.path: row.row_count or 0 for row in await session.scalars(query)}
    return {table.name: counts.get(table_path(table.name), 0) for table in exported_tables()}


async def _bytes(content: bytes, writing: Writing) -> None:
    await writing.bytes(content)


def _is_stream(table: Table) -> bool:
    """Whether rows have an order of their own: events, and the seals of the audit log."""
    return any({"tenant_id", "position"} == {c.name for c in index.columns} for index in _uniques(table))


def _uniques(table: Table) -> Iterator[Any]:
    yield from (one for one in table.constraints if hasattr(one, "columns") and one is not table.primary_key)
    yield from (index for index in table.indexes if index.unique)


def _opened(
    rows: list[asyncpg.Record], columns: list[Column[Any]], sealed: SealedTable | None, keys: TenantKeys
) -> Iterable[dict[str, Any]]:
    """Rows as JSON values: envelopes opened, other bytes as base64."""
    opens = sealed.columns if sealed is not None else ()
    for row in rows:
        values: dict[str, Any] = dict(row)
        for column in columns:
            value = values[column.name]
            if value is None:
                continue
            if sealed is not None and column.name in opens:
                values[column.name] = _text(keys.open_bytes(sealed.place, column.name, values[sealed.row], value))
            elif isinstance(column.type, LargeBinary):
                values[column.name] = _base64(value)
        yield values


def _text(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _base64(value)


def _base64(value: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}
