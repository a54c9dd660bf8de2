"""What can be done with imports."""

from cityloom.imports.service.expiry import expire
from cityloom.imports.service.mappings import delete_mapping, save_mapping
from cityloom.imports.service.steps import apply_import, cancel_import, check_import, reach
from cityloom.imports.service.uploads import Uploaded, demand_upload, receive, upload

__all__ = [
    "Uploaded",
    "apply_import",
    "cancel_import",
    "check_import",
    "delete_mapping",
    "demand_upload",
    "expire",
    "reach",
    "receive",
    "save_mapping",
    "upload",
]
