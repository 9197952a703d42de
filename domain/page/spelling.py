"""A reading as a person corrects it: line by line, word by word, each word with the place where it was read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from .line import write
from .reading import match_line
from .words import Word

ALIKE = 0.5
"""How alike a corrected word and a word of the picture are at least, 0 to 1, by ``difflib``; chosen: half of the letters."""


class Spelled(NamedTuple):
    """A word of a line."""

    text: str
    word: Word | None
    """What was read at its place; None where nothing on the picture is like it."""


class SpelledLine(NamedTuple):
    """A line whose words can be corrected."""

    kind: str
    """With ``*`` at its end where the element is on; empty for words that are in no line."""
    value: tuple[Spelled, ...]
    text: tuple[Spelled, ...]

    @property
    def words(self) -> tuple[Spelled, ...]:
        """Those of its value, then those of its text."""
        return (*self.value, *self.text)


def spell(lines: Iterable[str], words: Iterable[Word]) -> list[SpelledLine]:
    """The lines with the place of each of their words, then a line without a kind for each word that no line has.

    Each word of the picture is used once, by a word that is the same before one that is only like it. What is no page line
    is left out.
    """
    left, found = list(words), list[tuple[str, list[str], list[str]]]()
    for line in lines:
        if (match := match_line(line)) is not None:
            kind = f"{match['kind']}{match['on']}"
            found.append((kind, (match["value"] or "").split(), (match["text"] or "").split()))
    texts = [text for _, value, text_ in found for text in (*value, *text_)]
    places = _find(texts, left)
    spelled, at = list[SpelledLine](), iter(zip(texts, places, strict=True))
    for kind, value, text_ in found:
        own = [tuple(Spelled(*next(at)) for _ in part) for part in (value, text_)]
        spelled.append(SpelledLine(kind, *own))
    return [*spelled, *(SpelledLine("", (), (Spelled(word.text, word),)) for word in left)]


def correct_words(spelled: Sequence[SpelledLine], kinds: Sequence[str], words: Sequence[str]) -> list[str]:
    """The lines with these kinds and words in place of their own, numbered from 1.

    A line whose kind is empty is left out; so is a word that is empty. ``words`` are those of all lines in their order. Raises
    ``ValueError`` where there are more or fewer than the lines have.
    """
    if len(kinds) != len(spelled) or len(words) != sum(len(line.words) for line in spelled):
        raise ValueError("the words are not those of the lines")
    rest, lines = iter(words), list[str]()
    for line, kind in zip(spelled, kinds, strict=True):
        value, text = (" ".join(next(rest) for _ in part) for part in (line.value, line.text))
        bare = kind.strip()
        if bare:
            lines.append(write(len(lines) + 1, bare.rstrip("*"), text, value, is_on=bare.endswith("*")))
    return lines


def _find(texts: Sequence[str], left: list[Word]) -> list[Word | None]:
    """For each text the word of the picture that it is, or is like; those are taken out of the ones that are left."""
    places: list[Word | None] = [None] * len(texts)
    for is_same in (True, False):
        for number, text in enumerate(texts):
            if places[number] is None:
                known = [word.text for word in left]
                like = [text] if is_same else get_close_matches(text, known, 1, ALIKE)
                word = next((word for word in left if word.text in like), None)
                if word is not None:
                    places[number] = word
                    left.remove(word)
    return places
