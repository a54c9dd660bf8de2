"""What can be done with endpoints, their keys and their deliveries."""

from cityloom.webhooks.service.deliveries import certify_endpoint, replay, send_test
from cityloom.webhooks.service.endpoints import (
    NewEndpoint,
    change_endpoint,
    close_endpoint,
    create_endpoint,
    pause_endpoint,
    resume_endpoint,
)
from cityloom.webhooks.service.erasing import erase_bodies
from cityloom.webhooks.service.keys import NewKey, retire_key, rotate_key
from cityloom.webhooks.service.trial import DryRun, dry_run

__all__ = [
    "DryRun",
    "NewEndpoint",
    "NewKey",
    "certify_endpoint",
    "change_endpoint",
    "close_endpoint",
    "create_endpoint",
    "dry_run",
    "erase_bodies",
    "pause_endpoint",
    "replay",
    "resume_endpoint",
    "retire_key",
    "rotate_key",
    "send_test",
]
