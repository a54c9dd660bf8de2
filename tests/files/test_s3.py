"""What becomes of objects in a bucket of a real S3 server when somebody is erased, or a whole city leaves.

What people do with files over HTTP, and whom the server does not let in, is in `test_http`, there for both places.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cityloom.core.ids import decode_id
from cityloom.departures import service as departures
from cityloom.departures.running import Departures
from cityloom.departures.service import FREEZE
from cityloom.exports.models import Export
from cityloom.exports.running import Exporter
from cityloom.exports.service import expire
from cityloom.testing.exports import ExportCity
from cityloom.testing.files import picture
from cityloom.testing.twins import plant

if TYPE_CHECKING:
    from cityloom.testing.clock import ManualClock
    from tests.files.conftest import Place

ADMIN = "city_administrator"


async def test_a_file_that_tells_of_somebody_erased_leaves_the_bucket(
    in_bucket: Place, files_clock: ManualClock
) -> None:
    city = ExportCity(in_bucket.alder, in_bucket.opened, files_clock, Exporter(in_bucket.opened.works))
    await city.wait(minutes=1)
    home = {"householdId": in_bucket.alder.ids["Household"][0]}
    person = await in_bucket.alder.make("residentCreate", home | {"name": "韩梅梅"}, "Resident")
    before = in_bucket.kept.names(city.id)
    asked = {"document": "{ residents { nodes { name } } }", "purpose": "季度统计 quarterly"}
    made = await city.mutate(ADMIN, "exportRequest", asked, "... on Export { id }")
    await city.exporter.run_due()
    with zipfile.ZipFile(io.BytesIO((await city.fetch(ADMIN, made["id"])).content)) as fetched:
        assert "韩梅梅".encode() in fetched.read("data.csv")
    (file,) = in_bucket.kept.names(city.id) - before
    shape = "... on Erasure { counts }"
    erased = await city.mutate(ADMIN, "subjectErase", {"id": person, "reason": "申请 2026-9"}, shape)
    assert erased["counts"]["exports"] == 1
    async with city.work() as work:
        # Its key is gone already, wherever its bytes and their copies are.
        export_id = decode_id(made["id"], city.id, "xprt")
        assert (await work.session.get_one(Export, (city.id, export_id))).file_key is None
        assert file in in_bucket.kept.names(city.id)
        assert await expire(work) == 1
    assert in_bucket.kept.names(city.id) == before


async def test_a_city_that_leaves_takes_its_photos_and_leaves_none(in_bucket: Place, files_clock: ManualClock) -> None:
    works, kept = in_bucket.opened.works, in_bucket.kept
    cedar = await plant(in_bucket.opened, in_bucket.app, "cedar")
    headers = {"authorization": f"Bearer {cedar.bearers['grid_worker']}"}
    photo = (await cedar.client.post("/files", content=picture(), headers=headers)).json()
    others = kept.names() - {f"{cedar.id.hex}/{name}" for name in kept.names(cedar.id)}
    assert others

    asked = await departures.ask_to_leave(works, cedar.slug, confirm=cedar.slug, reason="x", actor="tests")
    await Departures(works).carry_on(asked.id)
    found = await carried_on(in_bucket, files_clock, asked.id, cedar.slug)
    assert found.step == "EXPORTED", found.failure
    bundled = {path.name: path.read_bytes() for path in (Path(found.folder) / "files").iterdir()}
    assert bundled.keys() > kept.names(cedar.id)
    assert photo["sha256"] in {hashlib.sha256(content).hexdigest() for content in bundled.values()}

    await departures.confirm_erasure(works, cedar.slug, manifest_hash=found.manifest_hash, actor="tests")
    objects = kept.names(cedar.id)
    with kept.refusing(in_bucket.opened, cedar.id):
        # What the server does not let it delete it does not certify.
        found = await carried_on(in_bucket, files_clock, asked.id, cedar.slug)
    assert (found.step, found.ended_at) == ("CONFIRMED", None)
    assert found.failure
    assert kept.names(cedar.id) == objects
    found = await carried_on(in_bucket, files_clock, asked.id, cedar.slug)
    assert found.step == "GONE", found.failure
    assert json.loads(found.certificate)["files_deleted"]["objects"] == len(objects)
    assert kept.names(cedar.id) == set()
    assert kept.names() == others


async def carried_on(place: Place, clock: ManualClock, departure_id: Any, slug: str) -> Any:
    """The departure, a good while later, as far as a worker has got with it by then."""
    clock.advance(seconds=2 * FREEZE.total_seconds())
    await Departures(place.opened.works).carry_on(departure_id)
    return await departures.departure_of(place.opened.works, slug)
