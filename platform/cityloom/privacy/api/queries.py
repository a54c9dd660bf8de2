"""The queries of privacy."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
import strawberry

from cityloom.graph import bound as b
from cityloom.privacy.api.shapes import Consent, Disclosure, Erasure, KeyRotation, LegalHold, PrivacyPurpose


def _of(
    row: Any,  # noqa: ANN401 - an alias of the model
    person: Annotated[strawberry.ID | None, b.argument("Only of this person.")] = None,
) -> sa.ColumnElement[bool]:
    return sa.true() if person is None else b.is_thing(row.subject_tag, row.subject_id, person)


def _understood(arguments: dict[str, Any], principal: Any, _services: Any) -> dict[str, Any]:  # noqa: ANN401 - as declared
    """The person checked: one of another city's is somebody of whom nothing is known."""
    found = dict(arguments)
    if found.get("person") is not None:
        found["person"] = b.thing_key(found["person"], principal.tenant_id, path=("person",))
    return found


@b.query(module="privacy")
class PrivacyQuery:
    """What is asked of privacy."""

    privacy_purpose: PrivacyPurpose | None = b.root_one(PrivacyPurpose, "One purpose of the register; null if absent.")
    privacy_purposes: b.Connection[PrivacyPurpose] = b.root_connection(
        PrivacyPurpose, "The city's register of purposes, by code."
    )
    disclosure: Disclosure | None = b.root_one(Disclosure, "One disclosure; null where it may not be seen.")
    disclosures: b.Connection[Disclosure] = b.root_connection(
        Disclosure, "Who was shown whose protected data, oldest first.", narrow=_of, prepare=_understood
    )
    consent: Consent | None = b.root_one(Consent, "One entry of the ledger of consents; null where it may not be seen.")
    consents: b.Connection[Consent] = b.root_connection(
        Consent, "The ledger of consents, oldest first.", narrow=_of, prepare=_understood
    )
    legal_hold: LegalHold | None = b.root_one(LegalHold, "One legal hold; null where it may not be seen.")
    legal_holds: b.Connection[LegalHold] = b.root_connection(
        LegalHold, "Legal holds, oldest first.", narrow=_of, prepare=_understood
    )
    erasure: Erasure | None = b.root_one(Erasure, "One erasure; null where it may not be seen.")
    erasures: b.Connection[Erasure] = b.root_connection(Erasure, "Erasures, oldest first.")
    key_rotation: KeyRotation | None = b.root_one(KeyRotation, "One rotation of keys; null where it may not be seen.")
    key_rotations: b.Connection[KeyRotation] = b.root_connection(KeyRotation, "Rotations of the city's keys.")
