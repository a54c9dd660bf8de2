"""Serves one contestant exactly as the platform is served: `python serve.py MODULE:FACTORY`."""

from __future__ import annotations

import os
import sys

from cityloom.serving import DATABASE_VARIABLE, serve
from cityloom.settings import Settings

if __name__ == "__main__":
    serve(
        Settings.from_environment(os.environ),
        os.environ[DATABASE_VARIABLE],
        application=sys.argv[1],
        workers=int(os.environ.get("WORKERS", "1")),
    )
