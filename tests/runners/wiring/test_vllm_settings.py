"""The settings of vLLM servers: what is refused, what is warned of, and what is asked before they are used."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_server import ChatServer
from command_line import call, output, refused

from grokputer.domain.errors import MissingExtra, ModelError, NotServed
from grokputer.domain.settings.settings import BadSetting, Policy, check_setting
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring import extras
from grokputer.runners.wiring.services import Services
from story import Story, change

BOTH = "http://one:8000/v1, http://two:8000/v1"


def test_several_endpoints_are_for_vllm_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    ledger = Ledger.create(path)
    change(ledger, "model.backend", "vllm")
    change(ledger, "model.endpoint", BOTH)
    with pytest.raises(BadSetting, match=r"model\.backend openai asks one endpoint; set it to one URL"):
        change(ledger, "model.backend", "openai")
    with pytest.raises(BadSetting, match="the model of one role is at one endpoint"):
        change(ledger, "ocr.model.endpoint", "http://three:8000/v1, http://four:8000/v1")
    ledger.close()


@pytest.mark.parametrize(
    "wrong", ["http://one/v1,two", "http://one/v1,,http://two/v1", "http://a:b@one/v1, http://two/v1", ","]
)
def test_each_endpoint_is_a_url_without_a_secret(wrong: str) -> None:
    with pytest.raises(BadSetting, match="a key comes from OPENAI_API_KEY") as told:
        check_setting("model.endpoint", wrong)
    assert "a:b" not in str(told.value)


def test_a_missing_endpoint_extra_or_server_is_one_line_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    change(ledger, "model.backend", "vllm")
    with Services(ledger, process_new_events(ledger)) as services:
        with pytest.raises(
            ModelError, match=r"model\.backend is vllm but model\.endpoint is not set; set it to the base URL"
        ):
            _ = services.model
        with monkeypatch.context() as context:
            context.setitem(extras.EXTRAS, "endpoint", ("no_such_library",))
            with pytest.raises(MissingExtra, match=r"pip install 'grokputer\[endpoint\]'"):
                _ = services.model
    ledger.close()
    said = call("settings", "set", "model.endpoint", "http://127.0.0.1:9/v1", db=tmp_path / "events.db").stderr
    assert "http://127.0.0.1:9/v1 does not answer" in said


def test_every_server_must_list_the_base(tmp_path: Path) -> None:
    with ChatServer("hi", serves=["tiny"]) as one, ChatServer("hi", serves=["other"]) as two:
        path = tmp_path / "events.db"
        Ledger.create(path).close()
        output("settings", "set", "model.backend", "vllm", db=path)
        output("settings", "set", "model.endpoint", f"{one.url}, {two.url}", db=path)
        line = refused("settings", "set", "model.base", "tiny", db=path)
        assert f"{two.url} does not serve tiny; it serves other" in line


def test_a_training_is_allowed_and_an_adapter_of_another_base_is_not_loaded(tmp_path: Path) -> None:
    assert not Policy({"model.backend": "vllm"}).is_remote
    story = Story(tmp_path / "events.db")
    story.run()
    story.train(story.ask())
    change(story.ledger, "model.backend", "vllm")
    change(story.ledger, "model.endpoint", BOTH)
    with (
        Services(story.ledger, process_new_events(story.ledger)) as services,
        pytest.raises((ModelError, NotServed), match="which is not the base in the settings"),
    ):
        services.prepare("lora-v1")
