"""The pictures and sounds of a run, for people who may see the run: each at an address of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ....domain.aggregates.run import TaskRun
from ....domain.errors import NotFound
from ....domain.page.media import AUDIO, IMAGE, BadMedia, kind_of, read_url, write_url
from ...use_cases.lookups import find_run
from ..site.visit import File, Visit

if TYPE_CHECKING:
    from ...store.log import Log

TYPES = {"audio/mp3": "audio/mpeg"}
"""Types by other names in the headers of responses."""


def show_media(visit: Visit) -> File:
    """One picture or sound that the run's task or prompts had. Raises ``NotFound``, also where it was erased.

    Its type is what its first bytes say, whatever its ``data:`` URL claims: so nothing is served that a browser could run.
    """
    run = visit.ledger.get(TaskRun, find_run(visit.ledger, visit.name("run")))
    key = visit.name("picture")
    url = visit.ledger.get_content(key) if key in keys_of(run) else None
    try:
        data = read_url(url or "")[1]
        kind = read_url(write_url(data))[0]
    except BadMedia:
        raise NotFound(f"run {run.id.hex[:8]} has no picture or sound {key[:20]} that can be shown") from None
    return File(data, TYPES.get(kind, kind))


def keys_of(run: TaskRun) -> list[str]:
    """The content keys of all pictures and sounds of the run, also those of its screens."""
    screens = [step.screen["picture"] for step in run.steps if step.screen is not None]
    return list(dict.fromkeys([*run.pictures, *filter(None, screens)]))


def list_media(log: Log, run: TaskRun, keys: Iterable[str]) -> list[dict[str, Any]]:
    """The addresses and kinds (``picture``, ``sound``) of those of these keys that the run has and that were not erased."""
    own, listed = set(keys_of(run)), []
    for key in dict.fromkeys(keys):
        url = log.get_content(key) if key in own else None
        try:
            kind = kind_of(url or "")
        except BadMedia:
            continue
        words = {IMAGE: "picture", AUDIO: "sound"}[kind]
        listed.append({"key": key, "kind": words, "address": f"/runs/{run.id.hex}/media/{key}"})
    return listed
