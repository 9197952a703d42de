"""Runs with pictures and sounds on models of this machine: what they take is shown, the rest is refused or heard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import call
from drawn import draw_png
from gateways import serving
from speech_server import RECORDING, SpeechServer
from tiny_base import quiet_libraries
from tiny_vision import QUESTION, draw_square

import grokputer
from grokputer.domain.errors import BadPicture, ModelError
from grokputer.domain.page.media import AUDIO, IMAGE, BadMedia, write_url
from grokputer.runners.environments.senses.picture import measure
from grokputer.runners.environments.senses.reader import Reader
from grokputer.runners.environments.senses.task_pictures import stack
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.settings import change_setting

RED = draw_square("red")


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


def log_on(folder: Path, base: Path, **settings: str) -> Path:
    path = folder / "events.db"
    ledger = Ledger.create(path)
    given = {"model.base": str(base), "model.quantization": "none", "run.max_tokens": "4"} | settings
    for key, value in given.items():
        change_setting(ledger, key, value, actor="ada")
    ledger.close()
    return path


def part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def test_a_model_without_eyes_is_not_asked_about_a_picture_and_nothing_is_recorded(
    tiny_base: Path, tmp_path: Path
) -> None:
    pytest.importorskip("rapidocr")
    path, why = (
        log_on(tmp_path, tiny_base),
        r"no words were read on the task's pictures, and .* takes no pictures; set model",
    )
    with grokputer.open(path) as log:
        with pytest.raises(ModelError, match=why):
            log.run(QUESTION, environment="chat", images=[_bytes(RED)])
        assert not list(log.events(topics=["TaskStarted"]))


def test_a_model_without_eyes_gets_the_words_of_a_picture_from_a_step_of_the_reading_role(
    tiny_base: Path, tmp_path: Path
) -> None:
    pytest.importorskip("rapidocr")
    bill = draw_png([(20, 20, "Total"), (220, 20, "12.50 EUR")])
    with grokputer.open(log_on(tmp_path, tiny_base)) as log:
        log.run("What is the total?", environment="chat", images=[bill], session="bills")
        reading, act = list[Any](it.event for it in log.events(topics=["StepTaken"]))
        ledger = log._ledger
        assert (reading.kind, reading.role, reading.screen["width"]) == ("read", "ocr", 420)
        lines = ["text:Total[1]", "text:12.50 EUR[2]"]
        assert (ledger.get_content(reading.answer) or "").split("\n") == lines
        [asked] = json.loads(ledger.get_content(act.prompt) or "")
        assert asked["content"].split("\n") == ["What is the total?", *lines]
        log.correct(act.originator_id.hex, answer="12.50 EUR")
        [corrected] = list[Any](it.event for it in log.events(topics=["TaskCorrected"]))
        [row] = json.loads(ledger.get_content(corrected.correction) or "")
        assert (row["messages"], row["completion"]) == ([asked], "12.50 EUR")
        log.run("In which currency?", environment="chat", session="bills")
        steps = list[Any](it.event for it in log.events(topics=["StepTaken"]))
        prompts = [json.loads(ledger.get_content(step.prompt) or "") for step in steps]
        assert prompts[-1][::2] == [asked, {"role": "user", "content": "In which currency?"}]


def test_later_turns_see_the_words_of_an_earlier_picture_and_no_picture_is_read_again(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rapidocr")
    path = log_on(tmp_path, tiny_base)
    with grokputer.open(path) as log:
        log.run("What is the total?", environment="chat", images=[draw_png([(20, 20, "Total 12")])], session="bills")
    with grokputer.open(path, actor="bob") as log:  # another process, which has read nothing
        monkeypatch.setattr(Reader, "read", None)
        log.run("In which currency?", environment="chat", session="bills")
        second = log.run("Are you sure?", environment="chat", session="bills").run
        steps = list[Any](it.event for it in log.events(topics=["StepTaken"]))
        assert [step.kind for step in steps] == ["read", "act", "act", "act"]
        *_, last = [json.loads(log.text(step.prompt) or "") for step in steps]
    words = "What is the total?\ntext:Total 12[1]"
    assert [turn["content"] for turn in last][::2] == [words, "In which currency?", "Are you sure?"]
    assert call("forget", steps[0].originator_id.hex, "--reason", "private", "--yes", db=path).exit_code == 0
    with grokputer.open(path) as log:
        assert [log.text(step.prompt) for step in steps] == [None] * 4
        log.run("And now?", environment="chat", session="bills")
        *_, step = list[Any](it.event for it in log.events(topics=["StepTaken"]))
        assert "Total 12" not in (log.text(step.prompt) or "")
    assert second


def test_later_turns_see_the_words_of_an_earlier_sound_which_is_heard_once(tiny_base: Path, tmp_path: Path) -> None:
    with (
        SpeechServer(b'{"text": "Open the file manager"}') as server,
        grokputer.open(log_on(tmp_path, tiny_base, **{"audio.endpoint": server.url})) as log,
    ):
        log.run("Do this:", environment="chat", sounds=[RECORDING], session="said")
        log.run("Once more.", environment="chat", session="said")
        *_, step = list[Any](it.event for it in log.events(topics=["StepTaken"]))
        earlier, _, last = json.loads(log.text(step.prompt) or "")
    assert (earlier["content"], last["content"]) == ("Do this:\nOpen the file manager", "Once more.")
    assert len(server.bodies) == 1


def test_a_picture_that_unpacks_to_more_than_can_be_read_is_refused_before_it_is_unpacked() -> None:
    wide = draw_png([], (9000, 10))
    with pytest.raises(BadPicture, match=r"the picture has 9000 x 10 pixels.*make it smaller"):
        stack([wide])
    assert measure(stack([draw_png([], (30, 20)), _bytes(RED)]))[1] > 20
    with pytest.raises(BadPicture, match="cannot be read"):
        stack([b"\x89PNG\r\n\x1a\n damaged"])


def test_a_model_without_ears_gets_the_words_of_a_sound_which_stays_an_input(tiny_base: Path, tmp_path: Path) -> None:
    with SpeechServer(b'{"text": "Open the file manager"}') as server:
        path = log_on(tmp_path, tiny_base, **{"audio.endpoint": server.url})
        with grokputer.open(path) as log:
            outcome = log.run("Do this:", environment="chat", sounds=[RECORDING])
            [started] = list[Any](it.event for it in log.events(topics=["TaskStarted"]))
            [step] = list[Any](it.event for it in log.events(topics=["StepTaken"]))
            prompt = log._ledger.get_content(step.prompt)
            [sound] = [log._ledger.get_content(key) for key in started.inputs]
    assert outcome.task == "Do this:\nOpen the file manager" and sound == write_url(RECORDING.read_bytes(), (AUDIO,))
    assert prompt is not None and "Open the file manager" in prompt and "input_audio" not in prompt


def test_a_vision_model_answers_questions_about_pictures_by_command_line_and_gateway(
    vision_base: Path, tmp_path: Path
) -> None:
    path = log_on(tmp_path, vision_base)
    with grokputer.open(path) as log:
        outcome = log.run(QUESTION, environment="chat", images=[_bytes(RED)])
        assert outcome.reason is None and (outcome.prompt_tokens or 0) > 16
    with serving(path) as gateway:
        body = {"model": "action", "max_tokens": 4, "messages": [{"role": "user", "content": [QUESTION, part(RED)]}]}
        status, headers, said = gateway.ask("/chat/completions", body)
        assert status == 200 and said["usage"]["prompt_tokens"] > 16
        shown = gateway.ask(f"/runs/{headers['x-grokputer-run']}")[2]
        assert list(shown["pictures"].values()) == [RED]
        for content, words in [
            ([part("https://pictures.invalid/a.png")], "is not shown; send text, or a picture as a data: URL"),
            ([part("data:image/png;base64,%")], "cannot be read"),
            ([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}], "takes no sounds"),
            ([{"type": "file", "file": {}}], "[file], which the model"),
        ]:
            status, _, said = gateway.ask(
                "/chat/completions", {**body, "messages": [{"role": "user", "content": content}]}
            )
            assert status == 400 and words in said["error"]["message"] and said["error"]["param"] == "messages"
    with grokputer.open(path) as log:
        assert len(list(log.events(topics=["TaskStarted"]))) == 2


def test_the_gateway_refuses_pictures_and_sounds_for_a_model_that_takes_none_in_one_line(
    tiny_base: Path, tmp_path: Path
) -> None:
    path = log_on(tmp_path, tiny_base)
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    with serving(path) as gateway:
        for content, missing in [
            ([QUESTION, part(RED)], "pictures"),
            ([QUESTION, part("https://pictures.invalid/a.png")], "pictures"),
            ([QUESTION, sound], "sounds"),
            ([QUESTION, part(RED), sound], "pictures and no sounds"),
        ]:
            earlier = [{"role": "user", "content": content}, {"role": "assistant", "content": "Yes."}]
            for messages in (earlier[:1], [*earlier, {"role": "user", "content": "And now?"}]):
                for is_stream in (False, True):
                    body = {"model": "action", "stream": is_stream, "messages": messages}
                    status, _, said = gateway.ask("/chat/completions", body)
                    error = said["error"]
                    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", "messages")
                    assert error["message"].startswith(f"the model {tiny_base}")
                    assert f" takes no {missing}; set model.base to a model that does" in error["message"]
    with grokputer.open(path) as log:
        assert not list(log.events(topics=["TaskStarted"]))


@pytest.mark.parametrize("task", ["shell/delete-file", "desktop/fill-form", "notes/count"])
def test_a_named_task_with_what_the_model_does_not_take_is_refused_before_anything_starts(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    if task.startswith("desktop"):
        pytest.importorskip("jeepney")
    path = log_on(tmp_path, tiny_base)
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "notes" / "count" / "files"
    own.mkdir(parents=True)
    (own / "chart.png").write_bytes(_bytes(RED))
    (own.parent / "task.toml").write_text('request = "Count the files."\nanswer = 1\n')
    for option, file, missing in (
        ("--image", own / "chart.png", "pictures"),
        ("--audio", RECORDING, "sounds"),
    ):
        refused = call("run", task, option, file, "--no-feedback", db=path)
        said = " ".join(refused.stderr.split())
        assert refused.exit_code == 1 and refused.stdout == ""
        assert f"takes no {missing}; set model.base to a model that does, or model.backend" in said
        assert str(tiny_base) in said and "Traceback" not in said
    with grokputer.open(path) as log:
        assert not list(log.events(topics=["TaskStarted"]))


def test_a_file_that_is_no_picture_is_an_error_of_the_argument(tiny_base: Path, tmp_path: Path) -> None:
    with grokputer.open(log_on(tmp_path, tiny_base)) as log, pytest.raises(BadMedia, match="it is not a picture"):
        log.run(QUESTION, environment="chat", images=[b"<html>"])


def _bytes(url: str) -> bytes:
    from grokputer.domain.page.media import kind_of, read_url

    assert kind_of(url) == IMAGE
    return read_url(url)[1]
