"""Sets from outside with pictures: image folders, OpenAI's parts, and what is refused of them."""

from __future__ import annotations

import base64
import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from command_line import call, output, refused

import grokputer
from grokputer.adapters.data.imports.pictures import DESCRIBE
from grokputer.adapters.data.imports.public_set import PublicSet, read_public
from grokputer.adapters.data.media_files import keys_in_examples, read_media, write_media
from grokputer.domain.errors import InvalidExamples
from grokputer.domain.page.media import IMAGE, marks_in, read_url, write_mark, write_url

PNG, OTHER = (b"\x89PNG\r\n\x1a\n" + bytes([number]) * 40 for number in (1, 2))
HUGE = PNG[:8] + b"\0\0\0\rIHDR" + struct.pack(">II", 10_000, 10_000) + bytes(40)
"""The head of a picture that unpacks to 300 MB."""
KEY = "sha256:" + "a" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "set"
    (made / "train").mkdir(parents=True)
    (made / "train" / "a.png").write_bytes(PNG)
    (made / "train" / "b.png").write_bytes(OTHER)
    return made


def shown(read: PublicSet) -> list[tuple[str, list[bytes], str]]:
    """Each example's last words without marks, its pictures, and its answer."""
    rows = []
    for example in read.examples:
        text = example.messages[-1]["content"]
        pictures = [read_url(read.media[key])[1] for _, key in marks_in(text)]
        words = text
        for kind, key in marks_in(text):
            words = words.replace(write_mark(kind, key), "")
        rows.append((words.strip(), pictures, example.completion))
    return rows


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_image_folder_gives_a_question_about_each_picture(folder: Path, form: str) -> None:
    rows = [{"file_name": "a.png", "text": "A red square."}, {"file_name": "b.png", "text": "A circle."}]
    lines = {
        "jsonl": [json.dumps(row) for row in rows],
        "csv": ["file_name,text", *(f"{row['file_name']},{row['text']}" for row in rows)],
    }
    (folder / "train" / f"metadata.{form}").write_text("\n".join(lines[form]))
    read = read_public(str(folder), "ocr")
    assert shown(read) == [(DESCRIBE, [PNG], "A red square."), (DESCRIBE, [OTHER], "A circle.")]


def test_a_row_with_a_question_of_its_own_is_asked_about_its_picture(folder: Path) -> None:
    row = {"file_name": "a.png", "question": "Which color?", "answer": "red"}
    (folder / "train" / "metadata.jsonl").write_text(json.dumps(row))
    assert shown(read_public(str(folder), "ocr")) == [("Which color?", [PNG], "red")]


