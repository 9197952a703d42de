"""Settings that take a URL or a port: what no program can ask is refused, and one of an older program is told in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import call, output, refused
from gateways import make_log_before, serving

from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.events import PolicyChanged
from grokputer.domain.settings.settings import ALL_SETTINGS, BadSetting, check_setting
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger

WRONG = (
    *("http://[::1", "http://[::1]x", "http://[::g]:80", "http://a:99999", "http://a:0", "http://a:b", "http://:80"),
    *("http://a..b", f"http://{'a' * 64}", "http://a\\b", "http://<b>", "http://a%zz", "http://a\x01", "http://a/\x7f"),
)
RIGHT = (
    "http://[::1]:8000/v1",
    "https://my_host.example.:443",
    "http://münchen.example/v1",
    "http://10.0.0.1",
    "http://a:1/b",
)
OF_URLS = sorted(key for key, it in ALL_SETTINGS.items() if it.form is not None and "https://" in it.form.words)
OF_PORTS = {"alert.smtp": "a:{}", "environment.ray_address": "a:{}", "environment.allow_domains": "b, a:{}, c"}


def test_the_settings_that_take_a_url_are_these() -> None:
    channels = ["alert.webhook", "telemetry.otlp_endpoint", "training.ray_address"]
    assert sorted([*channels, *(f"{kind}.endpoint" for kind in ("audio", "judge", "model", "teacher"))]) == OF_URLS


@pytest.mark.parametrize("key", [*OF_URLS, "ocr.model.endpoint"])
def test_a_url_that_no_program_can_ask_is_refused(key: str) -> None:
    for value in WRONG:
        with pytest.raises(BadSetting, match=key) as found:
            check_setting(key, value)
        assert str(found.value).isprintable()
    assert [check_setting(key, value) for value in RIGHT] == [*RIGHT]


def test_each_of_several_endpoints_must_be_one_that_can_be_asked() -> None:
    with pytest.raises(BadSetting, match="its host or its port is not valid"):
        check_setting("model.endpoint", "http://a:1/v1, http://[::1/v1")


@pytest.mark.parametrize("key", OF_PORTS)
def test_a_port_that_there_is_not_is_refused(key: str) -> None:
    for port in ("0", "65536", "99999"):
        with pytest.raises(BadSetting, match=f"{port} is no port; there are 1 to 65535"):
            check_setting(key, OF_PORTS[key].format(port))
    assert check_setting(key, OF_PORTS[key].format(65535))


def test_an_endpoint_that_is_no_url_is_refused_in_one_line(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    output("init", db=db)
    assert "its host or its port is not valid" in refused("settings", "set", "model.endpoint", "http://[::1", db=db)


def record(path: Path, **values: Any) -> None:
    """Set what an older program took."""
    ledger = Ledger.open(path)
    for key, value in values.items():
        words = {"key": key, "old": None, "new": value, "reason": "", "is_unset": False, "document": None}
        context = ledger.context("ada")
        ledger.write(Settings, SETTINGS_ID, lambda it: it._record(PolicyChanged, context, **words))  # noqa: B023
    process_new_events(ledger)
    ledger.close()


@pytest.mark.parametrize("url", ["http://[::1", "http://a:99999"])
def test_an_endpoint_of_an_older_program_that_is_no_url_is_told_in_one_line(tmp_path: Path, url: str) -> None:
    db = tmp_path / "events.db"
    output("init", db=db)
    record(db, **{"model.backend": "openai", "model.endpoint": url, "model.base": "m", "audio.endpoint": url})
    record(
        db,
        **{
            f"{kind}.{what}": url if what == "endpoint" else "m"
            for kind in ("judge", "teacher")
            for what in ("endpoint", "model")
        },
    )
    assert f"{url!r} is not a base URL" in refused("run", "What is the capital of France?", db=db)
    doctor = call("doctor", db=db)
    assert f"{url} is not a URL" in doctor.output and "Traceback" not in doctor.output
    for words in (("settings",), ("status",), ("settings", "set", "judge.model", "n")):
        told = call(*words, db=db)
        assert "Traceback" not in told.output and told.exit_code in (0, 1), words
    output("settings", "set", "model.backend", "local", db=db)
    record(db, **{"ocr.model.endpoint": url, "ocr.model.base": "m"})
    assert "is not a URL" in call("doctor", db=db).output


def test_a_gateway_on_such_a_log_answers_that_the_endpoint_cannot_be_reached(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    with ChatServer("ok", ["tiny"]) as endpoint:
        make_log_before(db, endpoint.url)
    record(db, **{"model.endpoint": "http://[::1"})
    with serving(db) as gateway:
        status, _, body = gateway.ask(
            "/chat/completions", {"model": "action", "messages": [{"role": "user", "content": "a"}]}
        )
    assert (status, body["error"]["type"]) == (502, "upstream_error")
