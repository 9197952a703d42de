"""Pictures and sounds in messages: marks in texts, and the parts that a model sees."""

import base64

import pytest

from grokputer.domain.page.media import (
    AUDIO,
    IMAGE,
    MOST_BYTES,
    BadMedia,
    keys_in_messages,
    kind_of,
    mark_of,
    marks_in,
    read_url,
    split_parts,
    without_marks,
    write_mark,
    write_url,
)

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


@pytest.mark.parametrize("url", ["https://example.com/a.png", "data:text/html;base64,AAAA", "data:image/png;base64,%%"])
def test_what_is_no_data_url_of_a_picture_is_refused(url: str) -> None:
    with pytest.raises(BadMedia):
        read_url(url)
