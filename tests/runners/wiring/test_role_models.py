"""A model of one role: where it is opened, with which key, which adapters it has, and that it is not trained here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import ChatServer
from command_line import output, refused
from desks import PLAN, RIGHT, Desk, Told

from grokputer.domain.errors import ModelError, NotServed
from grokputer.domain.events import TaskSucceeded, TrainingFailed
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.trainings import run_training
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services
from story import Story, change


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with ChatServer(PLAN, serves=["grok-4", "decomposition-1"]) as server:
        yield server


@pytest.fixture
def ledger(tmp_path: Path, server: ChatServer) -> Ledger:
    ledger = Ledger.create(tmp_path / "events.db")
    change(ledger, "run.max_resamples", 0)
    change(ledger, "decomposition.model.endpoint", server.url)
    change(ledger, "decomposition.model.base", "grok-4")
    return ledger


def test_one_role_s_model_plans_and_the_model_of_all_others_acts(
    ledger: Ledger, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROKPUTER_DECOMPOSITION_KEY", "of-the-planner")
    monkeypatch.setenv("OPENAI_API_KEY", "of-all-others")
    actor = Told(RIGHT[1:])
    with Services(ledger, process_new_events(ledger)) as services:
        assert services.beside("action") is None
        runner = TaskRunner(ledger, actor, services.prepare, "told", "ada", beside=services.beside)
        run = runner.run(Task("desk", "tea-and-cat"), Desk(), services.state)
    assert isinstance(run.ended, TaskSucceeded)
    assert [step.model for step in run.steps] == [f"grok-4@{server.url}", *[None] * 5]
    assert (server.models[-1], server.keys[-1]) == ("grok-4", "Bearer of-the-planner")


def test_an_endpoint_without_a_model_s_name_opens_nothing(ledger: Ledger, server: ChatServer) -> None:
    change(ledger, "ocr.model.endpoint", server.url)
    missing = pytest.raises(ModelError, match=r"ocr\.model\.endpoint is set, and ocr\.model\.base is not")
    with Services(ledger, process_new_events(ledger)) as services, missing:
        services.beside("ocr")


def test_a_role_s_own_model_has_no_adapter_that_it_does_not_serve(tmp_path: Path, server: ChatServer) -> None:
    story = Story(tmp_path / "events.db")
    story.run()
    story.run()
    story.prove(story.train(story.ask()))
    change(story.ledger, "action.model.endpoint", server.url)
    change(story.ledger, "action.model.base", "grok-4")
    unserved = pytest.raises(NotServed, match="the model of role action, does not serve it")
    with Services(story.ledger, process_new_events(story.ledger)) as services, unserved:
        services.prepare("lora-v1")


def test_a_role_with_its_own_model_is_not_trained_here_and_one_line_says_so(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.run()
    change(story.ledger, "action.model.endpoint", "http://there/v1")
    training = story.ask()
    with Services(story.ledger, process_new_events(story.ledger)) as services:
        job = run_training(story.ledger, services, training, lambda progress: None, lambda line: None)
    assert isinstance(job.over, TrainingFailed)
    assert job.over.reason == (
        "the model of role action runs at http://there/v1, not here; unset action.model.endpoint to train it"
    )


def test_the_name_of_a_role_s_model_is_looked_for_at_its_endpoint(tmp_path: Path, server: ChatServer) -> None:
    db = tmp_path / "new.db"
    output("init", db=db)
    assert "set ocr.model.endpoint first" in refused("settings", "set", "ocr.model.base", "other", db=db)
    output("settings", "set", "ocr.model.endpoint", server.url, db=db)
    assert "does not serve other" in refused("settings", "set", "ocr.model.base", "other", db=db)
    output("settings", "set", "ocr.model.base", "grok-4", db=db)
    assert "model of ocr" in output("doctor", db=db)


def test_a_role_s_model_can_be_the_one_that_all_roles_have_now(tmp_path: Path, server: ChatServer) -> None:
    db = tmp_path / "new.db"
    output("init", db=db)
    for key, value in {"model.backend": "openai", "model.endpoint": server.url, "model.base": "grok-4"}.items():
        output("settings", "set", key, value, db=db)
    with ChatServer(PLAN, serves=["grok-4", "planner"]) as other:
        said = refused("settings", "set", "decomposition.model.base", "planner", db=db)
        assert "for a model at another endpoint, set decomposition.model.endpoint first" in said
        output("settings", "set", "decomposition.model.endpoint", other.url, db=db)
        assert "nothing was recorded" not in output("settings", "set", "decomposition.model.base", "grok-4", db=db)
        assert "nothing was recorded" in output("settings", "set", "decomposition.model.base", "grok-4", db=db)
        ledger = Ledger.open(db)
        with Services(ledger, process_new_events(ledger)) as services:
            own = services.beside("decomposition")
        ledger.close()
    assert own is not None and own.label == f"grok-4@{other.url}"
