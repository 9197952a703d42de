"""The results of the benchmark, from its log alone, and beside them the losses on a general text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from ....domain.ab.intervals import wilson
from ....domain.errors import LogError
from ....domain.events import (
    CycleClosed,
    TaskCorrected,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TrainingCompleted,
)
from ....domain.vocabulary import FailureReason
from ....projections.bench import Label, is_lost
from ...environments.bfcl.judge import BROKEN, NO_CALL, kind_of
from ...environments.names import BFCL
from ...store.log import Log
from ..loop import ROLE
from .text import Loss

CATEGORIES = ("simple", "multiple")

ERRORS = {
    "no call": (NO_CALL, ":wrong_count"),
    "wrong function": (":wrong_func_name",),
    "missing argument": (":missing_required", ":missing_optional"),
    "unexpected argument": (":unexpected_param",),
    "wrong type": ("type_error:",),
    "wrong value": ("value_error:", "dict_checker:"),
    "checker stopped": (BROKEN,),
}
"""The groups of the table, each with what the package's kinds of errors have in their names."""

OTHER = "no answer"
"""The model gave no answer, for instance because the prompt was too long for it."""


@dataclass
class Score:
    """Right answers among those of one category."""

    good: int = 0
    runs: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """The wrong answers by kind, as the package names it."""

    def __add__(self, other: Score) -> Score:
        return Score(self.good + other.good, self.runs + other.runs, self.errors + other.errors)

    @property
    def groups(self) -> Counter[str]:
        """The wrong answers by the groups of ``ERRORS``."""
        groups = Counter[str]()
        for kind, count in self.errors.items():
            groups[_group(kind)] += count
        return groups

    def to_json(self) -> dict[str, Any]:
        """The score as plain JSON, with the 95 % interval of the share."""
        interval = [round(bound, 4) for bound in wilson(self.good, self.runs)]
        return {"good": self.good, "runs": self.runs, "interval": interval, "errors": dict(self.errors.most_common())}

    def __str__(self) -> str:
        if not self.runs:
            return "-"
        low, high = wilson(self.good, self.runs)
        return f"{self.good}/{self.runs}, {self.good / self.runs:.0%} ({100 * low:.0f}-{100 * high:.0f} %)"


def _group(kind: str) -> str:
    return next((group for group, marks in ERRORS.items() if any(mark in kind for mark in marks)), OTHER)


@dataclass
class Stage:
    """One measurement: the base with so many examples in the prompt, or the adapter of a cycle."""

    cycle: int
    """0: before any correction."""
    shots: int
    """Examples in the prompt."""
    scores: dict[str, Score] = field(default_factory=dict)
    """By category."""
    adapter: str | None = None
    corrections: int = 0
    """Corrections before the measurement."""
    examples: int = 0
    """Examples that the adapter was trained on."""
    training_s: float = 0.0
    outcome: str = ""
    """Of the cycle: ``promoted``, ``rejected``, ``declined`` or ``failed``."""

    @property
    def name(self) -> str:
        """The stage in words."""
        if self.cycle:
            return f"{self.corrections} corrections"
        return f"base, {self.shots} example{'s' * (self.shots > 1)}" if self.shots else "base"

    @property
    def total(self) -> Score:
        """The score over all categories."""
        return sum(self.scores.values(), Score())

    def to_json(self) -> dict[str, Any]:
        """The stage as plain JSON."""
        scores = {category: score.to_json() for category, score in self.scores.items()}
        plain = {name: value for name, value in vars(self).items() if name != "scores"}
        return {"name": self.name, **plain, **scores, "all": self.total.to_json()}


@dataclass(frozen=True)
class Report:
    """The results of the benchmark."""

    seed: int
    base: str
    stages: Sequence[Stage]
    losses: Sequence[Loss] = ()


def report(path: Path, losses: Sequence[Loss] = ()) -> Report:
    """The results in the log. Raises ``LogError`` where it is not one of this benchmark."""
    log = Log.open(path)
    fold = _Fold(log)
    for recorded in log.read(1, None, _Fold.TOPICS):
        fold.apply(recorded.event)
    if not fold.stages:
        raise LogError(f"{path} holds no measurement of this benchmark yet; start it without --from-log")
    return Report(fold.seed, fold.base, list(fold.complete()), losses)


