"""The demo of a language model: it learns to do tasks in a shell, in words and with names that it has not seen.

Each family of tasks is asked for in eight wordings. Two of them, and some of the names, are never in feedback. So the
measurements show how far the model goes beyond what it was corrected on.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from ...domain.page.action import write_command
from ...projections.bench import Count
from ..environments.names import SHELL
from ..environments.shell.draw import FOLDERS, NAMES, WORDS
from ..environments.shell.families import OWN, changes, steps
from ..environments.shell.family import PHRASINGS, Family, phrasing_of
from ..store.log import Log
from .plan import PURPOSES, SEEDS, Measured, Plan, Reasoned
from .report import read_learning

ACTOR = "demo"

FAMILIES = (
    *("make-folder", "make-file", "copy-as", "copy-into", "move-into", "rename-file", "delete-file", "back-up"),
    *("write-word", "append-line", "join-files", "sort-lines", "first-lines", "keep-lines", "read-only"),
)
"""The families to learn: each task takes one command."""

SEVERAL_STEPS = tuple(sorted(family.name for group in (changes.GROUP, steps.GROUP) for family in group.families))
"""Families of several commands, which nothing teaches: they are only measured."""

UNSEEN_WORDINGS = (PHRASINGS - 2, PHRASINGS - 1)
"""The wordings that feedback never has."""

UNSEEN_NAMES = frozenset((*NAMES[-8:], *FOLDERS[-3:], *WORDS[-5:]))
"""Names of files and folders, and words, that feedback never has: a quarter of them."""

DRAWN = frozenset((*NAMES, *FOLDERS, *WORDS))

FIRST_EXAMPLE = len(PURPOSES) * SEEDS
"""Seeds from here on belong to the examples: no run has them."""

EXAMPLES = 6
"""Solved tasks in the prompt of the comparison."""

BY_NAMES, BY_WORDINGS, BY_STEPS = "names", "wordings", "steps"
WITH_EXAMPLES = {BY_NAMES: "names-examples", BY_WORDINGS: "wordings-examples"}
"""The groups that are also measured with examples in the prompt, and their groups then."""

SETTINGS: Reasoned = {
    "model.base": ("smollm2", "a language model that a package ships"),
    "run.max_tokens": (24, "the longest right answer of these families has 16 tokens"),
    "run.max_steps": (1, "the tasks to learn take one command"),
    "run.max_resamples": (0, "a run of one step repeats nothing"),
    "rating.rule": ("threshold", "the base fails from the first, and a window shows it soonest"),
    "canary.rule": ("relative", "the base fails nearly all, so the stable arm itself is under the bars"),
    "canary.weight_percent": (50, "the traffic is made for the demo; half of it decides soonest"),
    "canary.min_runs": (20, "a verdict on ten runs would mostly be chance"),
    "canary.bake_s": (0, "the demo's traffic comes in minutes, not hours; the number of runs decides"),
    "canary.interval_s": (0, "a look after every few runs"),
    "training.retries": (0, "the reviewer has corrected the failures"),
}
"""The demo's settings, with the reasons that the log records."""


