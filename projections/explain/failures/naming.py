"""The name of a group: what its failures share and others do not, in at most 60 characters of words from the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ...wording.sentences import short_text
from .ended_run import EndedRun
from .trace import ANSWER, CALL, NO_STEP, UNREADABLE, Trace

LONGEST_NAME = 60
"""Characters of a name; chosen: it fits beside its counts in a terminal."""

MOST = 0.8
"""The share of a group's failures that has what the group shares; chosen."""

FEW = 0.5
"""The share of other failures, as a part of the group's own, over which a word is common and tells nothing; chosen."""

MOST_SHOWN = 3
"""Words of one kind that a name has; chosen."""


class Names:
    """Names for groups of these failures; no name is given twice."""

    def __init__(self, traces: Mapping[str, Trace]) -> None:
        self._traces = traces
        self._everywhere = Counter(mark for trace in traces.values() for mark in trace.page_marks)
        self._given: set[str] = set()

    def name(self, group: Sequence[EndedRun]) -> str:
        """The group's name, as in ``miniwob/login-user: CLICK button 'login', <input.password> empty``."""
        traces = [self._traces[failure.id] for failure in group]
        families = sorted({failure.family for failure in group})
        where = families[0] if len(families) == 1 else f"{len(families)} families"
        parts = [f"{where}: {_action(traces)}", *_error(traces), *self._page(traces)]
        name = short_text(parts[0], LONGEST_NAME)
        for part in parts[1:]:
            name = f"{name}{part}" if len(name) + len(part) <= LONGEST_NAME else name
        return self._once(name)

    def _once(self, name: str) -> str:
        number, given = 1, name
        while given in self._given:
            number += 1
            given = f"{short_text(name, LONGEST_NAME - len(str(number)) - 3)} ({number})"
        self._given.add(given)
        return given

    def _page(self, traces: Sequence[Trace]) -> list[str]:
        """What the pages share and other pages do not: states of fields, then words."""
        inside = Counter(mark for trace in traces for mark in trace.page_marks)
        others = len(self._traces) - len(traces)
        special = []
        for mark, number in inside.items():
            outside = (self._everywhere[mark] - number) / others if others else 0.0
            if number >= MOST * len(traces) and outside <= FEW * number / len(traces):
                special.append((outside, -number, mark))
        marks = [mark for *_, mark in sorted(special)]
        states = [f", {mark}" for mark in marks if mark.endswith((" empty", " filled"))]
        words = [mark for mark in marks if not mark.startswith("<") and mark != "#"][:MOST_SHOWN]
        return [*states[:1], *(f"{' with' if not at else ','} '{word}'" for at, word in enumerate(words))]


def _action(traces: Sequence[Trace]) -> str:
    """The action in a few words: verb, target, and the words that most of the actions have."""
    verb, target = traces[0].verb, _common([trace.target for trace in traces])
    said = _shared([trace.said for trace in traces])
    quoted = f" '{' '.join(said)}'" if said else ""
    match verb:
        case _ if verb == NO_STEP:
            return f"no step, {target}"
        case _ if verb == UNREADABLE:
            return f"no valid action{quoted}"
        case _ if verb == ANSWER:
            return f"answer{quoted}"
        case _ if verb == CALL:
            return f"call of {target or 'a function'}"
    return f"{verb}{f' {target}' if target else ''}{quoted}"


def _error(traces: Sequence[Trace]) -> list[str]:
    """What the environment said, where most of the failures have the same words."""
    words = _shared([trace.error for trace in traces], 6)
    return [f", error: {' '.join(words)}"] if words else []


def _shared(texts: Sequence[Sequence[str]], most: int = MOST_SHOWN) -> list[str]:
    """The first words that most of the texts have, in the order of the first text that has them all."""
    counts = Counter(word for text in texts for word in set(text))
    common = {word for word, number in counts.items() if number >= MOST * len(texts)}
    ordered = next((text for text in texts if common <= set(text)), sorted(common))
    return [word for word in dict.fromkeys(ordered) if word in common][:most]


def _common(values: Iterable[str]) -> str:
    """The value that most have; empty where there is none."""
    values = list(values)
    [(value, number)] = Counter(values).most_common(1)
    return value if number >= MOST * len(values) else ""
