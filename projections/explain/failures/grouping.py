"""Groups of failures that are alike, by page and action of the step that went wrong.

The grouping is a function of the failures alone: no chance, and no order but that of the log. Its time grows with the
number of failures and not with its square, because one is compared with the first of at most ``MOST_GROUPS`` groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import cbrt

from .ended_run import EndedRun
from .trace import ANSWER, CALL, NO_STEP, Trace

ALIKE = 0.6
"""The least likeness of two failures of a group, in [0, 1]; chosen: equal actions on pages of one shape are alike from a
fifth of common words on."""

FEWEST = 2
"""Fewest failures of a group: one alone is like no other."""

MOST_GROUPS = 200
"""Groups of one kind of action that a failure is compared with; chosen. Failures that are like none of these stay alone."""

FEWEST_OF_FAMILY = 4
"""Fewest failures of a family by which it is known which words differ between its instances; chosen."""

CONSTANT = 0.5
"""The share of a family's failures that has a word, under which the word is an instance's own; chosen."""

Marks = tuple[str, frozenset[str], frozenset[str], frozenset[str]]
"""What is compared of a failure: the kind of its action, which must be the same; marks of the action; shape and words of the
page."""


def group_failures(failures: Sequence[EndedRun], traces: Mapping[str, Trace]) -> list[list[EndedRun]]:
    """The groups, the largest first and each in the order of the log. Failures without a trace, or alike to no other, are in
    none. ``traces`` are those of ``strip_traces``."""
    same: dict[Marks, list[EndedRun]] = {}
    for failure in sorted(failures, key=lambda failure: failure.position):
        if failure.id in traces:
            same.setdefault(_marks(traces[failure.id]), []).append(failure)
    groups: dict[str, list[tuple[Marks, list[EndedRun]]]] = {}
    for marks, members in sorted(same.items(), key=lambda entry: (-len(entry[1]), entry[1][0].position)):
        known = groups.setdefault(marks[0], [])
        alike = [likeness(first, marks) for first, _ in known]
        best = max(alike, default=0.0)
        if best >= ALIKE:
            known[alike.index(best)][1].extend(members)
        elif len(known) < MOST_GROUPS:
            known.append((marks, list(members)))
    found = [members for known in groups.values() for _, members in known if len(members) >= FEWEST]
    for members in found:
        members.sort(key=lambda failure: failure.position)
    return sorted(found, key=lambda members: (-len(members), members[0].position))


def strip_traces(failures: Iterable[EndedRun]) -> dict[str, Trace]:
    """The traces by run, without the words that differ between the failures of one family: names, texts and values.

    A question has no such words: its words are all that there is to compare.
    """
    traced = [(failure, failure.trace) for failure in failures if failure.trace is not None]
    sizes = Counter(failure.family for failure, trace in traced if _is_of_page(trace))
    counts: dict[str, Counter[str]] = {}
    for failure, trace in traced:
        if _is_of_page(trace):
            counts.setdefault(failure.family, Counter()).update({*trace.words, *trace.said})
    own = {
        family: frozenset(word for word, number in counts[family].items() if number < CONSTANT * size)
        for family, size in sizes.items()
        if size >= FEWEST_OF_FAMILY
    }
    return {
        failure.id: trace.without(own.get(failure.family, frozenset())) if _is_of_page(trace) else trace
        for failure, trace in traced
    }


def likeness(one: Marks, other: Marks) -> float:
    """In [0, 1]: the geometric mean of three shares of what both have: of the action, of the page's shape, and of its words.

    So two failures are not alike where one of the three has nothing in common.
    """
    product, least = 1.0, ALIKE**3
    for mine, theirs in zip(one[1:], other[1:], strict=True):
        product *= _overlap(mine, theirs)
        if product < least:  # the rest cannot make them alike
            return 0.0
    return cbrt(product)


def _marks(trace: Trace) -> Marks:
    kind = f"{trace.verb} {trace.target}" if trace.verb in (CALL, NO_STEP) else trace.verb
    return kind, trace.action_marks, trace.shape, trace.words


def _is_of_page(trace: Trace) -> bool:
    return bool(trace.shape) and trace.verb not in (ANSWER, CALL)


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of marks of either that both have (Jaccard); 1 where neither has any."""
    shared = len(one & other)
    either = len(one) + len(other) - shared
    return shared / either if either else 1.0
