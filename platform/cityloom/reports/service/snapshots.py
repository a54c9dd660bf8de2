"""Results that are kept, and compared."""

from __future__ import annotations

import hashlib
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import delete, insert, select

from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.core.subjects import hold_off_erasures
from cityloom.exports.service.rows import still_hold
from cityloom.reports import events
from cityloom.reports import models as m
from cityloom.reports.comparing import Comparison, Rows, compare
from cityloom.reports.errors import NotYourSnapshot, SnapshotsDiffer, SnapshotWithdrawn, absent
from cityloom.reports.permissions import READ
from cityloom.reports.service.results import Result, result
from cityloom.reports.service.stored import find_report
from cityloom.reports.settings import settings_of
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from cityloom.core.work import Work

TAG = "rsnp"
#: Changes that a comparison names.
MOST_CHANGES = 500


async def take_snapshot(work: Work, report_id: UUID | None, given: dict[str, Any]) -> m.ReportSnapshot:
    """Run a report as the caller and keep the result. Refuses (`Forbidden`, `NotFound`, and what a run refuses)."""
    report = await find_report(work, report_id)
    await hold_off_erasures(work)
    found = await result(work, report, given, most=(await settings_of(work)).snapshot_rows)
    account_id = work.principal.account_id
    if account_id is None:
        raise absent()
    return await keep(work, report, found, given, owner_id=account_id, is_scheduled=False)


async def keep(
    work: Work, report: m.Report, found: Result, given: dict[str, Any], *, owner_id: UUID, is_scheduled: bool
) -> m.ReportSnapshot:
    """Keep a result that was read with its owner's rights, since the work holds off erasures."""
    ring: KeyRing = work.services[KeyRing]
    keys = await ring.of(work.tenant_id)
    row_id, now = new_id(int(work.now().timestamp() * 1000)), work.now()
    packed = zlib.compress(orjson.dumps(found.rows))
    snapshot = m.ReportSnapshot(
        id=row_id,
        report_id=report.id,
        account_id=owner_id,
        is_scheduled=is_scheduled,
        values=given,
        document_hash=hashlib.sha256(report.document.encode()).hexdigest(),
        columns=found.columns,
        row_count=len(found.rows),
        is_truncated=found.is_truncated,
        content=keys.seal_bytes("report_snapshots", "content", row_id, packed),
        rights=found.rights,
        taken_at=now,
    )
    work.session.add(snapshot)
    await work.session.flush()
    if found.tells:
        same = {"tenant_id": work.tenant_id, "id": snapshot.id}
        told = [same | {"row_id": row_id} for row_id in found.tells]
        await work.session.execute(insert(m.ReportSnapshotContent), told)
    work.emit(
        events.SnapshotTaken(
            subject_id=snapshot.id,
            report_id=report.id,
            owner_id=owner_id,
            row_count=snapshot.row_count,
            is_scheduled=is_scheduled,
        )
    )
    after = {"report_id": str(report.id), "document_sha256": snapshot.document_hash, "rows": snapshot.row_count}
    work.audit(AuditEntry(action="reports.snapshot.take", object_tag=TAG, object_id=snapshot.id, after=after))
    return snapshot


async def read_snapshot(work: Work, snapshot_id: UUID | None) -> tuple[m.ReportSnapshot, Rows]:
    """A snapshot and its rows, for whose rights it was taken with and while they hold.

    Refuses (`Forbidden`, `NotFound`, `SnapshotWithdrawn`, `NotYourSnapshot`).
    """
    work.authorise(READ)
    snapshot = await work.session.scalar(select(m.ReportSnapshot).where(m.ReportSnapshot.id == snapshot_id))
    if snapshot is None or snapshot.account_id != work.principal.account_id:
        raise absent(thing="snapshot", thing_zh="快照")
    if snapshot.content is None:
        raise SnapshotWithdrawn
    if not still_hold(work.rights, snapshot.rights):
        raise NotYourSnapshot
    ring: KeyRing = work.services[KeyRing]
    keys = await ring.of(work.tenant_id)
    packed = keys.open_bytes("report_snapshots", "content", snapshot.id, snapshot.content)
    return snapshot, [(key, cells) for key, cells in orjson.loads(zlib.decompress(packed))]


async def compare_snapshots(
    work: Work, before_id: UUID | None, after_id: UUID | None
) -> tuple[m.ReportSnapshot, m.ReportSnapshot, Comparison]:
    """Two snapshots of one report, and what differs. Refuses (`SnapshotsDiffer`, and what reading them refuses)."""
    (before, old), (after, new) = await read_snapshot(work, before_id), await read_snapshot(work, after_id)
    if before.report_id != after.report_id or before.columns != after.columns:
        raise SnapshotsDiffer
    types = [column["type"] for column in after.columns]
    return before, after, compare(types, old, new, most=MOST_CHANGES)


async def withdraw_snapshots(work: Work, row_ids: Collection[UUID]) -> int:
    """Take back every snapshot that tells of one of these rows, which were destroyed; answers how many."""
    telling = select(m.ReportSnapshotContent.id).where(m.ReportSnapshotContent.row_id.in_(row_ids))
    query = select(m.ReportSnapshot).where(m.ReportSnapshot.id.in_(telling)).order_by(m.ReportSnapshot.id)
    found = (await work.session.scalars(query.with_for_update().execution_options(populate_existing=True))).all()
    for snapshot in found:
        # The values that were given may name the person as well.
        snapshot.content, snapshot.values, snapshot.withdrawn_at = None, {}, work.now()
        work.emit(events.SnapshotWithdrawn(subject_id=snapshot.id, report_id=snapshot.report_id))
        after = {"rows": snapshot.row_count}
        work.audit(AuditEntry(action="reports.snapshot.withdraw", object_tag=TAG, object_id=snapshot.id, after=after))
    gone = delete(m.ReportSnapshotContent).where(m.ReportSnapshotContent.id.in_([one.id for one in found]))
    await work.session.execute(gone.execution_options(synchronize_session=False))
    return len(found)


async def forget_snapshots(work: Work) -> None:
    """Delete snapshots whose time is over."""
    days = (await settings_of(work)).snapshot_days
    await work.session.execute(
        delete(m.ReportSnapshot)
        .where(m.ReportSnapshot.taken_at < work.now() - timedelta(days=days))
        .execution_options(synchronize_session=False)
    )
