"""The loop of role ``ocr`` on real windows: the tree teaches it, an adapter is trained, a gate and a canary judge it.

    OMP_NUM_THREADS=1 python benchmarks/reading_loop.py --db reading.db
    grokputer why lora-v1 --db reading.db

Runs of five families of the desktop read their windows (``run.observe ocr``); the tree corrects each reading without a person.
A scripted person rates each run by how many of its lines were read right, and blames role ``ocr`` for what was not. The worker
does the rest: breach, dataset, training, proof, and the gate on held-out windows. Where the gate lets the adapter through, more
runs are made and rated until its canary is decided. At the end, windows of new seeds are read with what is live and without it.

What was done is in the log, so an interrupted benchmark goes on. Needs the extras train, desktop and read.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import (
    AdapterPromoted,
    AdapterRejected,
    AdapterRolledBack,
    HeldOutJudged,
    StepTaken,
    TaskStarted,
)
from grokputer.domain.page.messages import Message
from grokputer.domain.page.reading import LineShare, compare_lines, read_words
from grokputer.domain.page.words import lay_out
from grokputer.domain.vocabulary import Finding, StepKind
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, work
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.ratings import rate
from grokputer.runners.use_cases.settings import change_setting
from grokputer.runners.wiring.services import Services

FAMILIES = ("fill-form", "choose-city", "set-volume", "enter-code", "enter-password")
"""Dialogs of at most ten elements, so that a small model reads one in seconds."""

SETTINGS = {
    "run.observe": "ocr",
    "run.max_steps": 2,
    "run.max_resamples": 0,
    "rating.rule": "threshold",
    "canary.rule": "relative",
    "canary.weight_percent": 50,
    "canary.bake_s": 0,
    "canary.interval_s": 0,
    "training.retries": 0,
}

RATER = "benchmark"
FRESH = 10_000
"""Seeds from here on are only measured."""

DECISIONS = (HeldOutJudged, AdapterRejected, AdapterPromoted, AdapterRolledBack)

Say = Callable[[str], None]
Reading = tuple[list[Message], list[str], list[str]]
"""The prompt of a reading, the lines that were read, and those of the tree."""


def main() -> None:
    """Play the loop and print what came of it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--db", type=Path, default=Path("reading.db"))
    options.add_argument("--base", default="embedded")
    options.add_argument("--runs", type=int, default=60, help="rated runs before the training")
    options.add_argument("--measured", type=int, default=15, help="runs on windows of new seeds at the end")
    options.add_argument("--epochs", type=int, default=10)
    given = options.parse_args()
    ledger = Ledger.open(given.db) if given.db.exists() else Ledger.create(given.db)
    for key, value in (SETTINGS | {"model.base": given.base, "ocr.training.epochs": given.epochs}).items():
        change_setting(ledger, key, value, reason="the benchmark", actor=RATER)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {line}", flush=True)

    played = len(play(ledger, given.runs, 0, say))
    work(ledger, once=True, reporter=Reporter(say=say))
    while process_new_events(ledger).traffic("ocr").canary is not None:
        played += len(FAMILIES)
        play(ledger, played, 0, say)
        work(ledger, once=True, reporter=Reporter(say=say))
    for _, event in ledger.read(topics=[each.TOPIC for each in DECISIONS]):
        say(f"{type(event).__name__}: {getattr(event, 'message', '') or getattr(event, 'reason', '')}")
    measure(ledger, given.measured, say)


def play(ledger: Ledger, until: int, first: int, say: Say) -> list[tuple[TaskRun, list[Reading]]]:
    """Make runs of the families in turn, from this seed on, until there are so many, and rate each that was not rated."""
    done = [run for run in runs_of(ledger) if run.started and (run.started.seed >= FRESH) == (first >= FRESH)]
    with Services(ledger, process_new_events(ledger), say) as services:
        place = services.environment("desktop")
        runner = TaskRunner(
            ledger, services.model, services.prepare, services.base_label, RATER, beside=services.beside
        )
        for number in range(len(done), until):
            task = Task("desktop", FAMILIES[number % len(FAMILIES)], first + number // len(FAMILIES))
            services.state = process_new_events(ledger)
            done.append(runner.run(task, place, services.state))
    told = [(run, readings_of(ledger, run)) for run in done]
    for run, readings in told:
        if not run.ratings and first < FRESH:
            rate_run(ledger, run, readings)
    return told


def rate_run(ledger: Ledger, run: TaskRun, readings: Sequence[Reading]) -> None:
    """Give a star, and up to four more by the share of lines that were read right."""
    shares = [compare_lines(tree, read).share for _, read, tree in readings]
    if shares and run.ended is not None:
        stars = 1 + round(4 * fmean(shares))
        rate(ledger, run.id, stars, actor=RATER, fault="ocr" if stars < 4 else None)


def readings_of(ledger: Ledger, run: TaskRun) -> list[Reading]:
    """The readings of the run that the tree corrected."""
    taught = [json.loads(ledger.get_content(each.correction) or "[]") for each in run.corrections if not each.steps]
    right = {json.dumps(row["messages"]): row["completion"].split("\n") for rows in taught for row in rows}
    found = []
    for step in run.steps:
        prompt = json.loads(ledger.get_content(step.prompt) or "[]")
        if step.kind == StepKind.READ and json.dumps(prompt) in right:
            found.append((prompt, lines_seen(step, ledger.get_content(step.answer), prompt), right[json.dumps(prompt)]))
    return found


def lines_seen(step: StepTaken, answer: str | None, prompt: list[Message]) -> list[str]:
    """The lines that the run went on with: those of the words where the answer could not be read, or was erased."""
    if answer is None or step.found == Finding.UNREADABLE:
        return list(lay_out(read_words(prompt)).lines)
    return answer.strip().splitlines()


def runs_of(ledger: Ledger) -> list[TaskRun]:
    """The ended runs that the benchmark made, in their order."""
    started = [event for _, event in ledger.read(topics=(TaskStarted.TOPIC,))]
    runs = [ledger.get(TaskRun, event.originator_id) for event in started]
    return [run for run in runs if run.ended is not None and run.started is not None]


def measure(ledger: Ledger, count: int, say: Say) -> None:
    """Read windows of new seeds with what is live, and count the right lines beside those of the program alone."""
    before, after, windows = LineShare(0, 0, 0), LineShare(0, 0, 0), 0
    for _, readings in play(ledger, count, FRESH, say):
        for prompt, read, tree in readings:
            before = add(before, compare_lines(tree, lay_out(read_words(prompt)).lines))
            after = add(after, compare_lines(tree, read))
            windows += 1
    live = process_new_events(ledger).traffic("ocr").stable
    say(f"{windows} windows of new seeds, {before.expected} lines in their trees")
    for name, lines in (("the program alone", before), (live or "no adapter", after)):
        say(f"  {name}: {lines.right} right of {lines.given} given, {lines.right / max(1, lines.expected):.1%}")


def add(one: LineShare, other: LineShare) -> LineShare:
    """Both together."""
    return LineShare(*(a + b for a, b in zip(one, other, strict=True)))


if __name__ == "__main__":
    main()
