"""A server that speaks the protocol of Azure's blobs, as ``make registry`` installs it, on a free port of this machine."""

from __future__ import annotations

import base64
import hashlib
import hmac
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from urllib.error import HTTPError

from monitoring import free_port, until
from places import ROOT

PROGRAM = ROOT / ".venv/azure/node_modules/.bin/azurite-blob"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account and the key that every such server has, as its documentation says."""

VARIABLES = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY}
VERSION = "2021-08-06"


@contextmanager
def azure_server(container: str, folder: Path) -> Iterator[str]:
    """Its URL while the block lasts, with one empty container."""
    port = free_port()
    place = ("--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder))
    words = [str(PROGRAM), *place, "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    url = f"http://127.0.0.1:{port}/{ACCOUNT}"
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until(lambda: _answers(url), "the server of blobs answers")
            with urllib.request.urlopen(_creation(url, container)):
                yield url
        finally:
            server.kill()


def _creation(url: str, container: str) -> urllib.request.Request:
    """The signed request that creates a container, which registries themselves never do."""
    date = format_datetime(datetime.now(UTC), usegmt=True)
    signed = f"PUT{chr(10) * 12}x-ms-date:{date}\nx-ms-version:{VERSION}\n/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
    mark = base64.b64encode(hmac.digest(base64.b64decode(KEY), signed.encode(), hashlib.sha256)).decode()
    headers = {"x-ms-date": date, "x-ms-version": VERSION, "Authorization": f"SharedKey {ACCOUNT}:{mark}"}
    return urllib.request.Request(f"{url}/{container}?restype=container", method="PUT", headers=headers)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except HTTPError:
        return True
    except OSError:
        return False
