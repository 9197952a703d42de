"""The environment of function calls: a request and the functions' schemas, one call as the answer, the package's judgement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ....domain.errors import EnvironmentUnavailable, UnknownTask
from ....domain.events import Capability
from ....domain.page.messages import Page
from ....domain.ports import Environment, Script
from .entries import Entry, read_entries
from .judge import judge
from .package import QUESTIONS
from .split import SPLITS, split_entries

TRAIN, TEST = "train", "test"
"""The parts that have tasks. The third part is what new pages of ``train`` are."""


def name_task(category: str, part: str, split: int) -> str:
    """The name of a task: ``simple-train-1``."""
    return f"{category}-{part}-{split}"


TASKS = tuple(
    sorted(name_task(category, part, split) for category in QUESTIONS for part in (TRAIN, TEST) for split in SPLITS)
)


class Bfcl(Environment):
    """The ``Environment`` of BFCL: a task is a part of a split, and its seed the number of an entry, from 0.

    A seed beyond the entries of ``train`` is a new page: an entry that is neither trained on nor tested. So the gate can
    play new pages, and a benchmark that numbers its pages knows which they are.
    """

    capabilities = frozenset({Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS})

    def __init__(self) -> None:
        self._entry: Entry | None = None

    def tasks(self) -> Sequence[str]:
        """The names of all tasks, sorted."""
        return TASKS

    def suggest_tasks(self) -> tuple[Sequence[str], Sequence[str]]:
        """The training part of the first split; the embedded model was pretrained on none."""
        return [name_task(category, TRAIN, SPLITS[0]) for category in QUESTIONS], ()

    def reset(self, task: str, seed: int) -> Page:
        """Show the entry. Raises ``UnknownTask``; ``EnvironmentUnavailable`` where the package cannot be used."""
        self._entry = find_entry(task, seed)
        return Page(self._entry.prompt, (), is_question=True)

    def act(self, action: str) -> Page:
        """Judge the answer, which ends the episode."""
        if self._entry is None:
            raise EnvironmentUnavailable("no episode is running; start one with reset(task, seed)")
        judgement = judge(self._entry, action)
        return Page(self._entry.prompt, (), True, float(judgement.is_right), str(judgement), is_question=True)

    def demonstrate(self, task: str) -> Script:
        """The right call. Raises ``UnknownTask``."""
        self.check_task(task)
        return lambda page, history: _answers()[page.task]

    def beside(self, seat: int) -> Bfcl:
        """Another episode."""
        return Bfcl()


def find_entry(task: str, seed: int) -> Entry:
    """The entry that the task shows for the seed. Raises ``UnknownTask``, ``EnvironmentUnavailable``."""
    if task not in TASKS:
        raise UnknownTask(
            f"there is no task {task!r}; a task is named as {TASKS[0]}, with a split from {SPLITS[0]} to {SPLITS[-1]}"
        )
    category, part, number = task.split("-")
    split = split_entries(int(number))
    entries = split.of(part, category)
    if part == TRAIN and seed >= len(entries):
        entries = split.of("fresh", category)
    return entries[seed % len(entries)]


@cache
def _answers() -> dict[str, str]:
    """The right call for each prompt."""
    return {entry.prompt: entry.answer for entry in read_entries()}
