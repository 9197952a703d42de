"""The doctor: what is needed, whether it is there, and what to do where it is not."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from ....domain.errors import GrokputerError
from ..options import DEFAULT_DB, AsJson, Db, open_ledger
from ..rendering import print_json, print_table

if TYPE_CHECKING:
    from ....projections.state.state import State
    from ...store.ledger import Ledger

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "trl")
"""What trains and serves; only their versions are read, because importing them takes seconds."""

ROOM_GB = 2.0
"""Free disk space under which the doctor warns; chosen: a training's checkpoints of the embedded model many times over."""

TRIGGERS = ("log_keeps_events", "log_loses_nothing", "log_replaces_nothing")
"""What keeps the log append-only."""


class Check(NamedTuple):
    """One line: what was looked at, ``ok``, ``warn`` or ``fail``, and what was found, with what to do about it."""

    name: str
    result: str
    found: str


def doctor(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Check the machine, the log and the weights.

    Exits with 1 when something fails.

    \b
    Examples:
      grokputer doctor
      grokputer doctor --db events.db --json
    """
    checks = [_check_python(), *_check_packages(), _check_browser(), _check_disk(db), *_check_log(db)]
    if as_json:
        print_json([check._asdict() for check in checks])
    else:
        print_table(("check", "result", "found"), checks)
    if any(check.result == "fail" for check in checks):
        raise typer.Exit(1)


def _check_python() -> Check:
    running = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036 - an installation may be run by another Python than it was made for
        return Check("python", "fail", f"{running}; install Python 3.11 or newer")
    return Check("python", "ok", running)


def _check_packages() -> Iterator[Check]:
    for name in PACKAGES:
        try:
            yield Check(name, "ok", version(name))
        except PackageNotFoundError:
            yield Check(name, "fail", f"not installed; run pip install {name}")


def _check_browser() -> Check:
    from ...environments.browser import find_browser

    try:
        return Check("browser", "ok", find_browser())
    except GrokputerError as error:
        return Check("browser", "fail", str(error))


def _check_disk(db: Path) -> Check:
    folder = db.resolve().parent
    if not folder.is_dir():
        return Check("disk", "fail", f"there is no folder {folder}; make it, or name another with --db")
    free = shutil.disk_usage(folder).free / 1e9
    if free < ROOM_GB:
        return Check("disk", "warn", f"{free:.1f} GB free in {folder}; make room before the next training")
    return Check("disk", "ok", f"{free:.1f} GB free")


def _check_log(db: Path) -> Iterator[Check]:
    """The log, what guards it, and what it names: the base model and every adapter's weights."""
    if not db.exists():
        yield Check("log", "warn", f"no log at {db} yet; make one with 'grokputer init'")
        return
    try:
        yield _check_file(db)
        ledger = open_ledger(db)
        yield _check_triggers(db)
        from ....projections.state.state import State
        from ...store.states import fold

        state = fold(ledger, State())
        yield Check("events", "ok", f"{state.position} events, all readable")
    except GrokputerError as error:
        yield Check("log", "fail", str(error))
        return
    yield _check_base(state)
    yield from _check_channels(state)
    yield from _check_weights(ledger, state)


def _check_file(db: Path) -> Check:
    from ...store.log import connect, explain

    try:
        with closing(connect(db, "ro")) as connection:
            said = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
            journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
    except sqlite3.Error as error:
        raise explain(db, error) from error
    if said != ["ok"]:
        return Check("log", "fail", f"{db} is damaged ({said[0]}); restore it from a backup")
    if journal != "wal":
        return Check(
            "log", "warn", f"sound, but its journal is {journal}, not wal; readers may have to wait for writers"
        )
    return Check("log", "ok", f"{db} is sound, journal wal")


def _check_triggers(db: Path) -> Check:
    from ...store.log import connect

    with closing(connect(db, "ro")) as connection:
        found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    missing = [name for name in TRIGGERS if name not in found]
    if missing:
        return Check(
            "guards", "fail", f"missing: {', '.join(missing)}; the log could be changed, restore it from a backup"
        )
    return Check("guards", "ok", "the log refuses changes and deletions")


def _check_base(state: State) -> Check:
    policy = state.policy
    if policy.get("model.backend") == "openai":
        endpoint = policy.get("model.endpoint")
        result = "ok" if endpoint else "fail"
        return Check("model", result, f"endpoint {endpoint}" if endpoint else "no endpoint; set model.endpoint")
    from ...wiring import base_of

    base = base_of(policy)
    if not base.is_local:
        if base.name:
            return Check("model", "ok", f"{base.name}, from Hugging Face when it is first used")
        return Check("model", "fail", f"the embedded model is missing at {base.location}; install grokputer again")
    files = {file.name for file in Path(base.location).iterdir()}
    missing = [name for name in ("config.json", "tokenizer_config.json") if name not in files]
    if not any(name.endswith(".safetensors") for name in files):
        missing.append("*.safetensors")
    if missing:
        return Check("model", "fail", f"{base.location} lacks {', '.join(missing)}; install it again or set model.base")
    return Check("model", "ok", f"{policy.get('model.base')}, {base.fingerprint()[:19]}")


def _check_channels(state: State) -> Iterator[Check]:
    """Whether alerts can be sent: settings and secrets alone, nothing is sent."""
    from ....domain.aggregates.alert import CHANNELS
    from ...alerts.channels import open_channel

    on = [name for name, key in CHANNELS.items() if state.policy.get(key)]
    if not on:
        yield Check("alerts", "ok", f"printed by 'grokputer work' alone; {' and '.join(CHANNELS.values())} are not set")
    for name in on:
        try:
            to = open_channel(name, state.policy).to
        except GrokputerError as error:
            yield Check(name, "fail", f"alerts wait: {error}")
            continue
        if to.startswith("http://") and not to.startswith(("http://127.", "http://localhost", "http://[::1]")):
            yield Check(name, "warn", f"{to} is not encrypted: who listens can read alerts, though not forge them")
        else:
            yield Check(name, "ok", f"to {to}; 'grokputer alerts test' tries it")
    open_ = (row for row in state.alerts.rows() if row["is_open"])
    lost = sum(it["status"] == "given up" for row in open_ for it in row["deliveries"].values())
    if lost:
        yield Check("deliveries", "warn", f"{lost} given up; see 'grokputer alerts'")


def _check_weights(ledger: Ledger, state: State) -> Iterator[Check]:
    from ...wiring import Services

    store = Services(ledger, state).store
    for name, adapter in state.registry.adapters.items():
        try:
            store.path(adapter["weights"])
            yield Check(name, "ok", f"{adapter['weights'][:19]}, as stored")
        except GrokputerError as error:
            # Weights that no run is sent to are a loss for the record, not for the service.
            yield Check(name, "fail" if adapter["status"] in ("live", "canary") else "warn", str(error))
