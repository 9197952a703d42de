"""The pictures and sounds that prompts show: they lie in the log under content keys, as ``data:`` URLs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...adapters.data.plain_files import open_plain
from ...adapters.vision.pictures import check_media
from ...domain.page.media import (
    MOST_BYTES,
    MOST_INPUTS,
    BadMedia,
    keys_in_messages,
    kind_of,
    read_url,
    write_url,
)

if TYPE_CHECKING:
    from ...domain.aggregates.run import TaskRun
    from ...domain.events import TaskStarted
    from ...domain.page.messages import Message
    from ..store.ledger import Ledger
    from ..store.log import Log

Inputs = dict[str, str]
"""Pictures and sounds as ``data:`` URLs, by their content keys."""


def load_media(given: str | Path | bytes, kind: str) -> str:
    """The file at the path, or these bytes, as a ``data:`` URL of the kind. Raises ``BadMedia`` with the path."""
    if isinstance(given, bytes):
        return _checked(given, kind)
    try:
        with open_plain(Path(given)) as stream:
            return _checked(stream.read(MOST_BYTES + 1), kind)
    except BadMedia as error:
        raise BadMedia(f"{given} cannot be given to the model: {error}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadMedia(f"{given} cannot be read: {reason}") from None


def _checked(data: bytes, kind: str) -> str:
    url = write_url(data, (kind,))
    check_media(data)
    return url


def put_inputs(ledger: Ledger, urls: Sequence[str]) -> Inputs:
    """The inputs of a task under their keys; they are stored with its start. Raises ``BadMedia``."""
    if len(urls) > MOST_INPUTS:
        raise BadMedia(f"a task takes at most {MOST_INPUTS} pictures and sounds, not {len(urls)}")
    for url in urls:
        read_url(url)
    return {ledger.put_picture(url): url for url in urls}


def read_inputs(log: Log, started: TaskStarted) -> Inputs | None:
    """The pictures and sounds that came with the task; None where one was erased. Raises ``LogError``."""
    found = read_media(log, started.inputs)
    return found if len(found) == len(set(started.inputs)) else None


def read_media(log: Log, keys: Iterable[str]) -> Inputs:
    """The pictures and sounds under these keys, without the erased ones; other content is none. Raises ``LogError``."""
    wanted = [*keys]
    found = log.get_contents(wanted)
    return {key: found[key] for key in wanted if key in found and _is_media(found[key])}


def media_in(log: Log, messages: Iterable[Message]) -> Inputs:
    """What the marks in recorded messages stand for. Raises ``LogError``."""
    return read_media(log, keys_in_messages(messages))


def media_of(log: Log, run: TaskRun) -> Inputs:
    """All that the run's prompts show: its inputs, and those of earlier turns. Raises ``LogError``."""
    assert run.started is not None
    prompt = log.get_content(run.steps[-1].prompt) if run.steps else None
    shown = [] if prompt is None else keys_in_messages(json.loads(prompt))
    return read_media(log, [*run.started.inputs, *shown])


def of_kind(kind: str, inputs: Mapping[str, str]) -> Inputs:
    """The pictures among the inputs, or the sounds."""
    return {key: url for key, url in inputs.items() if kind_of(url) == kind}


def shown_to(inputs: Inputs, takes: Iterable[str]) -> Inputs:
    """The inputs that a model is shown: those that it takes. The words of the others are heard and read."""
    taken = set(takes)
    return {key: url for key, url in inputs.items() if kind_of(url) in taken}


def _is_media(url: str) -> bool:
    try:
        kind_of(url)
    except BadMedia:
        return False
    return True
