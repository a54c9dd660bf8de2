"""What privacy knows of a resident."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement

from cityloom.graph import bound as b
from cityloom.modules.registry.api.shapes import Resident
from cityloom.privacy.api.shapes import Consent, Disclosure


def _about(resident: Any, row: Any) -> ColumnElement[bool]:  # noqa: ANN401 - aliases of models
    found: ColumnElement[bool] = (row.subject_tag == "resd") & (row.subject_id == resident.id)
    return found


@b.extend(Resident, module="registry")
class ResidentPrivacy:
    """Who looked at a record, and what was agreed to."""

    disclosures: b.Connection[Disclosure] = b.connection(
        _about,
        "Who was shown protected data of this resident, oldest first: for auditors, and for the resident themself.",
    )
    consents: b.Connection[Consent] = b.connection(_about, "What they agreed to and withdrew, oldest first.")