@dataclass(frozen=True)
class LanguagePlan(Plan):
    """One cycle on the shell's tasks."""

    @property
    def groups(self) -> Sequence[Measured]:
        """New names in known wordings, new names in new wordings, both with examples as well, and several steps."""
        once: Reasoned = {"run.instructions": (self.examples(), "what examples in the prompt do without any training")}
        longer: Reasoned = {
            "run.max_steps": (4, "these tasks take two commands or three"),
            "run.max_tokens": (32, "the longest of their commands has 28 tokens"),
        }
        return [
            *(Measured(group, self.tasks, self.measured) for group in WITH_EXAMPLES),
            *(Measured(group, self.tasks, self.measured, once, only_before=True) for group in WITH_EXAMPLES.values()),
            Measured(BY_STEPS, self.old_tasks, self.measured_old, longer),
        ]

    def page(self, task: str, seed: int, detail: str) -> int:
        """The first seed from this one on with the names and the wording that the group or the rated run should have."""
        family = OWN.find(task)
        if detail == BY_STEPS:
            return seed
        is_measured = not detail.isdecimal()
        has_new_wording = detail in (BY_WORDINGS, WITH_EXAMPLES[BY_WORDINGS])
        return next(
            candidate
            for candidate in count(seed)
            if (phrasing_of(candidate) in UNSEEN_WORDINGS) == has_new_wording
            and (_has_only_unseen(family, candidate) if is_measured else _has_none_unseen(family, candidate))
        )

    def examples(self) -> str:
        """Solved tasks of as many families, as instructions for the prompt; they have no unseen name or wording."""
        shown = []
        for number, task in enumerate(random.Random(f"{self.seed}/examples").sample(FAMILIES, EXAMPLES)):
            instance = OWN.make(task, self.page(task, FIRST_EXAMPLE + number, str(number)))
            [command] = instance.solution
            shown.append(f"task: {instance.request}\ndo: {write_command(str(command))}")
        return "Examples:\n\n" + "\n\n".join(shown)


def plan_language(seed: int) -> LanguagePlan:
    """One cycle, with 240 rated and corrected runs; it takes less than 15 minutes on two cores."""
    return LanguagePlan(
        name=ACTOR,
        seed=seed,
        tasks=FAMILIES,
        old_tasks=SEVERAL_STEPS,
        feedback=240,
        old_share=0,
        canary=400,
        measured=4,
        measured_old=2,
        settings=SETTINGS,
        environment=SHELL,
        about="new names, new wordings, both with examples in the prompt, and tasks of several steps",
    )


def _has_only_unseen(family: Family, seed: int) -> bool:
    """Whether every name in the request is one that feedback never has."""
    return _names(map(str, family.values(seed).values())) <= UNSEEN_NAMES


def _has_none_unseen(family: Family, seed: int) -> bool:
    """Whether no name in the request or in the folder is one that feedback never has."""
    instance = family.instance(seed)
    return not _names([*map(str, family.values(seed).values()), *instance.files]) & UNSEEN_NAMES


def _names(texts: Iterable[str]) -> set[str]:
    """The drawn names in the texts."""
    return {name for text in texts for name in re.findall("[a-z]+", text)} & DRAWN


@dataclass(frozen=True)
class FamilyRow:
    """The measurements of one family, or of all: known and new wordings, before, with examples, and trained."""

    family: str
    names: tuple[Count, Count, Count]
    wordings: tuple[Count, Count, Count]


@dataclass(frozen=True)
class LanguageReport:
    """What the demo measured."""

    families: Sequence[FamilyRow]
    total: FamilyRow
    steps: Sequence[tuple[str, Count, Count]]
    """Each family of several steps before and after."""


def read_report(log: Log) -> LanguageReport:
    """The measurements, from the log alone."""
    cycles = read_learning(log).cycles
    before, after = cycles[0].tasks, cycles[-1].tasks

    def triple(group: str, family: str) -> tuple[Count, Count, Count]:
        found = (before.get((group, family)), before.get((WITH_EXAMPLES[group], family)), after.get((group, family)))
        first, examples, trained = (Count() if count is None else count for count in found)
        return first, examples, trained

    families = [FamilyRow(family, triple(BY_NAMES, family), triple(BY_WORDINGS, family)) for family in FAMILIES]
    steps = [
        (family, before.get((BY_STEPS, family), Count()), after.get((BY_STEPS, family), Count()))
        for family in SEVERAL_STEPS
    ]
    total = FamilyRow("all", _sum(row.names for row in families), _sum(row.wordings for row in families))
    return LanguageReport(families, total, steps)


def _sum(triples: Iterable[tuple[Count, Count, Count]]) -> tuple[Count, Count, Count]:
    first, examples, trained = (sum(counts, Count()) for counts in zip(*triples, strict=True))
    return first, examples, trained
