"""The doctor: what it asks models and endpoints, and what each of its lines says to do."""

from __future__ import annotations

import fcntl
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import pytest
from command_line import call

from grokputer.runners.console.upkeep import doctor
from grokputer.runners.console.upkeep.packages import EXTRAS, PACKAGES
from grokputer.runners.environments.desktop.programs import Missing
from grokputer.runners.wiring import probe
from story import Story


@contextmanager
def serving(
    status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None
) -> Iterator[tuple[str, list[Any]]]:
    """An endpoint that answers every GET so, and what it was asked; with status 0 it never answers."""
    asked: list[Any] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            if not status:
                over.wait(30)
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def listing(*names: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def diagnose(story: Story, **settings: object) -> dict[str, tuple[str, str]]:
    """Each check and its result with these settings, whose dots are written as two underscores."""
    for key, value in settings.items():
        story.set(key.replace("__", "."), value)
    found = json.loads(call("doctor", "--json", db=story.path).stdout)
    assert all("\n" not in it["found"] for it in found)
    return {it["name"]: (it["result"], it["found"]) for it in found}


@pytest.mark.parametrize(
    ("status", "body", "result", "words"),
    [
        (200, listing("big", "small"), "ok", "answers and serves big"),
        (
            200,
            listing("small", "tiny"),
            "fail",
            "does not serve big; it serves small, tiny; load it there, or set model.base",
        ),
        (200, listing(), "fail", "it serves nothing"),
        (200, b"<html>", "warn", "does not list its models"),
        (200, b"[" * 100_000, "warn", "does not list its models"),
        (200, b'{"data": 7}', "warn", "does not list its models"),
        (401, b"", "fail", "OPENAI_API_KEY"),
        (404, b"", "warn", "no list of models (HTTP 404)"),
        (500, b"", "fail", "HTTP 500"),
    ],
)
def test_an_endpoint_is_asked_whether_it_serves_the_model(
    story: Story, status: int, body: bytes, result: str, words: str
) -> None:
    with serving(status, body) as (url, asked):
        found = diagnose(story, model__backend="openai", model__base="big", model__endpoint=f"{url}/v1")["model"]
    assert found[0] == result
    assert words in found[1]
    assert [path for path, _ in asked] == ["/v1/models"]


def test_an_endpoint_that_does_not_answer_is_given_up_after_the_limit(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "LIMIT_S", 0.05)
    with serving(0) as (url, _):
        found = diagnose(story, model__backend="openai", model__base="big", model__endpoint=f"{url}/v1")["model"]
    assert found == (
        "fail",
        f"{url}/v1 does not answer (no answer within 0.05 s); start the server, or set model.endpoint",
    )


def test_the_limit_of_one_question_is_two_seconds() -> None:
    assert probe.LIMIT_S == 2.0


def test_an_endpoint_where_nothing_listens_fails(story: Story) -> None:
    with serving() as (url, _):
        pass
    found = diagnose(story, model__backend="openai", model__base="big", model__endpoint=f"{url}/v1")["model"]
    assert found[0] == "fail"
    assert "no connection" in found[1] and "start the server" in found[1]


def test_the_key_goes_to_the_endpoint_and_to_no_other_host(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
    with (
        serving(200, listing("big")) as (other, other_asked),
        serving(302, headers={"Location": other}) as (url, asked),
    ):
        found = diagnose(story, model__backend="openai", model__base="big", model__endpoint=f"{url}/v1")
    assert asked == [("/v1/models", "Bearer hunter2")]
    assert other_asked == []
    assert "hunter2" not in str(found)


def test_a_live_adapter_must_be_served_too(log: Path) -> None:
    found = json.loads(call("doctor", "--json", db=log).stdout)
    assert next(it for it in found if it["name"] == "model")["result"] == "ok"
    with serving(200, listing("big")) as (url, _):
        for key, value in {"model.backend": "openai", "model.base": "big", "model.endpoint": f"{url}/v1"}.items():
            assert call("settings", "set", key, value, db=log).exit_code == 0
        found = json.loads(call("doctor", "--json", db=log).stdout)
    [model] = [it for it in found if it["name"] == "model"]
    assert model["result"] == "fail"
    assert "does not serve lora-v1" in model["found"]


def test_a_teacher_is_asked_once_whichever_roles_have_it(story: Story) -> None:
    with serving(200, listing("wise")) as (url, asked):
        found = diagnose(story, teacher__endpoint=f"{url}/v1", teacher__model="wise")["teacher"]
    assert found == ("ok", f"{url}/v1 answers and serves wise")
    assert len(asked) == 1


@pytest.mark.parametrize("kind", ["teacher", "judge"])
def test_a_teacher_or_a_judge_that_is_not_served_names_its_own_setting(story: Story, kind: str) -> None:
    with serving(200, listing("other")) as (url, _):
        found = diagnose(story, **{f"{kind}__endpoint": f"{url}/v1", f"{kind}__model": "wise"})[kind]
    assert found[0] == "fail"
    assert f"set {kind}.model to one of them" in found[1]


def test_a_folder_without_a_model_and_a_folder_that_is_not_there_fail(story: Story, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = diagnose(story, model__base=str(tmp_path / "empty"))["model"]
    assert found[0] == "fail" and "lacks config.json" in found[1]
    found = diagnose(story, model__base=str(tmp_path / "none"))["model"]
    assert found[0] == "fail" and "there is no folder" in found[1]


@pytest.mark.parametrize(
    ("status", "result", "words"),
    [(200, "ok", "the first use downloads it"), (307, "ok", "downloads"), (404, "fail", "no model of this name"),
     (401, "fail", "HF_TOKEN"), (503, "fail", "cannot be asked (HTTP 503)")],
)  # fmt: skip
def test_the_hub_is_asked_for_a_name_that_is_not_downloaded(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, result: str, words: str
) -> None:
    with serving(status, b"{}") as (url, asked):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        found = diagnose(story, model__base="somebody/some-model")["model"]
    assert found[0] == result
    assert words in found[1]
    assert [path for path, _ in asked] == ["/api/models/somebody/some-model"]


def test_a_downloaded_hub_model_is_found_without_asking(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "hub" / "models--somebody--some-model"
    snapshot = folder / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    found = diagnose(story, model__base="somebody/some-model")["model"]
    assert found[0] == "warn" and "only partly downloaded" in found[1]
    (snapshot / "config.json").write_text("{}")
    (snapshot / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    (snapshot / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    assert diagnose(story)["model"] == ("ok", "somebody/some-model, downloaded, abc123")


def test_every_package_that_the_program_requires_is_checked_with_what_it_is_for() -> None:
    required = [it for it in requires("grokputer") or () if not it.startswith("grokputer")]
    names = {it: re.split(r"[^\w.-]", it)[0] for it in required}
    assert {names[it] for it in required if "extra ==" not in it} == set(PACKAGES)
    extras = {names[it]: found[1] for it in required if (found := re.search(r"extra == ['\"](\w+)", it))}
    brought = {name: extra for name, extra in extras.items() if extra not in ("all", "test")}
    assert brought == {name: extra for name, (extra, _) in EXTRAS.items()}


def test_a_package_that_is_missing_is_named_with_its_purpose_and_the_command(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(name: str) -> str:
        if name in ("filelock", "datasets", "plotext"):
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor, "version", look)
    found = diagnose(story)
    assert found["filelock"] == ("fail", "not installed; it keeps two workers apart; run pip install filelock")
    assert found["datasets"][0] == "warn" and "it imports training data" in found["datasets"][1]
    assert "grokputer[data]" in found["datasets"][1] and "grokputer[bench]" in found["plotext"][1]


def test_a_desktop_without_the_bridge_of_gtk_2_says_which_windows_have_no_elements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bridge = Missing("libatk-adaptor", "windows of pcmanfm and lxappearance have no elements")
    monkeypatch.setattr("grokputer.runners.environments.desktop.screen.parts.check_programs", lambda: None)
    monkeypatch.setattr("grokputer.runners.environments.desktop.programs.find_missing", lambda: [bridge])
    found = doctor._check_desktop()
    assert found.result == "warn"
    assert found.found.endswith(f"but {bridge.effect}; run: apt-get install libatk-adaptor")
    monkeypatch.setattr("grokputer.runners.environments.desktop.programs.find_missing", list)
    assert doctor._check_desktop().result == "ok"


def test_the_worker_is_seen_and_what_waits_for_one(story: Story) -> None:
    assert diagnose(story)["worker"][0] == "ok"
    story.fall()
    assert diagnose(story)["worker"] == (
        "warn",
        "none is at work, and 1 trainings or adapters wait; start 'grokputer work'",
    )
    with Path(f"{story.path.resolve()}.lease").open("w+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(os.getpid()))
        file.flush()
        assert diagnose(story)["worker"] == ("ok", f"process {os.getpid()} is at work, 1 waiting")
