"""Feedback under one id that reaches two processes of one log at once: the first one stands, and the other is told so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from chat_server import ChatServer
from command_line import lines
from gateways import Served, serving

from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.use_cases.intake import feedback as intake
from grokputer.runners.use_cases.intake.feedback import OtherFeedback, ProgramFeedback, take_feedback

MakeLog = Callable[[str], Path]


def ask_model(gateway: Served) -> str:
    """A run of session ``s1`` that has ended."""
    body = {"model": "action", "messages": [{"role": "user", "content": "Capital of France?"}]}
    return str(gateway.ask("/chat/completions", body, headers={"x-session-id": "s1"})[1]["x-grokputer-run"])


SAID: dict[str, Any] = {"stars": 2, "comment": "no"}
STEPS: dict[str, Callable[..., Any]] = {"_remember": intake._remember, "_rate": intake._rate}


@pytest.mark.parametrize(
    ("before", "other"),
    [
        ("_remember", {"stars": 5}),
        ("_remember", {**SAID, "comment": "yes"}),
        ("_rate", {**SAID, "comment": "yes"}),
        ("_rate", {**SAID, "issues": ("slow",)}),
    ],
)
def test_of_two_processes_with_other_feedback_under_one_id_the_slower_one_is_refused(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch, before: str, other: dict[str, Any]
) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = UUID(ask_model(gateway))
    ledger, faster = Ledger.open(path), Ledger.open(path)
    holder = ledger.name_key("ada")

    def be_overtaken(*asked: Any) -> Any:
        monkeypatch.setattr(intake, before, STEPS[before])
        assert take_feedback(faster, ProgramFeedback(run=run, id="f-1", **SAID), holder).is_new
        return STEPS[before](*asked)

    monkeypatch.setattr(intake, before, be_overtaken)
    with pytest.raises(OtherFeedback):
        take_feedback(ledger, ProgramFeedback(run=run, id="f-1", **other), holder)
    ledger.close()
    faster.close()
    [rated] = lines(path, "--event", "TaskRated")
    assert (rated["data"]["stars"], Log.open(path).get_content(rated["data"]["comment"])) == (2, "no")


def test_of_two_processes_with_other_stars_for_a_session_the_slower_one_is_refused(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            ask_model(gateway)
    ledger, faster = Ledger.open(path), Ledger.open(path)
    holder, own = ledger.name_key("ada"), intake._remember

    def be_overtaken(*asked: Any) -> Any:
        monkeypatch.setattr(intake, "_remember", own)
        take_feedback(faster, ProgramFeedback(session="s1", stars=5, id="f-1"), holder)
        return own(*asked)

    monkeypatch.setattr(intake, "_remember", be_overtaken)
    with pytest.raises(OtherFeedback):
        take_feedback(ledger, ProgramFeedback(session="s1", stars=1, id="f-1"), holder)
    ledger.close()
    faster.close()
    assert [rated["data"]["stars"] for rated in lines(path, "--event", "TaskRated")] == [5]
