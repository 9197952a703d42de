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
"""Words of the action or of the page that a name has; chosen."""

MOST_OF_ERROR, ROOM_FOR_ERROR = 8, 15
"""Words of an error that a name has, and the characters that must be free for them; chosen."""


class Names:
    """Names for groups of these failures; no name is given twice."""

    def __init__(self, failures: Sequence[EndedRun], traces: Mapping[str, Trace]) -> None:
        self._traces = traces
        self._sizes, self._marks = Counter[str](), dict[str, Counter[str]]()
        for failure in failures:
            if failure.id in traces:
                self._sizes[failure.family] += 1
                self._marks.setdefault(failure.family, Counter()).update(traces[failure.id].page_marks)
        self._given: set[str] = set()

    def name(self, group: Sequence[EndedRun]) -> str:
        """The group's name, as in ``login-user: CLICK button 'login', password empty``."""
        traces = [self._traces[failure.id] for failure in group]
        families = sorted({failure.family for failure in group})
        where = families[0].rpartition("/")[2] if len(families) == 1 else f"{len(families)} families"
        name = short_text(f"{where}: {_action(traces)}", LONGEST_NAME)
        error = _shared([trace.error for trace in traces], MOST_OF_ERROR)
        if error and len(name) <= LONGEST_NAME - ROOM_FOR_ERROR:
            name += f", {short_text(' '.join(error), LONGEST_NAME - len(name) - 2)}"
        for part in self._page(families, traces):
            name = f"{name}, {part}" if len(name) + len(part) + 2 <= LONGEST_NAME else name
        return self._once(name)

    def _once(self, name: str) -> str:
        number, given = 1, name
        while given in self._given:
            number += 1
            given = f"{short_text(name, LONGEST_NAME - len(str(number)) - 3)} ({number})"
        self._given.add(given)
        return given

    def _page(self, families: Sequence[str], traces: Sequence[Trace]) -> list[str]:
        """What the group's pages share and other pages of its families do not: the state of a field, then words."""
        inside = Counter(mark for trace in traces for mark in trace.page_marks)
        others = sum(self._sizes[family] for family in families) - len(traces)
        is_of_words = traces[0].verb in (ANSWER, CALL)
        special = []
        for mark, number in inside.items():
            outside = sum(self._marks[family][mark] for family in families) - number
            share = outside / others if others else 0.0
            if number >= MOST * len(traces) and share <= FEW * number / len(traces) and (others or is_of_words):
                special.append((share, -number, -len(mark), mark))  # of equal words the longest tells most
        marks = [mark for *_, mark in sorted(special) if mark not in traces[0].said]
        states = [_say_state(mark) for mark in marks if mark.endswith((" empty", " filled"))]
        words = [mark for mark in marks if not mark.startswith("<") and mark != "#"][:MOST_SHOWN]
        return [*states[:1], *(f"'{word}'" for word in words)]


def _say_state(mark: str) -> str:
    """``password empty`` for ``<input.password> empty``; a field that has a name of its own by that name."""
    kind, _, state = mark.partition("> ")
    return f"{kind.rpartition('#')[2].removeprefix('<').removeprefix('input.')} {state}"


def _action(traces: Sequence[Trace]) -> str:
    """The action in a few words: verb, target, and the words that most of the actions have."""
    verb, target = traces[0].verb, _common([trace.target for trace in traces])
    said = _shared([trace.said for trace in traces], MOST_SHOWN)
    quoted = f" '{' '.join(said)}'" if said else ""
    special = {
        NO_STEP: f"no step, {target}",
        UNREADABLE: f"no valid action{quoted}",
        ANSWER: f"answer{quoted}",
        CALL: f"call of {target or 'a function'}",
    }
    return special.get(verb, f"{verb}{f' {target}' if target else ''}{quoted}")


def _shared(texts: Sequence[Sequence[str]], most: int) -> list[str]:
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
