"""The reader: words on a picture, with scores and places.

The engine is ``rapidocr`` (PP-OCRv6, small) on one thread of the CPU. Its models come with the package, and nothing is ever
downloaded. There is one engine in a process, started at its first use.

The engine is asked for lines and recognises each by itself. Its own scores of words are not used: they are those of the
first characters of the line (rapidocr 3.10). Here a word has the lowest score of its own characters.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from ....domain.errors import EnvironmentUnavailable
from ....domain.page.messages import Box
from ....domain.page.words import Word, is_stray, order_words
from .ink import find_ink, find_spans
from .picture import LONGEST_SIDE, cut, unpack

if TYPE_CHECKING:
    from .picture import Pixels

MOST_WORDS = 20_000
"""Words that are kept of earlier pictures; chosen: some hundred screens, and 10 MB."""

LINE_HEIGHT = 40
"""Pixels of a box that may hold a single line; chosen: a line of 20 points and the frame of its entry."""

SURE = 0.85
"""A single line that is recognised without being looked for is believed from this score on; chosen: the default of
``read.min_confidence``."""

SETTINGS = {
    "Global.log_level": "critical",
    "Global.use_cls": False,  # text on screens is upright
    "Global.use_preprocess_img": False,
    "Global.text_score": 0.0,
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "Det.limit_type": "max",
    "Det.limit_side_len": 4 * LONGEST_SIDE,  # the picture is scaled here
    "Rec.rec_batch_num": 1,
    "Rec.rec_img_shape": [3, 48, 48],  # a short word is not widened to 320 pixels
}
"""Measured: a batch of lines is padded to its widest, which costs two thirds more time than each line by itself."""

SHORT_SIDE, MOST_SCALE = 736, 1.5
"""A smaller picture is enlarged for the search of lines, up to this side and this many times; see benchmarks/reading.py."""

MODELS = {"Det": "PP-OCRv6_det_small.onnx", "Rec": "PP-OCRv6_rec_small.onnx"}

_ENGINE = Lock()
"""Held while the engine is made or works."""


@cache
def _engine() -> Any:
    """The engine of this process. Raises ``EnvironmentUnavailable`` where its models are missing."""
    import rapidocr

    folder = Path(rapidocr.__file__).parent / "models"
    for name in MODELS.values():
        if not (folder / name).is_file():
            raise EnvironmentUnavailable(
                f"the model {folder / name} is missing; install it again: pip install rapidocr"
            )
    paths = {f"{part}.model_path": str(folder / name) for part, name in MODELS.items()}
    return rapidocr.RapidOCR(params={**SETTINGS, **paths})


class Reader:
    """Reads pictures. Thread-safe. What was read is kept by its content, so an unchanged window costs nothing.

    Needs the extra ``read``; without it the first use raises ``ModuleNotFoundError``.
    """

    def __init__(self, most_words: int = MOST_WORDS) -> None:
        self._most_words = most_words
        self._kept: OrderedDict[bytes, tuple[Word, ...]] = OrderedDict()
        self._kept_words = 0
        self._lock = Lock()
        self.reads = 0
        """How often the engine has worked."""

    def read(self, png: bytes, box: Box | None = None) -> tuple[Word, ...]:
        """The words on the picture, or in a box of it, in the order in which people read; boxes are in pixels of the picture.

        Raises ``BadPicture`` for what is no PNG or too large, and for a box outside it.
        """
        name = _key(b"png", png, repr(box).encode())
        found = self._recall(name)
        if found is None:
            pixels, place = cut(unpack(png), box)
            found = tuple(_move(word, place) for word in self._read_pixels(pixels))
            self._keep(name, found)
        return found

    def _read_pixels(self, pixels: Pixels) -> tuple[Word, ...]:
        name = _key(b"pixels", repr(pixels.shape).encode(), pixels.tobytes())
        found = self._recall(name)
        if found is None:
            is_line = pixels.shape[0] <= LINE_HEIGHT
            with _ENGINE:
                self.reads += 1
                words = _read_line(pixels) if is_line else None
                words = _read_lines(pixels) if words is None else words
            found = order_words(word for word in words if not is_stray(word))
            self._keep(name, found)
        return found

    def _recall(self, name: bytes) -> tuple[Word, ...] | None:
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)

    def _keep(self, name: bytes, words: tuple[Word, ...]) -> None:
        """Keep the words; those that were not asked for longest are dropped. A picture without words counts as one."""
        with self._lock:
            if name not in self._kept:
                self._kept[name] = words
                self._kept_words += max(1, len(words))
            while self._kept_words > self._most_words:
                self._kept_words -= max(1, len(self._kept.popitem(last=False)[1]))


@cache
def shared_reader() -> Reader:
    """The reader of this process, which remembers what any environment read."""
    return Reader()


def _key(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def _move(word: Word, place: Box) -> Word:
    return word._replace(box=word.box._replace(x=word.box.x + place.x, y=word.box.y + place.y))


def _read_lines(pixels: Pixels) -> list[Word]:
    """The words of the picture: its lines are looked for first."""
    import cv2
    import numpy

    height, width = pixels.shape[:2]
    scale = min(MOST_SCALE, max(1.0, SHORT_SIDE / min(height, width)))
    larger = pixels if scale == 1 else cv2.resize(pixels, None, fx=scale, fy=scale)
    words = []
    boxes = _engine()(larger, use_det=True, use_rec=False, use_cls=False).boxes
    for corners in boxes if boxes is not None else ():
        left, top = numpy.floor(corners.min(axis=0) / scale).astype(int).clip(0)
        right, bottom = numpy.ceil(corners.max(axis=0) / scale).astype(int)
        place = Box(int(left), int(top), min(int(right), width) - int(left), min(int(bottom), height) - int(top))
        if place.width > 0 and place.height > 0:
            words += _recognise(pixels, place)
    return words


def _read_line(pixels: Pixels) -> list[Word] | None:
    """The words of a picture that is one line; None where that is doubtful, because it has several, or a frame, or nothing."""
    height, width = pixels.shape[:2]
    words = _recognise(pixels, Box(0, 0, width, height))
    is_sure = bool(words) and min(word.score for word in words) >= SURE
    return words if is_sure else None


def _recognise(pixels: Pixels, place: Box) -> list[Word]:
    """The words of the line at the place."""
    line = pixels[place.y : place.y + place.height, place.x : place.x + place.width]
    found = _engine()(line, use_det=False, use_rec=True, use_cls=False, return_word_box=True)
    if not found.txts or not found.txts[0].strip():
        return []
    parts = found.word_results[0]
    column = place.width / parts.line_txt_len
    words = _split(
        found.txts[0], [it for columns in parts.word_cols for it in columns], parts.confs, place.height / column
    )
    middles = [((word[0].column + 0.5) * column, (word[-1].column + 0.5) * column) for word in words]
    spans = find_spans(find_ink(line), middles, _half_width(words) * column)
    return [
        Word(
            "".join(it.sign for it in word),
            float(min(it.score for it in word)),
            Box(place.x + left, place.y, right - left, place.height),
        )
        for word, (left, right) in zip(words, spans, strict=True)
    ]


class _Character(NamedTuple):
    sign: str
    column: int
    """Where it stands, in columns of the engine's answer, which are some pixels wide."""
    score: float


def _split(text: str, columns: list[int], scores: list[float], height: float) -> list[list[_Character]]:
    """The words of a line: they end at a space, and where the next character is further away than the line is high.

    ``columns`` has those of all characters but spaces, ``scores`` those of all; ``height`` is in columns.
    """
    words: list[list[_Character]] = []
    places, is_begin = iter(columns), True
    for sign, score in zip(text, scores, strict=True):
        if sign.isspace():
            is_begin = True
            continue
        character = _Character(sign, next(places), score)
        if is_begin or character.column - words[-1][-1].column > height:
            words.append([])
        words[-1].append(character)
        is_begin = False
    return words


def _half_width(words: list[list[_Character]]) -> float:
    """Half of a character's width, in columns: of the mean over the line's words; of three columns without such a word."""
    steps = [(word[-1].column - word[0].column) / (len(word) - 1) for word in words if len(word) > 1]
    return (sum(steps) / len(steps) if steps else 3) / 2
