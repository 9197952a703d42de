"""The reader finds words on pictures, with their places and scores; what it has read once costs nothing."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import zlib

import pytest
from drawn import draw_png
from PIL import Image

from grokputer.domain.errors import BadPicture
from grokputer.domain.page.messages import Box
from grokputer.domain.page.words import Word, lay_out
from grokputer.runners.environments.senses.picture import LONGEST_SIDE, measure
from grokputer.runners.environments.senses.reader import Reader
from grokputer.runners.environments.senses.task_pictures import stack

FORM = [
    (20, 10, "File"),
    (80, 10, "Edit"),
    (20, 60, "Name of the customer"),
    (240, 60, "Ada Lovelace"),
    (20, 110, "Total 2316.78"),
]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.fixture(scope="module")
def form(reader: Reader) -> tuple[Word, ...]:
    return reader.read(draw_png(FORM))


def test_words_come_in_the_order_of_reading(form: tuple[Word, ...]) -> None:
    assert " ".join(word.text for word in form) == "File Edit Name of the customer Ada Lovelace Total 2316.78"
    assert all(word.score > 0.85 for word in form)


def test_a_word_lies_where_it_was_drawn(form: tuple[Word, ...]) -> None:
    for word in form:
        x, y, width, height = word.box
        wanted = {text.split()[0]: (left, top) for left, top, text in FORM}.get(word.text)
        if wanted:
            assert abs(x - wanted[0]) <= 3 and wanted[1] - 4 <= y <= wanted[1] + 6, word
        assert 7 <= height <= 30 and 4 * len(word.text) <= width <= 14 * len(word.text), word


def test_the_words_make_lines_that_an_action_can_name(form: tuple[Word, ...]) -> None:
    assert lay_out(form).lines == (
        *(
            "text:File[1]",
            "text:Edit[2]",
            "text:Name of the customer[3]",
            "text:Ada Lovelace[4]",
            "text:Total 2316.78[5]",
        ),
    )


def test_light_words_on_a_dark_ground_are_read(reader: Reader) -> None:
    assert [word.text for word in reader.read(draw_png([(30, 30, "Open recent")], is_dark=True))] == ["Open", "recent"]


def test_a_box_is_read_alone_and_its_words_lie_on_the_whole_picture(reader: Reader, form: tuple[Word, ...]) -> None:
    [word] = reader.read(draw_png(FORM), Box(200, 52, 110, 36))[:1]
    there = next(word for word in form if word.text == "Ada")
    assert word.text == "Ada"
    assert abs(word.box.x - there.box.x) <= 3


def test_what_was_read_is_not_read_again(reader: Reader, form: tuple[Word, ...]) -> None:
    before = reader.reads
    assert reader.read(draw_png(FORM)) == form
    assert reader.reads == before


def test_a_box_whose_pixels_are_the_same_is_not_read_again_when_the_rest_has_changed(reader: Reader) -> None:
    box = Box(0, 0, 200, 40)
    words = reader.read(draw_png([(20, 10, "Clock"), (20, 60, "12:01")]), box)
    before = reader.reads
    assert reader.read(draw_png([(20, 10, "Clock"), (20, 60, "12:02")]), box) == words
    assert reader.reads == before


def test_what_is_kept_is_bounded(reader: Reader) -> None:
    small = Reader(most_words=3)
    pictures = [draw_png([(10, 8, text)], (90, 36)) for text in ("one", "two", "three", "four")]
    for picture in pictures:
        small.read(picture)
    assert small.reads == 4
    small.read(pictures[-1])
    assert small.reads == 4
    small.read(pictures[0])
    assert small.reads == 5


def test_a_picture_without_words_has_none(reader: Reader) -> None:
    assert reader.read(draw_png([], (120, 90))) == ()
    assert reader.read(draw_png([], (1, 1))) == ()


def test_threads_that_read_the_same_get_the_same(reader: Reader) -> None:
    picture, found = draw_png([(12, 10, "Shared words")], (200, 40)), list[tuple[Word, ...]]()
    threads = [threading.Thread(target=lambda: found.append(reader.read(picture))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and len(set(found)) == 1


def header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (b"", "no PNG"),
        (b"GIF89a" + bytes(60), "no PNG"),
        (header(40, 40), "damaged"),
        (header(0, 40), "0 x 40 pixels.*; save it again"),
        (
            header(LONGEST_SIDE, LONGEST_SIDE),
            "8000 x 8000 pixels; allowed are 16000000, and 8000 on a side; make it smaller",
        ),
        (header(2**31 - 1, 1), "2147483647 x 1 pixels"),
    ],
)
def test_what_is_no_picture_or_unpacks_to_too_much_is_refused_in_one_line(picture: bytes, words: str) -> None:
    with pytest.raises(BadPicture, match=words):
        Reader().read(picture)


def blank(width: int, height: int) -> bytes:
    """A whole PNG of this size without a mark on it, a few kilobytes long."""
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_pictures_of_a_task_that_are_too_large_are_to_be_made_smaller() -> None:
    with pytest.raises(BadPicture) as one:
        stack([blank(5000, 4000)])
    assert str(one.value) == (
        "the picture has 5000 x 4000 pixels; 16000000 can be read, and 8000 on a side; make it smaller"
    )
    with pytest.raises(BadPicture, match=r"the pictures together have 4000 x 8008 pixels; .*; make them smaller"):
        stack([blank(4000, 4000)] * 2)


def test_a_box_outside_the_picture_is_refused_and_one_over_its_edge_is_cut(reader: Reader) -> None:
    picture = draw_png([(12, 10, "Edge")], (90, 36))
    with pytest.raises(BadPicture, match="lies outside the picture, which has 90 x 36 pixels"):
        reader.read(picture, Box(90, 0, 10, 10))
    assert [word.text for word in reader.read(picture, Box(-20, -5, 500, 60))] == ["Edge"]


def test_the_size_of_a_picture_is_read_from_its_header() -> None:
    assert measure(draw_png([], (90, 36))) == (90, 36)


def test_the_module_loads_no_engine_before_it_is_used() -> None:
    program = (
        "import sys, grokputer.runners.environments.senses.reader; "
        "print([it for it in ('cv2', 'rapidocr', 'onnxruntime', 'numpy') if it in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert shown.stdout.strip() == "[]"
