"""Prometheus and Alertmanager, as ``make monitoring`` unpacks them, on free ports of this machine."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

from places import ROOT

PROGRAMS = ROOT / ".venv/monitoring/usr/bin"
DEPLOY = ROOT / "deploy"
PATIENCE_S = 60.0
"""Seconds until a test gives up; a machine may be busy with other work."""


def checked(program: str, *words: str | Path, given: str | None = None, cwd: Path = DEPLOY) -> str:
    """The output of a program that checks something, and finds it good."""
    done = subprocess.run(
        [PROGRAMS / program, *words], input=given, capture_output=True, text=True, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def until(happens: Callable[[], Any], what: str) -> Any:
    """What the function returns, as soon as that is true; it is asked again and again."""
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while not (result := happens()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}"
        pause.wait(0.1)
    return result


def get(url: str) -> Any:
    """The JSON at the address; None while nothing answers there."""
    try:
        with urllib.request.urlopen(url) as response:
            body = response.read()
    except URLError:
        return None
    return json.loads(body) if body.startswith((b"{", b"[")) else body.decode()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def _running(program: str, address: str, *words: str) -> Iterator[str]:
    """The address of the program, which answers, until the block ends. It sees its own package's files in /usr/share."""
    share = (PROGRAMS / "../share").resolve()
    own = ["bwrap", "--die-with-parent", "--dev-bind", "/", "/", "--ro-bind", str(share), "/usr/share"]
    command = [*own, str(PROGRAMS / program), *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: get(f"{address}/-/ready") or process.poll() is not None, f"{program} answers")
        has_ended = process.poll() is not None
        assert not has_ended, process.stderr.read() if process.stderr else ""
        yield address
    finally:
        process.terminate()
        if process.stderr is not None:
            process.stderr.close()
        process.wait()


@contextmanager
def alertmanager(folder: Path) -> Iterator[str]:
    """Alertmanager with the configuration that is shipped."""
    port = free_port()
    words = (
        f"--config.file={DEPLOY / 'alertmanager/alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=error",
    )
    with _running("prometheus-alertmanager", f"http://127.0.0.1:{port}", *words) as address:
        yield address


@contextmanager
def prometheus(folder: Path, gateway: str, key: str, alerts: str) -> Iterator[str]:
    """Prometheus with the configuration and the rules that are shipped, which scrapes the gateway each second.

    The alerts go to that Alertmanager without the rules' wait.
    """
    port, secret, rules = free_port(), folder / "grokputer.key", folder / "rules.yml"
    secret.write_text(key)
    shipped = (DEPLOY / "prometheus/rules.yml").read_text()
    waits = [line for line in shipped.splitlines() if line.strip().startswith("for: ")]
    for line in waits:
        shipped = shipped.replace(f"{line}\n", "", 1)
    rules.write_text(shipped)
    config = (DEPLOY / "prometheus/prometheus.yml").read_text()
    for before, after in {
        "15s": "1s",
        "/etc/prometheus/grokputer.key": str(secret),
        "127.0.0.1:8484": gateway.removeprefix("http://"),
        "127.0.0.1:9093": alerts.removeprefix("http://"),
    }.items():
        assert before in config
        config = config.replace(before, after)
    (folder / "prometheus.yml").write_text(config)
    checked("promtool", "check", "config", folder / "prometheus.yml")
    words = (
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )
    with _running("prometheus", f"http://127.0.0.1:{port}", *words) as address:
        yield address


def query(address: str, expression: str) -> list[dict[str, Any]]:
    """The series of the expression now that have a number."""
    found = get(f"{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    return [series for series in found["data"]["result"] if not math.isnan(float(series["value"][1]))]