class _Fold:
    """The stages of a log."""

    TOPICS = tuple(
        kind.TOPIC for kind in (TaskStarted, TaskSucceeded, TaskFailed, TaskCorrected, TrainingCompleted, CycleClosed)
    )

    def __init__(self, log: Log) -> None:
        self.log = log
        self.seed, self.base = 0, ""
        self.stages: dict[tuple[int, str], Stage] = {}
        self._cycles = [Stage(0, 0)]
        """What each cycle came to; the last one is open."""
        self._runs: dict[UUID, tuple[Label, TaskStarted]] = {}
        self._open_cycle()

    def _open_cycle(self) -> None:
        self._cycles.append(Stage(len(self._cycles), 0, corrections=self._cycles[-1].corrections))

    def apply(self, event: object) -> None:
        match event:
            case TaskStarted():
                label = Label.read(event.session)
                if label is not None and label.plan == BFCL:
                    self._runs[event.originator_id] = label, event
                    self.seed, self.base = label.seed, event.base
            case TaskSucceeded() | TaskFailed() if event.originator_id in self._runs and not is_lost(event):
                label, started = self._runs[event.originator_id]
                if label.purpose == "measure":
                    self._measure(label, started, event)
            case TaskCorrected() if event.originator_id in self._runs:
                self._cycles[-1].corrections += 1
            case TrainingCompleted():
                self._cycles[-1].examples = event.examples
                self._cycles[-1].training_s += event.duration_s
            case CycleClosed() if event.role == ROLE:
                self._cycles[-1].outcome = event.outcome
                self._open_cycle()

    def _measure(self, label: Label, started: TaskStarted, event: TaskSucceeded | TaskFailed) -> None:
        shots = label.detail.removesuffix("-shot")
        stage = self.stages.setdefault((label.cycle, label.detail), Stage(label.cycle, int(shots)))
        stage.adapter = started.adapter
        score = stage.scores.setdefault(started.task.split("-")[0], Score())
        score.runs += 1
        score.good += isinstance(event, TaskSucceeded)
        if isinstance(event, TaskFailed):
            score.errors[self._kind(event)] += 1

    def _kind(self, event: TaskFailed) -> str:
        if event.reason == FailureReason.ERROR:
            return OTHER
        return kind_of(self.log.get_content(event.detail) or "(erased)")

    def complete(self) -> Iterator[Stage]:
        """The measurements, each with what its cycle came to."""
        for stage in sorted(self.stages.values(), key=lambda stage: (stage.cycle, stage.shots)):
            if stage.cycle:
                cycle = self._cycles[stage.cycle]
                stage.corrections, stage.examples = cycle.corrections, cycle.examples
                stage.training_s, stage.outcome = cycle.training_s, cycle.outcome
            yield stage


COLUMNS = ("", *CATEGORIES, "all", "trained on", "training", "gate")
CAPTION = (
    "right answers of functions that no training saw, with the 95 % interval (Wilson) of the share; trained on: examples; "
    "training: minutes; gate: the outcome of the cycle"
)


def stage_rows(figures: Report) -> list[tuple[str, ...]]:
    """The table of right answers, as text, under ``COLUMNS``."""
    return [
        (
            stage.name,
            *(str(stage.scores.get(category, Score())) for category in CATEGORIES),
            str(stage.total),
            str(stage.examples) if stage.cycle else "",
            f"{stage.training_s / 60:.1f}" if stage.cycle else "",
            stage.outcome,
        )
        for stage in figures.stages
    ]


ERROR_COLUMNS = ("wrong answers", *ERRORS, OTHER)


def error_rows(figures: Report) -> list[tuple[str, ...]]:
    """The table of errors of both categories, as text, under ``ERROR_COLUMNS``."""
    return [(stage.name, *(str(stage.total.groups[group]) for group in ERROR_COLUMNS[1:])) for stage in figures.stages]


TEXT_COLUMNS = ("on a general text", "weights", "loss, nats per token", "perplexity")


def text_rows(figures: Report) -> list[tuple[str, ...]]:
    """The table of losses on the general text, as text, under ``TEXT_COLUMNS``."""
    return [
        (loss.adapter or "base", loss.weights, f"{loss.mean:.3f}", f"{loss.perplexity:.2f}") for loss in figures.losses
    ]


def say_text(figures: Report) -> str:
    """Which general text was measured; empty where none was."""
    if not figures.losses:
        return ""
    first = figures.losses[0]
    return f"the general text: {first.text}, {first.tokens} tokens predicted"


def as_document(figures: Report) -> dict[str, Any]:
    """The results as JSON."""
    return {
        "seed": figures.seed,
        "base": figures.base,
        "stages": [stage.to_json() for stage in figures.stages],
        "text": [loss.to_json() for loss in figures.losses],
    }


def write_report(figures: Report, folder: Path) -> None:
    """Write ``bfcl.json`` and ``bfcl.md`` into the folder."""
    (folder / "bfcl.json").write_text(json.dumps(as_document(figures), indent=2) + "\n", encoding="utf-8")
    parts = [
        f"# Function calls (BFCL v4)\n\nSplit {figures.seed}, base {figures.base}; made from the log alone.",
        f"{_markdown(COLUMNS, stage_rows(figures))}\n\n{CAPTION}.",
        _markdown(ERROR_COLUMNS, error_rows(figures)),
    ]
    if figures.losses:
        parts.append(f"{_markdown(TEXT_COLUMNS, text_rows(figures))}\n\n{say_text(figures)}.")
    (folder / "bfcl.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, ["---"] * len(columns), *rows))
