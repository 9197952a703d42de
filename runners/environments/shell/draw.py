"""What a task draws from its seed: names, words, texts and numbers. The same seed draws the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

NAMES = (
    *("notes", "report", "invoice", "budget", "photo", "recipe", "letter", "plan", "draft", "summary"),
    *("agenda", "ledger", "poem", "memo", "diary", "index", "review", "survey", "manual", "roster"),
    *("contract", "lecture", "ticket", "garden", "harbor", "ballad", "quartz", "menu", "essay", "speech"),
)
"""Names of files, without what follows the dot."""

FOLDERS = "docs archive images music work old data projects taxes travel letters shared".split()  # noqa: SIM905

WORDS = (
    *("apple", "river", "stone", "cloud", "green", "seven", "lamp", "tiger", "paper", "window"),
    *("bridge", "candle", "forest", "pepper", "silver", "rocket", "meadow", "violin", "orange", "basket"),
)

PEOPLE = "Anna Bob Carla David Erik Frida Greta Hugo Ines Jonas".split()  # noqa: SIM905

T = TypeVar("T")


class Draw:
    """Draws for one task; no name, folder, word or person comes twice."""

    def __init__(self, task: str, seed: int) -> None:
        self._random = random.Random(f"{task}/{seed}")
        self._names, self._folders, self._words, self._people = (
            self._random.sample(known, len(known)) for known in (NAMES, FOLDERS, WORDS, PEOPLE)
        )

    def name(self) -> str:
        """A name without an ending."""
        return self._names.pop()

    def file(self, ending: str = "txt") -> str:
        """A name of a file."""
        return f"{self.name()}.{ending}"

    def files(self, count: int, ending: str = "txt") -> list[str]:
        """``count`` names of files."""
        return [self.file(ending) for _ in range(count)]

    def folder(self) -> str:
        """A name of a folder."""
        return self._folders.pop()

    def word(self) -> str:
        """A word that is in no text drawn later."""
        return self._words.pop()

    def words(self, count: int) -> list[str]:
        """``count`` words."""
        return [self.word() for _ in range(count)]

    def person(self) -> str:
        """A first name."""
        return self._people.pop()

    def people(self, count: int) -> list[str]:
        """So many first names."""
        return [self.person() for _ in range(count)]

    def number(self, low: int, high: int) -> int:
        """A whole number from low to high."""
        return self._random.randint(low, high)

    def numbers(self, count: int, low: int, high: int) -> list[int]:
        """So many different numbers."""
        return self._random.sample(range(low, high + 1), count)

    def one_of(self, known: Sequence[T]) -> T:
        """One of them."""
        return self._random.choice(known)

    def shuffled(self, known: Sequence[T]) -> list[T]:
        """All of them in another order."""
        return self._random.sample(known, len(known))

    def lines(self, count: int, words: int = 2) -> list[str]:
        """So many lines of words that were not drawn one by one."""
        return [" ".join(self._random.choice(self._words) for _ in range(words)) for _ in range(count)]

    def text(self, count: int = 0, words: int = 2) -> str:
        """A text of so many lines; of four to eight where no number is given."""
        return as_text(self.lines(count or self.number(4, 8), words))


def as_text(lines: Sequence[object]) -> str:
    """The lines, each with its end."""
    return "".join(f"{line}\n" for line in lines)
