"""What can be done in privacy."""

from cityloom.privacy.service.consents import consent_of, consents_to, give_consents, record_consent, who_consents
from cityloom.privacy.service.disclosures import demand_covered, disclose, note_found, note_search, unmask
from cityloom.privacy.service.erasure import erase, erase_person, note_erasures, reapply
from cityloom.privacy.service.export import begin_export, export_rows
from cityloom.privacy.service.holds import lift_hold, place_hold
from cityloom.privacy.service.purposes import change_purpose, create_purpose, state_purpose, withdraw_purpose
from cityloom.privacy.service.rotation import carry_on, start_rotation

__all__ = [
    "begin_export",
    "carry_on",
    "change_purpose",
    "consent_of",
    "consents_to",
    "create_purpose",
    "demand_covered",
    "disclose",
    "erase",
    "erase_person",
    "export_rows",
    "give_consents",
    "lift_hold",
    "note_erasures",
    "note_found",
    "note_search",
    "place_hold",
    "reapply",
    "record_consent",
    "start_rotation",
    "state_purpose",
    "unmask",
    "who_consents",
    "withdraw_purpose",
]
