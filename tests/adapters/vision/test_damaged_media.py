"""Pictures and sounds that nothing can decode: they are refused before anything is recorded, wherever they come in."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from chat_server import ChatServer
from command_line import call, count, output
from small_media import DAMAGED, picture, wav

from grokputer.adapters.vision.pictures import check_media
from grokputer.domain.page.media import MOST_CHUNKS, BadMedia


@pytest.mark.parametrize("kind", DAMAGED)
def test_what_cannot_be_decoded_is_refused(kind: str) -> None:
    with pytest.raises(BadMedia, match="save it again"):
        check_media(DAMAGED[kind])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
def test_whole_pictures_and_sounds_are_taken(form: str) -> None:
    check_media(picture(form=form, size=(300, 200)))
    check_media(wav())
    check_media(b"fLaC" + bytes(40))  # of other sounds the first bytes are all that is looked at
    check_media(wav()[:12] + b"LIST\x03\0\0\0abc\0" + wav()[12:])


def test_a_wav_of_many_chunks_is_given_up_soon() -> None:
    with pytest.raises(BadMedia, match="no sound in it"):
        check_media(wav()[:36] + b"LIST\0\0\0\0" * (MOST_CHUNKS + 1) + wav()[36:])


def test_without_a_decoder_the_header_is_checked_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokputer.adapters.vision.pictures.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    check_media(DAMAGED["a truncated PNG"])
    with pytest.raises(BadMedia, match="no width and height"):
        check_media(DAMAGED["a PNG of nothing"])


@pytest.mark.parametrize("kind", ["a truncated PNG", "a WAV without a rate"])
def test_a_run_with_it_is_one_line_and_records_nothing(tmp_path: Path, kind: str) -> None:
    db, option = tmp_path / "events.db", "--audio" if "WAV" in kind else "--image"
    (tmp_path / "file").write_bytes(DAMAGED[kind])
    field = option.removeprefix("--")
    (tmp_path / "tasks.jsonl").write_text(json.dumps({"task": "What is this?", field: "file"}))
    output("init", db=db)
    with ChatServer("Yes.") as server:
        for key, value in (("backend", "openai"), ("endpoint", server.url), ("base", "eyes")):
            output("settings", "set", f"model.{key}", value, db=db)
        before = count(db)
        for words in (("What is this?", option, tmp_path / "file"), ("--from", tmp_path / "tasks.jsonl")):
            refused = call("run", *words, db=db)
            [line] = refused.stderr.splitlines()
            assert refused.exit_code == 1 and "cannot be given to the model" in line and "save it again" in line
        assert (count(db), server.asked) == (before, [])
