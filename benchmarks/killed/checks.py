"""What must hold after a run. Each check says what is wrong, in a line for each fault."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from grokputer.adapters.publishing.exchange import pull
from grokputer.adapters.registry.local import WeightStore
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import GrokputerError
from grokputer.domain.events import AdapterServed
from grokputer.runners.archive.integrity import verify
from grokputer.runners.archive.jsonl import export_log, import_log
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.repeated_decisions import decide_again
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.states import load_state
from grokputer.runners.wiring.registries import open_published

from .parts import Outage
from .programs import Answered
from .vllm_server import BASE

ONCE = ("TrainingRequested", "TrainingCompleted", "AdapterRegistered", "RolloutStarted", "CycleClosed")
DECISIONS = ("AdapterPromoted", "AdapterRolledBack")
PAUSED = "RolloutPaused"
HEADING = (
    "| part | killed | ended alone | longest away, s | requests meanwhile | asked again | given up | longest wait, s |"
)
"""Of the rows of ``waits``."""


def lost_answers(log: Log, answered: Iterable[Answered]) -> list[str]:
    """Answers that a program got, and of which the log has no ended run with that very answer."""
    faults = []
    for it in answered:
        run = log.get(TaskRun, UUID(it.run))
        text = log.get_content(run.steps[-1].answer) if run.steps else None
        if run.ended is None or run.failure is not None or text != it.text:
            faults.append(f"request {it.key}: run {it.run[:8]} has {text!r} and not {it.text!r}")
    for key, times in Counter(it.run for it in answered).items():
        if times > 1:
            faults.append(f"run {key[:8]} answered {times} requests")
    return faults


def lost_ratings(log: Log, answered: Iterable[Answered]) -> list[str]:
    """Ratings that were acknowledged, and that the log does not have just once."""
    faults = []
    for it in answered:
        given = [rating.stars for rating in log.get(TaskRun, UUID(it.run)).ratings]
        if given != [it.stars] if it.is_rated else given not in ([], [it.stars]):
            faults.append(f"request {it.key}: rated {it.stars}, the log has {given}")
    return faults


def open_runs(log: Log) -> list[str]:
    """Runs that have begun and not ended."""
    started = {it.event.originator_id for it in log.read(1, None, ("TaskStarted",))}
    ended = {it.event.originator_id for it in log.read(1, None, ("TaskAnswered", "TaskSucceeded", "TaskFailed"))}
    return [f"run {id.hex[:8]} has not ended" for id in started - ended]


def cycle(log: Log) -> list[str]:
    """Whether there was one training with one adapter, and one rollout with one decision."""
    counts = Counter(it.event.TOPIC for it in log.read(1, None, (*ONCE, *DECISIONS, PAUSED)))
    faults = [f"{topic}: {counts[topic]} times" for topic in ONCE if counts[topic] != 1]
    if sum(counts[topic] for topic in DECISIONS) != 1 or counts[PAUSED]:
        faults.append(f"decisions: {', '.join(f'{topic} {counts[topic]}' for topic in (*DECISIONS, PAUSED))}")
    return faults


def unproven(log: Log, asked: Mapping[str, Path]) -> list[str]:
    """Answers of a vLLM server by an adapter that it was not proven to apply since its start, by the facts of the log.

    ``asked`` are the servers' own logs by their addresses. A server that answered by no adapter is a fault too.
    """
    proven: dict[tuple[str, str, str], float] = {}
    for recorded in log.read(1, None, (AdapterServed.TOPIC,)):
        event = recorded.event
        assert isinstance(event, AdapterServed)
        key = event.endpoint, event.boot, event.weights.removeprefix("sha256:")
        proven.setdefault(key, event.time.timestamp())
    faults = []
    for endpoint, file in asked.items():
        first = first_answers(file)
        faults += [] if first else [f"{endpoint} answered by no adapter"]
        for (boot, name), began in first.items():
            since = proven.get((endpoint, boot, name))
            if since is None or since > began:
                faults.append(f"{endpoint}, start {boot}: answers by {name[:8]} at {began:.3f}, proven at {since}")
    return faults


def first_answers(file: Path) -> dict[tuple[str, str], float]:
    """By start of the server and adapter, when the first request came that it answered and that belongs to no proof."""
    first: dict[tuple[str, str], float] = {}
    for line in _lines(file):
        if line["model"] != BASE and line["path"].endswith("completions") and not line["is_proof"]:
            key = line["boot"], line["model"]
            if line["status"] == 200:
                first[key] = min(first.get(key, line["time"]), line["time"])
    return first


def _lines(file: Path) -> Iterable[dict[str, Any]]:
    """The whole lines of the file; one that a killed server wrote in part is left out."""
    for line in file.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def other_decisions(log: Log, folder: Path) -> list[str]:
    """How the decisions differ from those of one log in a file that was fed the same events, and how its state does."""
    file = folder / "events.jsonl"
    with file.open("wb") as stream:
        export_log(log, stream)
    copy = Ledger.create(folder / "copy.db")
    with file.open("rb") as stream:
        import_log(copy, stream)
    before = copy.position
    faults = [] if process_new_events(copy).position == before else ["the log in a file decides more"]
    faults += [f"{it.kind} at {it.position}: {it.difference}" for it in decide_again(copy) if it.difference]
    if load_state(copy).dump() != load_state(log).dump():
        faults.append("the states differ")
    faults += [f"view {name} differs" for name, same in replay(copy).equal.items() if not same]
    copy.close()
    return faults


def damage(log: Log) -> list[str]:
    """What ``verify`` finds, and the views that do not follow from the events."""
    found = verify(log)
    faults = [] if found.fault is None else [str(found.fault)]
    return faults + [f"view {name} differs" for name, same in replay(log).equal.items() if not same]


def missing_in_registry(log: Log, folder: Path) -> list[str]:
    """The adapters that cannot be pulled whole from where the worker pushed them."""
    state = load_state(log)
    faults = []
    for name, known in state.registry.adapters.items():
        try:
            published = open_published(state.policy)
            assert published is not None
            pull(published, WeightStore(folder / "pulled"), name, known.weights, folder)
        except GrokputerError as error:
            faults.append(f"{name}: {error}")
    return faults


def not_killed(planned: Counter[str], outages: Sequence[Outage]) -> list[str]:
    """Parts that were not killed as often as planned."""
    done = Counter(outage.part for outage in outages if outage.is_planned)
    return [f"{part}: killed {done[part]} times of {times}" for part, times in planned.items() if done[part] < times]


def waits(answered: Sequence[Answered], given_up: Sequence[tuple[float, str]], outages: Sequence[Outage]) -> list[str]:
    """A row for each part that was away: how often, for how long, and what the programs noticed of it."""
    by_part = defaultdict[str, list[Outage]](list)
    for outage in outages:
        by_part[outage.part].append(outage)
    rows = []
    for part, away in sorted(by_part.items()):
        during = [it for it in answered if any(it.began < each.ended and it.ended > each.began for each in away)]
        lost = [began for began, _ in given_up if any(each.began <= began < each.ended for each in away)]
        longest = max((each.ended - each.began for each in away), default=0.0)
        killed, alone = sum(each.is_planned for each in away), sum(not each.is_planned for each in away)
        again = sum(it.tries > 1 for it in during)
        worst = max((it.ended - it.began for it in during), default=0.0)
        rows.append(
            f"| {part} | {killed} | {alone} | {longest:.1f} | {len(during)} | {again} | {len(lost)} | {worst:.1f} |"
        )
    return rows
