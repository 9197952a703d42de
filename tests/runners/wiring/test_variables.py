"""Environment variables that choose something for one process: doctor shows each value with its source, and no key."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_server import ChatServer
from command_line import call

from grokputer.runners.wiring.availability import find_key_variable
from grokputer.runners.wiring.variables import XAI_API_KEY
from story import Story

XAI = "https://api.x.ai/v1"
KEYS = ("OPENAI_API_KEY", XAI_API_KEY, "GROKPUTER_TEACHER_KEY")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def diagnose(story: Story) -> dict[str, tuple[str, str]]:
    result = call("doctor", "--json", db=story.path)
    assert "a-secret" not in result.output
    return {
        it["check"] if "check" in it else it["name"]: (it["result"], it["found"]) for it in document_of(result.stdout)
    }


def document_of(text: str) -> list[dict[str, str]]:
    import json

    found: list[dict[str, str]] = json.loads(text)
    return found


@pytest.mark.parametrize(
    ("endpoint", "setting", "are_set", "variable"),
    [
        (XAI, "model.endpoint", KEYS, XAI_API_KEY),
        (XAI, "model.endpoint", ("OPENAI_API_KEY",), "OPENAI_API_KEY"),
        (XAI, "teacher.endpoint", KEYS, "GROKPUTER_TEACHER_KEY"),
        (XAI, "teacher.endpoint", (XAI_API_KEY,), XAI_API_KEY),
        ("https://api.openai.com/v1", "model.endpoint", KEYS, "OPENAI_API_KEY"),
        ("https://api.x.ai.example.org/v1", "model.endpoint", KEYS, "OPENAI_API_KEY"),
        ("https://example.org/api.x.ai", "model.endpoint", (XAI_API_KEY,), "OPENAI_API_KEY"),
        (None, "model.endpoint", (XAI_API_KEY,), "OPENAI_API_KEY"),
    ],
)
def test_the_key_of_xai_goes_to_xai_alone(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None, setting: str, are_set: tuple[str, ...], variable: str
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name in are_set:
        monkeypatch.setenv(name, "a-secret")
    assert find_key_variable(setting, endpoint) == variable


def test_doctor_says_what_is_set_and_where_it_comes_from(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    found = diagnose(story)
    assert found["adapter"] == ("ok", "as the traffic decides; LORA_VERSION is not set")
    assert found["registry"][1].startswith("none; set registry.url")
    assert "key" not in found
    story.set("registry.url", str(tmp_path / "of the setting"))
    assert diagnose(story)["registry"] == (
        "ok", f"{tmp_path / 'of the setting'} (from registry.url) answers, and has every adapter",
    )  # fmt: skip
    monkeypatch.setenv("LORA_REGISTRY_URL", str(tmp_path / "of the process"))
    monkeypatch.setenv("LORA_VERSION", "base")
    monkeypatch.setenv(XAI_API_KEY, "a-secret")
    found = diagnose(story)
    assert found["registry"][1].startswith(f"{tmp_path / 'of the process'} (from LORA_REGISTRY_URL) answers")
    assert found["adapter"] == ("ok", "base, from LORA_VERSION: this process is pinned to it")
    assert found["key"][1].startswith("XAI_API_KEY is set; it is for model.endpoint https://api.x.ai/v1")


def test_doctor_says_which_variable_has_the_key_of_the_endpoint(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
    with ChatServer("ok", ["tiny"]) as endpoint:
        for key, value in {"model.backend": "openai", "model.endpoint": endpoint.url, "model.base": "tiny"}.items():
            story.set(key, value)
        assert diagnose(story)["key"] == ("ok", f"for {endpoint.url} from OPENAI_API_KEY")
        monkeypatch.delenv("OPENAI_API_KEY")
        assert diagnose(story)["key"] == ("ok", f"for {endpoint.url} from OPENAI_API_KEY, which is not set")


def test_a_pin_to_an_adapter_that_is_not_registered_fails_and_a_registry_that_is_down_warns(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORA_VERSION", "lora-v9")
    monkeypatch.setenv("LORA_REGISTRY_URL", "s3://adapters/x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    found = diagnose(story)
    assert found["adapter"][0] == "fail" and "adapter lora-v9 is not registered" in found["adapter"][1]
    assert found["registry"][0] == "warn" and "s3://adapters/x (from LORA_REGISTRY_URL): " in found["registry"][1]
    monkeypatch.setenv("LORA_REGISTRY_URL", "relative")
    assert diagnose(story)["registry"][0] == "fail"
