"""Choosing a model: what cannot work is refused when it is set, and what cannot be known is taken with a warning."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import call, output, refused
from fake_hub import COMMIT, FakeHub, HubModel
from places import ROOT
from tiny_gguf import write_gguf

from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.wiring import probe
from grokputer.runners.wiring.models import base_of

GOOD = {"config.json": b"{}", "model.safetensors": b"", "tokenizer.json": b"{}"}
MODELS = {
    "org/good": HubModel(GOOD),
    "gpt2": HubModel(GOOD),
    "org/old": HubModel(renamed="org/good"),
    "org/gated": HubModel(GOOD, gated=True, readers=("good",)),
    "org/private": HubModel(GOOD, private=True, readers=("good",)),
    "org/pickles": HubModel({"config.json": b"{}", "pytorch_model.bin": b""}),
    "org/packed-GGUF": HubModel({"x.Q4_0.gguf": b""}),
    "org/pictures": HubModel({"unet/model.safetensors": b""}),
}


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    output("init", db=tmp_path / "events.db")
    return tmp_path / "events.db"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub, and a user without a token and without downloads."""
    with FakeHub(MODELS, tokens=("good", "poor")) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


def warned(*words: object, db: Path) -> str:
    """The one warning with which the setting is taken."""
    result = call("settings", "set", *words, db=db)
    assert result.exit_code == 0, result.output
    [line] = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    return line


def taken(*words: object, db: Path) -> None:
    result = call("settings", "set", *words, db=db)
    assert (result.exit_code, result.stderr) == (0, "")


def setting(key: str, db: Path) -> object:
    """The value in force."""
    [row] = [row for row in json.loads(call("settings", "--json", db=db).stdout) if row["key"] == key]
    return row["value"]


# Folders and files


def test_a_folder_and_a_gguf_file_are_taken(db: Path, tiny_base: Path, tmp_path: Path) -> None:
    taken("model.base", tiny_base, db=db)
    taken("model.base", write_gguf(tmp_path / "tiny.gguf"), db=db)
    assert not (tmp_path / "cache").exists()  # nothing is unpacked yet
    taken("model.base", "embedded", db=db)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "./model",
            "there is no folder ./model; set model.base to a folder, a .gguf file, or a name on the Hugging Face",
        ),
        ("/no/such/model", "there is no folder /no/such/model"),
        ("~/model", "there is no folder ~/model"),
        ("model/", "there is no folder model/"),
        ("a/b/c", "there is no folder a/b/c"),
        ("model.gguf", "there is no file model.gguf"),
        (
            "empty",
            "empty lacks config.json and a tokenizer (tokenizer.json) and *.safetensors; mend it, or set model.base",
        ),
        ("pickles", "pickles alone"),
        ("cut", "has the truncated file"),
        ("cut.gguf", "cut.gguf is cut off: it has"),
        ("text.gguf", "text.gguf is no GGUF file"),
    ],
)
def test_what_is_not_there_or_not_whole_is_refused_in_a_line(
    db: Path, tiny_base: Path, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("pickles", "cut"):
        shutil.copytree(tiny_base, tmp_path / folder)
    (tmp_path / "pickles" / "model.safetensors").rename(tmp_path / "pickles" / "model.bin")
    os.truncate(tmp_path / "cut" / "model.safetensors", 5000)
    (tmp_path / "text.gguf").write_text("hello")
    if name == "cut.gguf":
        os.truncate(write_gguf(tmp_path / name), 20_000)
    assert words in refused("settings", "set", "model.base", name, db=db)


def test_a_base_without_a_template_is_taken_with_what_to_set_next(db: Path, tiny_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "bare"))
    (folder / "chat_template.jinja").unlink()
    assert "bare has no chat template; set model.chat_template to alpaca" in warned("model.base", "bare", db=db)
    doctor = {it["name"]: it for it in json.loads(call("doctor", "--json", db=db).stdout)}
    assert doctor["model"]["result"] == "fail" and "set model.chat_template" in doctor["model"]["found"]
    taken("model.chat_template", "alpaca", db=db)
    taken("model.base", "./bare", db=db)


