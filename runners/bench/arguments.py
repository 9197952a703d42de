"""The arguments of a benchmark: settings as they are given, and ``plan.json``, which keeps the arguments beside the logs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ...domain.errors import GrokputerError, Hint
from ...domain.settings.settings import check_setting, current_key
from .plan import Reasoned

PLAN = "plan.json"


def read_settings(pairs: Iterable[str]) -> Reasoned:
    """The settings that are given as ``key=value``. Raises ``BadSetting``, and ``GrokputerError`` for other text."""
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise GrokputerError(f"{pair!r} is not a setting with a value; give key=value, as in training.retries=4")
        settings[current_key(key)] = (check_setting(key, value), "given for this benchmark")
    return settings


def keep_plan(
    out: Path, arguments: Mapping[str, Any], grows: Collection[str] = (), unwritten: Mapping[str, Any] | None = None
) -> None:
    """Write the arguments into the folder. Raises ``GrokputerError`` where it has different ones.

    Those in ``grows`` may differ. ``unwritten`` are the values of arguments that earlier versions did not write.
    """
    current, path = json.loads(json.dumps(arguments)), out / PLAN
    if path.exists():
        before = {**(unwritten or {}), **_read(path)}
        for name in current.keys() - set(grows):
            if before.get(name) != current[name]:
                raise GrokputerError(
                    f"{out} was started with {name} {before.get(name)!r}, not {current[name]!r}", hint=Hint.RESUME_BENCH
                )
    path.write_text(json.dumps(current, indent=2) + "\n", encoding="utf-8")


def read_plan(out: Path) -> dict[str, Any]:
    """The arguments of the folder's last start. Raises ``GrokputerError``."""
    path = out / PLAN
    if not path.exists():
        raise GrokputerError(f"no benchmark was started in {out}", hint=Hint.START_BENCH)
    return _read(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return dict(document)
    except (ValueError, TypeError):
        raise GrokputerError(f"{path} cannot be read; remove it and start with the same arguments again") from None
