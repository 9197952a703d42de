"""Pictures and sounds in messages: marks in texts, and the parts that a model sees."""

import base64
import struct
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from grokputer.domain.page.media import (
    AUDIO,
    IMAGE,
    MOST_BYTES,
    BadMedia,
    add_marks,
    check_size,
    complain_of_untaken,
    keys_in_messages,
    kind_of,
    mark_of,
    marks_in,
    measure,
    read_url,
    replace_keys,
    shorten_marks,
    split_parts,
    without_marks,
    words_of,
    write_mark,
    write_url,
)
from grokputer.domain.page.messages import Page
from grokputer.domain.page.prompt import ask_for_check, ask_for_plan, observe

KEY, OTHER = "sha256:" + "a1" * 32, "sha256:" + "b2" * 32
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
WAV = b"RIFF\x24\0\0\0WAVEfmt "


def test_a_text_with_marks_becomes_parts_in_their_order() -> None:
    media = {KEY: write_url(PNG), OTHER: write_url(WAV)}
    text = f"What is\n{mark_of(media[KEY], KEY)}\nand who says\n{mark_of(media[OTHER], OTHER)}"
    assert split_parts(text, media) == [
        {"type": "text", "text": "What is"},
        {"type": IMAGE, IMAGE: {"url": media[KEY]}},
        {"type": "text", "text": "and who says"},
        {"type": AUDIO, AUDIO: {"data": base64.b64encode(WAV).decode(), "format": "wav"}},
    ]
    assert list(marks_in(text)) == [(IMAGE, KEY), (AUDIO, OTHER)]
    assert keys_in_messages([{"content": text}, {"content": None}, {"content": text}]) == [KEY, OTHER]


def test_a_mark_whose_picture_was_erased_stays_text() -> None:
    assert split_parts(write_mark(IMAGE, KEY), {}) == [{"type": "text", "text": write_mark(IMAGE, KEY)}]


def test_a_text_without_marks_is_one_part_and_an_empty_text_none() -> None:
    assert split_parts("Hello", {KEY: "x"}) == [{"type": "text", "text": "Hello"}]
    assert split_parts("", {}) == []


def test_what_a_stranger_writes_is_never_a_mark() -> None:
    text = f"show me {write_mark(IMAGE, KEY)} and {write_mark(AUDIO, OTHER)}, not [image_url x]"
    cleaned = without_marks(text)
    assert list(marks_in(cleaned)) == []
    assert cleaned == f"show me (image_url {KEY}) and (input_audio {OTHER}), not [image_url x]"


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (WAV, "audio/wav"),
        (b"ID3\x04", "audio/mp3"),
        (b"fLaC", "audio/flac"),
        (b"OggS", "audio/ogg"),
    ],
)
def test_a_file_is_known_by_its_first_bytes_and_comes_back_from_its_url(data: bytes, mime: str) -> None:
    url = write_url(data)
    assert read_url(url) == (mime, data)
    assert kind_of(url) == (IMAGE if mime.startswith("image") else AUDIO)


def test_other_files_are_refused_with_what_is_taken() -> None:
    with pytest.raises(BadMedia, match=r"not a picture \(PNG.* or a sound"):
        write_url(b"%PDF-1.7")
    with pytest.raises(BadMedia, match=r"not a picture \(PNG, JPEG, GIF, WebP\)$"):
        write_url(WAV, (IMAGE,))
    with pytest.raises(BadMedia, match="it has more than 20 MB"):
        write_url(PNG + b"\0" * MOST_BYTES)


def test_marks_are_added_after_the_words_and_taken_away_again() -> None:
    media = {KEY: write_url(PNG), OTHER: write_url(WAV)}
    text = add_marks("What\nis it?", media)
    assert text == f"What\nis it?\n{write_mark(IMAGE, KEY)}\n{write_mark(AUDIO, OTHER)}"
    assert words_of(text) == "What\nis it?" and words_of(write_mark(IMAGE, KEY)) == "" and words_of("") == ""
    assert words_of(f"a\n{write_mark(IMAGE, KEY)}\nb") == "a\nb"
    assert replace_keys(text, {KEY: OTHER}).count(OTHER) == 2
    assert shorten_marks(text) == "What\nis it?\n[picture a1a1a1a1]\n[sound b2b2b2b2]"


def test_what_a_model_does_not_take_is_said_in_one_line_with_what_to_set() -> None:
    assert complain_of_untaken({IMAGE, AUDIO}, {IMAGE, AUDIO}, "eyes") == complain_of_untaken((), (), "eyes") == ""
    said = complain_of_untaken({AUDIO, IMAGE}, (), "eyes")
    assert said.startswith("the model eyes takes no pictures and no sounds; set model.base to a model that does")


def test_a_page_and_a_task_hold_no_marks_but_those_of_the_inputs() -> None:
    fake, media = write_mark(AUDIO, OTHER), {KEY: write_url(PNG)}
    page = Page(f"read {fake}", (f"p:{fake}[1]",), error=f"no {fake}", inputs=media)
    for messages in (
        observe(page, [fake]),
        observe(page, [fake], now=f"goal {fake}"),
        ask_for_plan(page),
        ask_for_check(page, [fake], fake),
        observe(replace(page, is_question=True), []),
    ):
        assert keys_in_messages(messages) == [KEY]


@pytest.mark.parametrize("url", ["https://example.com/a.png", "data:text/html;base64,AAAA", "data:image/png;base64,%%"])
def test_what_is_no_data_url_of_a_picture_is_refused(url: str) -> None:
    with pytest.raises(BadMedia):
        read_url(url)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}), ("GIF", {}), ("JPEG", {}), ("JPEG", {"progressive": True, "comment": b"x" * 300}),
        ("WEBP", {}), ("WEBP", {"lossless": True}), ("WEBP", {"exif": b"Exif\0\0II*\0"}),
    ],
)  # fmt: skip
def test_the_size_of_a_picture_is_read_from_its_header(form: str, options: dict[str, Any]) -> None:
    file = BytesIO()
    Image.new("RGB", (300, 7), "red").save(file, form, **options)
    assert measure(file.getvalue()) == (300, 7)
    for length in range(60):
        assert measure(file.getvalue()[:length]) in ((0, 0), (300, 7)) or length < 30


def test_a_picture_that_unpacks_to_more_than_fifty_million_pixels_is_refused_by_its_header() -> None:
    def of_size(width: int, height: int) -> bytes:
        return PNG[:8] + b"\0\0\0\rIHDR" + struct.pack(">II", width, height)

    with pytest.raises(BadMedia, match="it has 10000 x 10000 pixels, and at most 50 million are taken; scale it down"):
        check_size(of_size(10_000, 10_000))
    check_size(of_size(10_000, 5_000))
    for other in (PNG, WAV, b"", b"GIF8", b"\xff\xd8" + b"\xff" * 40, b"\xff\xd8" + b"\xff\xe0\0\0" * 9):
        check_size(other)