def test_the_doctor_runs_the_same_check(db: Path, tiny_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    taken("model.base", folder, db=db)
    os.truncate(folder / "model.safetensors", 5000)
    doctor = {it["name"]: it for it in json.loads(call("doctor", "--json", db=db).stdout)}
    assert doctor["model"]["result"] == "fail" and "truncated" in doctor["model"]["found"]
    assert "truncated" in refused("run", "What now?", "--no-feedback", db=db)


# The Hub


@pytest.mark.parametrize("name", ["org/good", "gpt2", "org/old"])
def test_a_name_on_the_hub_is_taken(db: Path, hub: FakeHub, name: str) -> None:
    taken("model.base", name, db=db)
    assert setting("model.base", db) == name
    assert hub.asked  # and not believed


@pytest.mark.parametrize(
    ("name", "token", "words"),
    [
        ("org/none", None, "has no model of this name; if it is private, set HF_TOKEN to a token that may read it"),
        ("org/none", "good", "has no model of this name that your token may read; else set model.base"),
        ("org/private", None, "if it is private, set HF_TOKEN"),
        ("org/private", "poor", "has no model of this name that your token may read"),
        ("org/gated", None, "org/gated is gated: accept its licence at"),
        ("org/gated", "poor", "org/gated is gated, and your token has no access: accept its licence at"),
        ("org/good", "expired", "refuses your token for org/good; set HF_TOKEN to a valid one"),
        ("org/pickles", None, "org/pickles has no safetensors, and no other format is read"),
        ("org/packed-GGUF", None, "org/packed-GGUF has only GGUF files; download one"),
        ("org/pictures", None, "org/pictures has no config.json"),
        ("misspelt", None, "misspelt is not a folder and is not downloaded"),
    ],
)
def test_a_name_that_the_hub_does_not_give_is_refused_in_a_line(
    db: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, name: str, token: str | None, words: str
) -> None:
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    assert words in refused("settings", "set", "model.base", name, db=db)


@pytest.mark.parametrize("name", ["org/gated", "org/private"])
def test_a_token_that_may_read_a_model_gets_it(
    db: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert name in refused("settings", "set", "model.base", name, db=db)
    monkeypatch.setenv("HF_TOKEN", "good")
    taken("model.base", name, db=db)
    assert setting("model.base", db) == name


def test_a_revision_is_looked_for_too(db: Path, hub: FakeHub) -> None:
    taken("model.base", "org/good", db=db)
    taken("model.revision", COMMIT, db=db)
    line = refused("settings", "set", "model.revision", "v9", db=db)
    assert "is on" in line and "but not at revision v9; set model.revision to one that it has" in line


@pytest.mark.parametrize("why", ["offline", "nothing listens", "silent"])
def test_where_the_hub_cannot_be_asked_the_name_is_taken_with_a_warning(
    db: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        if why == "offline":
            monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        elif why == "silent":
            monkeypatch.setattr(probe, "LIMIT_S", 0.05)
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        else:
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
        assert "org/unknown is not a folder and is not downloaded, and " in warned("model.base", "org/unknown", db=db)
    assert load_state(Ledger.open(db)).policy.model.base == "org/unknown"


def test_a_run_with_a_model_that_the_hub_no_longer_gives_says_what_to_do(
    db: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "good")
    taken("model.base", "org/gated", db=db)
    monkeypatch.delenv("HF_TOKEN")
    assert "org/gated is gated: accept its licence" in refused("run", "What now?", "--no-feedback", db=db)


def test_a_run_without_a_network_says_so_at_once(db: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    taken("model.base", "org/good", db=db)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    line = refused("run", "What now?", "--no-feedback", db=db)
    assert "org/good is not a folder and is not downloaded, and http://127.0.0.1:9 cannot be asked" in line


@pytest.mark.slow
def test_a_base_is_downloaded_and_answers_without_a_word_of_the_library(db: Path, tiny_base: Path) -> None:
    """In a process of its own, because the library reads its environment once."""
    files = {file.name: file.read_bytes() for file in tiny_base.iterdir()}
    with FakeHub({"org/tiny": HubModel(files)}) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(db.parent / "home"), "HF_HUB_OFFLINE": "0"}
        environment.pop("HF_TOKEN", None)

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            program = [sys.executable, "-c", "from grokputer.cli import main\nmain()", *words, "--db", str(db)]
            return subprocess.run(program, env=environment, capture_output=True, text=True, cwd=ROOT)

        for key, value in (("model.base", "org/tiny"), ("model.quantization", "none"), ("run.max_tokens", "4")):
            assert run("settings", "set", key, value).returncode == 0
        result = run("run", "click Ok now", "--no-feedback", "--seed", "1")
    assert result.returncode == 0, result.stderr
    assert "huggingface" not in result.stderr and "HTTP" not in result.stderr
    assert len(result.stderr.splitlines()) <= 2


# Endpoints


def test_a_name_that_the_endpoint_does_not_serve_is_refused(db: Path) -> None:
    assert "set model.endpoint next" in warned("model.backend", "openai", db=db)
    with ChatServer("Paris", serves=("tiny", "small")) as server:
        line = warned("model.endpoint", server.url, db=db)
        assert "does not serve embedded; it serves small, tiny; load it there, or set model.base to one of them" in line
        assert "does not serve big" in refused("settings", "set", "model.base", "big", db=db)
        taken("model.base", "tiny", db=db)
    assert "does not answer" in warned("model.base", "other", db=db)
    assert "does not answer" in warned("model.endpoint", "http://127.0.0.1:9/v2", db=db)


def test_behind_an_endpoint_smollm2_is_the_endpoints_own_model(db: Path) -> None:
    call("settings", "set", "model.backend", "openai", db=db)
    with ChatServer("Paris", serves=("smollm2",)) as server:
        call("settings", "set", "model.endpoint", server.url, db=db)
        taken("model.base", "smollm2", db=db)
        assert "Paris" in call("run", "What is the capital?", "--no-feedback", db=db).stdout
        assert server.models == ["smollm2"]


def test_an_endpoint_that_lists_nothing_gets_the_benefit_of_the_doubt(db: Path) -> None:
    call("settings", "set", "model.backend", "openai", db=db)
    with ChatServer("Paris") as server:
        call("settings", "set", "model.endpoint", server.url, db=db)
        assert "it serves nothing" in warned("model.base", "tiny", db=db)


def test_a_teacher_that_is_not_served_is_refused(db: Path) -> None:
    with ChatServer("Paris", serves=("wise",)) as server:
        taken("teacher.endpoint", server.url, db=db)
        assert "or set teacher.model to one of them" in refused("settings", "set", "teacher.model", "dull", db=db)
        taken("teacher.model", "wise", db=db)


# Templates


@pytest.mark.parametrize("own", ["{{ raise_exception('Roles must alternate') }}", "{% for %}"])
def test_a_template_that_takes_no_turns_is_one_line_of_the_run(
    db: Path, tiny_base: Path, tmp_path: Path, own: str
) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    (folder / "chat_template.jinja").write_text(own)
    taken("model.base", folder, db=db)
    line = refused("run", "What now?", "--no-feedback", db=db)
    assert "the model's chat template does not take these turns: " in line


def test_a_file_with_a_template_is_recorded_and_needs_the_file_no_more(db: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    text = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}{# né #}"
    file.write_text(text, encoding="utf-8")
    taken("model.chat_template", "mine.jinja", db=db)
    file.unlink()
    ledger = Ledger.open(db)
    assert base_of(load_state(ledger).policy, ledger.get_content).chat_template == text
    event: Any = [it.event for it in ledger.read(1, None, ("PolicyChanged",))][-1]
    assert event.new == event.document and ledger.get_content(event.document) == text
    shown = output("settings", "show", "model.chat_template", db=db)
    assert f"model.chat_template = a text ({event.new[:19]})" in shown
    assert call("verify", db=db).exit_code == 0


def test_the_same_text_once_more_records_nothing(db: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("{{ messages[-1]['content'] }}")
    taken("model.chat_template", "one", db=db)
    assert "already; nothing was recorded" in output("settings", "set", "model.chat_template", "two", db=db)


def test_a_template_moves_with_its_log(db: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.jinja").write_text("{{ messages[-1]['content'] }}")
    taken("model.chat_template", "mine.jinja", db=db)
    lines = tmp_path / "log.jsonl"
    output("log", "export", lines, db=db)
    output("log", "import", lines, db=tmp_path / "other.db")
    ledger = Ledger.open(tmp_path / "other.db")
    assert base_of(load_state(ledger).policy, ledger.get_content).chat_template == "{{ messages[-1]['content'] }}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no such file; it takes alpaca, chatml, llama2, or a file"),
        (b"{% for %}", "the chat template does not work"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"x" * 500_000, "it is too large for a template"),
    ],
)
def test_a_file_that_is_no_template_is_refused_in_a_line(
    db: Path, tmp_path: Path, text: bytes | None, words: str
) -> None:
    if text is not None:
        (tmp_path / "mine.jinja").write_bytes(text)
    line = refused("settings", "set", "model.chat_template", "mine.jinja", db=db)
    assert line.startswith("grokputer: model.chat_template cannot be 'mine.jinja': ")
    assert words in line


def test_a_key_is_no_way_to_name_a_text(db: Path) -> None:
    key = f"sha256:{'0' * 64}"
    assert "there is no such file" in refused("settings", "set", "model.chat_template", key, db=db)


# What hears speech


def test_a_folder_that_is_no_model_of_speech_is_taken_with_a_warning_that_says_what_it_lacks(
    db: Path, tmp_path: Path
) -> None:
    assert "whisper-1 is no folder, and without audio.endpoint" in warned("audio.model", "whisper-1", db=db)
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "model.bin").write_bytes(b"")
    assert "lacks config.json, tokenizer.json" in warned("audio.model", tmp_path / "whisper", db=db)
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / "whisper" / name).write_bytes(b"")
    taken("audio.model", tmp_path / "whisper", db=db)


def test_an_endpoint_of_speech_is_asked_for_its_models_and_a_missing_one_is_a_warning(db: Path) -> None:
    with ChatServer("", serves=["whisper-1"]) as server:
        taken("audio.endpoint", server.url, db=db)
        taken("audio.model", "whisper-1", db=db)
        assert "does not serve whisper-2; it serves whisper-1" in warned("audio.model", "whisper-2", db=db)
