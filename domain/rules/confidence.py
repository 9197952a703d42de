"""When what was read or heard is doubtful, so that an issue is proposed for the rating.

A score says how sure an engine is of each character by itself. It does not tell l from I and 1, or O from 0, where nothing
around them does: such a word is doubtful whatever its score.
"""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import pairwise

LOOK_ALIKES = frozenset("lI1|O0")
"""Characters that many fonts draw alike."""

LONGEST_NUMERAL = 3
"""Most signs of a Roman numeral of one sign, as in III."""

_ORDINARY = re.compile(r"A?a*|A+a?|A?a+(?:Aa+)+|0+|(?:A?a+|A+)0+|0+(?:A?a+|A+)")
"""The shapes of parts that are settled, with A for a capital, a for a small letter and 0 for a digit: words in small letters,
with a capital first, in capitals, with a plural's s, of several words with capitals; numbers; a word and a number."""

_SHORTENED = re.compile(r"['\u2019]ll\b")
"""The end of I'll and we'll."""


class Doubt(StrEnum):
    """Why a word that was read is doubtful."""

    SCORE = "score"
    LOOK_ALIKES = "look-alikes"


def find_doubt(text: str, score: float, least: float) -> Doubt | None:
    """Why the word is doubtful; None where it is not.

    ``score`` is 0 to 1 and doubtful under ``least``, the setting ``read.min_confidence``.
    """
    if score < least:
        return Doubt.SCORE
    return Doubt.LOOK_ALIKES if mixes_look_alikes(text) else None


def propose_speech_issue(confidence: float | None, least: float) -> bool:
    """Whether ``speech_confidence_low`` is proposed: the confidence, 0 to 1, is under the setting ``audio.min_confidence``.

    It is not proposed for an unknown confidence: some endpoints tell none.
    """
    return confidence is not None and confidence < least


def mixes_look_alikes(text: str) -> bool:
    """Whether the text has a look-alike that nothing around it settles.

    A part of a word is settled by its shape: a word, a number, or one after the other with another sign than a look-alike where
    they meet. ``Illness``, ``OK``, ``10:01``, ``A4`` and ``100px`` are settled; ``A1lI8``, ``reportl0`` and ``fiIe`` are not.
    """
    words = (_SHORTENED.sub("", word) for word in text.split() if word != "|")
    return any(_is_unsettled(part) for word in words for part in re.split(r"[^\w|]|_", word))


def _is_unsettled(part: str) -> bool:
    if not LOOK_ALIKES & set(part):
        return False
    if set(part) <= LOOK_ALIKES and not part.isdecimal():
        return not (set(part) == {"I"} and len(part) <= LONGEST_NUMERAL) and part != "IO"
    return not _ORDINARY.fullmatch("".join(map(_class_of, part))) or _meets_as_look_alike(part)


def _class_of(sign: str) -> str:
    if sign.isdecimal():
        return "0"
    return "a" if sign.islower() else "A" if sign.isupper() else "?"


def _meets_as_look_alike(part: str) -> bool:
    """Whether a letter that looks like a digit stands beside a digit, or a capital I or O after a small letter."""
    pairs = [f"{one}{other}" for one, other in pairwise(part)]
    beside = any(
        (pair[0] in "lIO" and pair[1].isdecimal()) or (pair[0].isdecimal() and pair[1] in "lIO") for pair in pairs
    )
    return beside or any(pair[0].islower() and pair[1] in "IO" for pair in pairs)
