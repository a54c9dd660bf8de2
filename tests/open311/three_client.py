"""What the client `three` (Code for America) makes of a city: run with its own Python, prints JSON."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

# The client is of the days of Python 2 and names what is called `filter` today; all else is as it is published.
itertools.ifilter = filter  # type: ignore[attr-defined] # see above

from three import Three  # type: ignore[import-not-found] # noqa: E402 - after the line above

endpoint, key, photo = sys.argv[1:4]
city = Three(endpoint, api_key=key)
found = {"discovery": city.discovery(), "services": city.services(), "definition": city.services("E01002")}
with Path(photo).open("rb") as media:
    found["post"] = city.post(
        "E01002", address_id="222401001001001", lat="42.9", long="129.5", description="rubbish", media=media
    )
code = found["post"][0]["service_request_id"]
found["request"] = city.request(code)
found["requests"] = city.requests("E01002", count=5)
found["between"] = city.requests(between=["01-01-2026", "03-01-2026"])
found["token"] = city.token(code)
found["absent"] = city.request("nothing")
city.configure(format="xml")
found["xml"] = city.get("requests", code, convert=False).decode()
json.dump(found, sys.stdout)
