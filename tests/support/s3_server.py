"""A server that speaks S3's protocol, as ``make registry`` installs it, on a free port of this machine."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from monitoring import free_port, until
from places import ROOT

PROGRAM = ROOT / ".venv/s3/bin/moto_server"
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "key-of-the-test",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
    "AWS_REGION": "us-east-1",
}


@contextmanager
def s3_server(bucket: str) -> Iterator[str]:
    """Its URL while the block lasts, with one empty bucket."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([PROGRAM, "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL) as server:
        try:
            until(lambda: _answers(url), "the S3 server answers")
            make = urllib.request.Request(f"{url}/{bucket}", method="PUT")
            with urllib.request.urlopen(make):
                yield url
        finally:
            server.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/moto-api/", timeout=1):
            return True
    except OSError:
        return False
