"""What can be done with exports."""

from cityloom.exports.service.deciding import approve_export, reject_export
from cityloom.exports.service.downloading import download_export, note_fetch, open_file
from cityloom.exports.service.expiry import expire
from cityloom.exports.service.requesting import Asked, cancel_export, request_export
from cityloom.exports.service.rows import file_key_of
from cityloom.exports.service.withdrawing import withdraw

__all__ = [
    "Asked",
    "approve_export",
    "cancel_export",
    "download_export",
    "expire",
    "file_key_of",
    "note_fetch",
    "open_file",
    "reject_export",
    "request_export",
    "withdraw",
]
