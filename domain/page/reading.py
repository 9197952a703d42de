"""What role ``ocr`` is asked, and how its answer is read: from words on a picture to page lines.

Without an adapter, the lines are those of ``words.lay_out``, and no model is asked. The lines of a tree of elements are the
teacher, and ``compare_lines`` says how near an answer comes to them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .line import MOST_TEXT, write
from .messages import Box, Message, Page
from .words import KIND, Layout, Word, find_lines, order_words, surround

LINES_INSTRUCTIONS = (
    "You read a screen. You are shown the words on it in lines, each with its number, and after that x, y, width, height and "
    "how sure its reading is in percent for each of its words. "
    "Answer with the elements of the screen and nothing else, one a line from the top: the kind, a colon, the text, "
    "and the number in brackets, as in button:Ok[6]; a value stands before the text, as in entry=Bob:Name[3]."
)

MOST_WORDS = 400
"""Words in a prompt; chosen: four times the words of a full window. Those that are read last are left out."""

MOST_LINES = 200
"""Lines of an answer that are read; chosen: as many as an observation has."""

_SHOWN_LINE = re.compile(rf"{KIND}:(.*)\[\d+\]((?: -?\d+ -?\d+ \d+ \d+ \d+)+)")
_NUMBER = re.compile(r"\[(\d+)\]")
_LAST_NUMBER = re.compile(r"\[\d+\]$")
_ANSWERED = re.compile(
    r"(?P<kind>[a-z][a-z0-9.#-]{0,40}(?: disabled)?)(?P<on>\*?)(?:=(?P<value>[^:]*))?(?::(?P<text>.*))?\[\d+\]"
)


def write_lines_prompt(task: str, words: Iterable[Word]) -> list[Message]:
    """The messages that ask for the page lines of the words. The same words give the same messages, in whatever order.

    As in ``prompt.observe``, the task stands before the words and again next to the answer.
    """
    asked = f"task: {' '.join(task.split())}"
    lines = [asked, *write_words(words), asked, "lines: "]
    return [{"role": "system", "content": LINES_INSTRUCTIONS}, {"role": "user", "content": "\n".join(lines)}]


def write_words(words: Iterable[Word]) -> list[str]:
    """The words in the lines of ``lay_out``, each line followed by the places and scores of its words:
    ``text:Save As...[3] 97 31 41 17 99 140 31 22 17 98``.

    A model can so take a line over as it takes one over from a page. What could break the line is left out.
    """
    kept = [word._replace(text=_clean(word.text)) for word in order_words(words)[:MOST_WORDS]]
    rows = []
    for number, line in enumerate(find_lines(word for word in kept if word.text), 1):
        places = (f"{' '.join(map(str, word.box))} {int(word.score * 100)}" for word in line.words)
        rows.append(f"{KIND}:{line.text}[{number}] {' '.join(places)}")
    return rows


def read_words(messages: Iterable[Message]) -> tuple[Word, ...]:
    """The words of such a prompt, with scores in whole percent: what ``write_words`` wrote."""
    rows = [row for message in messages for row in str(message["content"]).split("\n") if message["role"] == "user"]
    words = list[Word]()
    for match in filter(None, map(_SHOWN_LINE.fullmatch, rows)):
        numbers = list(map(int, match[2].split()))
        for text, at in zip(match[1].split(" "), range(0, len(numbers), 5), strict=False):
            words.append(Word(text, numbers[at + 4] / 100, Box(*numbers[at : at + 4])))
    return tuple(words)


def read_lines(answer: str, words: Iterable[Word]) -> Layout | None:
    """The page lines of the answer, numbered from 1; None where it has a line that is none, or no line at all.

    A line lies where its words are: each word of the picture is used once, from the top. A line none of whose words is on the
    picture has no place and the score 0, because it was made up.
    """
    rows = [row.strip() for row in answer.strip().splitlines()]
    found = [match_line(row) for row in rows]
    if not rows or len(rows) > MOST_LINES:
        return None
    left = list(order_words(words))
    lines, boxes, scores = [], list[Box | None](), []
    for number, match in enumerate(found, 1):
        if match is None:
            return None
        value, text = match["value"] or "", match["text"] or ""
        used = _take([*value.split(), *text.split()], left)
        lines.append(write(number, match["kind"], text, value, is_on=bool(match["on"])))
        boxes.append(surround([word.box for word in used]) if used else None)
        scores.append(min((word.score for word in used), default=0.0))
    return Layout(tuple(lines), tuple(boxes), tuple(scores))


def match_line(line: str) -> re.Match[str] | None:
    """The parts ``kind``, ``on`` (``*`` or nothing), ``value`` and ``text`` of a page line; None for what is none."""
    return _ANSWERED.fullmatch(line)


def tree_lines(page: Page) -> tuple[str, ...]:
    """The page's lines that lie on its picture, numbered from 1: what a reading of the picture should say."""
    shown = [line for line, box in zip(page.lines, page.boxes, strict=False) if box is not None]
    return number_lines(shown)


def number_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """The lines that are not empty, numbered from 1 in place of the numbers that they have."""
    bare = [_LAST_NUMBER.sub("", line.strip()) for line in lines if line.strip()]
    return tuple(f"{line}[{number}]" for number, line in enumerate(bare, 1))


class LineShare(NamedTuple):
    """How many lines are right."""

    right: int
    expected: int
    given: int

    @property
    def share(self) -> float:
        """0 to 1: right lines over those of the longer list, so that neither silence nor guesses pay; 1 for two empty lists."""
        longer = max(self.expected, self.given)
        return self.right / longer if longer else 1.0


def compare_lines(expected: Iterable[str], given: Iterable[str], *, by_text: bool = False) -> LineShare:
    """How the lines of an answer compare with those of a tree.

    A line is right where it is the same but for its number and the amount of white space; each expected line counts once, and
    the order does not count. ``by_text`` compares texts and values alone, for lines whose kind no reading can know.
    """
    wanted, found = (Counter(_compared(line, by_text) for line in lines) for lines in (expected, given))
    return LineShare((wanted & found).total(), wanted.total(), found.total())


def _clean(text: str) -> str:
    return _NUMBER.sub(r"(\1)", "".join(text.split())[:MOST_TEXT])


def _take(texts: Sequence[str], left: list[Word]) -> list[Word]:
    """The first word of the picture for each text, which is taken out of those that are left."""
    taken = []
    for text in texts:
        word = next((word for word in left if word.text == text), None)
        if word is not None:
            left.remove(word)
            taken.append(word)
    return taken


def _compared(line: str, by_text: bool) -> str:
    """The line without its number, with one space between words; ``by_text`` also without its kind."""
    bare = " ".join(_LAST_NUMBER.sub("", line.strip()).split())
    if not by_text:
        return bare
    value, _, text = re.sub(r"^[^=:*]+\*?=?", "", bare).partition(":")
    return f"{value} {text}".strip()