def test_messages_show_pictures_by_data_urls_and_by_files_beside_the_set(folder: Path) -> None:
    parts: list[Any] = [
        {"type": "text", "text": "The same?"},
        {"type": "image_url", "image_url": {"url": write_url(PNG)}},
        {"type": "image_url", "image_url": {"url": "train/b.png"}},
        {"type": "image", "image": "train/a.png"},
    ]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "No."}]
    (folder / "chat.jsonl").write_text(json.dumps({"messages": messages}))
    assert shown(read_public(str(folder / "chat.jsonl"), "action")) == [("The same?", [PNG, OTHER, PNG], "No.")]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../secret.png", "names ../secret.png, which is not in the set's folder"),
        ("missing.png", "which cannot be read: No such file or directory"),
        ("page.png", "it is not a picture"),
        ("link.png", "which is not in the set's folder"),
        ("/etc/passwd.png", "names /etc/passwd.png, which is not in the set's folder"),
        ("folder.png", "which is no file"),
        ("pipe.png", "which is no file"),
        ("words.png", "it is not a picture"),
        ("huge.png", "names huge.png: it has 10000 x 10000 pixels, and at most 50 million are taken; scale it down"),
    ],
)
def test_a_file_that_is_no_picture_of_the_set_leaves_its_row_out(folder: Path, name: str, words: str) -> None:
    (folder / "secret.png").write_bytes(PNG)
    (folder / "train" / "page.png").write_bytes(b"<html>")
    (folder / "train" / "link.png").symlink_to(folder / "secret.png")
    (folder / "train" / "folder.png").mkdir()
    os.mkfifo(folder / "train" / "pipe.png")
    (folder / "train" / "words.png").write_text("A picture of a cat.")
    (folder / "train" / "huge.png").write_bytes(HUGE)
    rows = [{"file_name": name, "text": "x"}, {"file_name": "a.png", "text": "y"}]
    (folder / "train" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    read = read_public(str(folder / "train" / "metadata.jsonl"), "action")
    assert len(read.examples) == 1 and words in read.first["picture"][0]


def test_every_row_that_is_left_out_is_told_in_one_line_of_the_command(folder: Path, tmp_path: Path) -> None:
    (folder / "train" / "link.png").symlink_to("/etc/hostname")
    (folder / "train" / "huge.png").write_bytes(HUGE)
    part = {"type": "image_url", "image_url": {"url": write_url(HUGE)}}
    rows: list[Any] = [{"file_name": name, "text": "x"} for name in ("a.png", "link.png", "huge.png", "no.png")]
    rows.append({"messages": [{"role": "user", "content": [part]}, {"role": "assistant", "content": "No."}]})
    (folder / "train" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = tmp_path / "events.db"
    grokputer.open(path, create=True).close()
    result = call("dataset", "import", folder, "--role", "ocr", db=path)
    said = " ".join(result.output.split())
    assert result.exit_code == 0 and "imported 1 example" in said and "Traceback" not in said
    assert "4" in said and "link.png, which is not in the set's folder" in said
    nothing = folder.parent / "nothing"
    nothing.mkdir()
    (nothing / "metadata.jsonl").write_text(json.dumps({"file_name": "../set/train/a.png", "text": "x"}))
    assert "which is not in the set's folder" in refused("dataset", "import", nothing, "--role", "ocr", db=path)


def test_a_picture_elsewhere_is_never_fetched(folder: Path) -> None:
    part = {"type": "image_url", "image_url": {"url": "https://pictures.invalid/a.png"}}
    row = {"messages": [{"role": "user", "content": [part]}, {"role": "assistant", "content": "No."}]}
    (folder / "chat.jsonl").write_text(json.dumps(row))
    with pytest.raises(InvalidExamples, match="it takes a data: URL, or a file in the set's folder"):
        read_public(str(folder / "chat.jsonl"), "action")


def test_what_looks_like_a_mark_in_a_set_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text(json.dumps({"prompt": f"See {write_mark(IMAGE, KEY)}", "completion": "x"}))
    [example] = read_public(str(tmp_path / "set.jsonl"), "action").examples
    assert example.messages[0]["content"] == f"See (image_url {KEY})"


def test_an_imported_set_keeps_its_pictures_in_the_log_and_is_imported_once(folder: Path, tmp_path: Path) -> None:
    rows = [{"file_name": "a.png", "text": "A red square."}, {"file_name": "b.png", "text": "A circle."}]
    (folder / "train" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = tmp_path / "events.db"
    grokputer.open(path, create=True).close()
    assert "imported 2 examples" in output("dataset", "import", folder, "--role", "ocr", db=path)
    assert "already imported" in output("dataset", "import", folder, "--role", "ocr", db=path)
    with grokputer.open(path) as log:
        [event] = list[Any](it.event for it in log.events(topics=["ExamplesImported"]))
        pictures = {key: log._ledger.get_content(key) for key in event.pictures}
        lines = log._ledger.get_content(event.examples)
    assert list(pictures.values()) == [write_url(PNG), write_url(OTHER)]
    assert lines is not None and all(key in lines for key in pictures)
    output("verify", db=path)


def test_a_dataset_s_pictures_are_files_that_come_back_by_their_keys(tmp_path: Path) -> None:
    media = {KEY: write_url(PNG)}
    write_media(tmp_path / "media", media)
    assert read_media(tmp_path / "media", [KEY]) == media
    with pytest.raises(InvalidExamples, match="lacks the picture"):
        read_media(tmp_path / "media", ["sha256:" + "b" * 64])
    write_media(tmp_path / "media", {})
    assert not (tmp_path / "media").exists() and read_media(tmp_path / "media", []) == {}
    assert keys_in_examples([]) == []


def test_base64_with_a_wrong_letter_leaves_the_row_out(tmp_path: Path) -> None:
    url = "data:image/png;base64," + base64.b64encode(PNG).decode() + "%"
    part = {"type": "image_url", "image_url": {"url": url}}
    row = {"messages": [{"role": "user", "content": [part]}, {"role": "assistant", "content": "No."}]}
    (tmp_path / "set.jsonl").write_text(json.dumps(row))
    with pytest.raises(InvalidExamples, match="its base64 is damaged"):
        read_public(str(tmp_path / "set.jsonl"), "action")
