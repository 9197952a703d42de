"""How a run ends: whatever an endpoint replies, however its process ends, and with which clock, count and requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import QUESTION, Answering, ask, begin, endpoint, runner
from chat_server import ChatServer, completion
from command_line import call, document, output
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grokputer.adapters.serving.remote import RemoteModel
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import ModelError
from grokputer.domain.events import Capability, TaskFailed
from grokputer.domain.page.messages import Completion, Page
from grokputer.domain.ports import Environment
from grokputer.domain.settings.settings import Policy
from grokputer.projections.explain.standing.waits import worker_task
from grokputer.runners.agent import stopwatch
from grokputer.runners.agent.runner import Task
from grokputer.runners.environments.chat import Chat
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, work
from grokputer.runners.store.ledger import Ledger
from story import Story, change


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.create(tmp_path / "events.db")
    yield ledger
    ledger.close()


class Stuck(Environment):
    """A page on which nothing changes and nothing ends."""

    capabilities = frozenset[Capability]()
    page = Page("Click Ok.", ("button:Ok[1]",))

    def reset(self, task: str, seed: int) -> Page:
        return self.page

    def act(self, action: str) -> Page:
        return self.page

    def beside(self, seat: int) -> Stuck:
        return self

    def close(self) -> None:
        pass


# --- whatever is replied ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[list[bytes], RemoteModel]]:
    """A server that replies the last body of the list, and the model behind it."""
    bodies = [completion("Paris")]
    with ChatServer(lambda _: bodies[-1]) as server:
        model = RemoteModel(server.url, "tiny", retries=0)
        yield bodies, model
        model.close()


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.sampled_from(["text", "stop", "\ud83d"]),
)
NAMES = st.sampled_from(
    ["choices", "message", "content", "usage", "prompt_tokens", "completion_tokens", "error", "type", "text", "role"]
) | st.text(max_size=3)
ANY = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
NEARLY = st.builds(
    lambda content, changes: completion(content, **changes),
    ANY,
    st.fixed_dictionaries(
        {},
        optional={"usage": ANY | st.dictionaries(NAMES, ANY, max_size=3), "choices": ANY, "error": ANY, "created": ANY},
    ),
)
REPLIES = st.one_of(ANY.map(lambda body: json.dumps(body).encode()), NEARLY, st.binary(max_size=20))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(REPLIES)
def test_the_run_ends_and_the_log_can_be_read_after_any_reply(
    ledger: Ledger, served: tuple[list[bytes], RemoteModel], body: bytes
) -> None:
    served[0].append(body)
    run = ask(ledger, served[1])
    assert run.ended is not None
    if isinstance(run.ended, TaskFailed):
        assert run.ended.reason in ("error", "wrong")
        assert run.ended.detail
        assert run.ended.detail.isprintable(), "one line, nothing that steers a terminal"
    else:
        assert ledger.get_content(run.steps[0].answer)
    assert [it.event.originator_id for it in ledger.read(ledger.position)] == [run.id]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (completion("Paris \ud83d"), "its reply has text that is not Unicode: a lone surrogate"),
        (completion(None), "its reply has no text in its message"),
        (completion("", choices=None), "its reply has no choices"),
        (b"<html>502</html>", "its reply is not JSON"),
    ],
)
def test_a_reply_that_is_no_answer_is_one_line_and_a_failed_run(tmp_path: Path, body: bytes, said: str) -> None:
    db = tmp_path / "events.db"
    with ChatServer(body) as server:
        endpoint(db, server.url)
        result = call("run", "Where is Paris?", db=db)
    assert result.exit_code == 1
    assert said in result.stderr.splitlines()[-1]
    [run] = document("runs", db=db)
    assert (run["status"], run["reason"]) == ("failed", "error")
    assert run["prompt_tokens"] is None


def test_text_parts_are_the_answer_and_unknown_counts_are_shown_as_unknown(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    parts = [{"type": "text", "text": "Par"}, {"type": "text", "text": "is"}]
    with ChatServer(completion(parts, usage={"prompt_tokens": None, "completion_tokens": 1.5})) as server:
        endpoint(db, server.url)
        run = document("run", "Where is Paris?", db=db)
    assert (run["answer"], run["prompt_tokens"], run["completion_tokens"]) == ("Paris", None, None)
    assert document("runs", db=db)[0]["prompt_tokens"] is None
    assert "tokens" not in output("show", run["run"], db=db)


def test_known_counts_are_shown_with_the_run(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    with ChatServer("Paris") as server:
        endpoint(db, server.url)
        run = document("run", "Where is Paris?", db=db)
    assert (run["prompt_tokens"], run["completion_tokens"]) == (5, 1)
    assert "5+1" in output("runs", db=db)
    assert "5 tokens in prompts, 1 in answers" in output("show", run["run"], db=db)
    assert document("show", run["run"], db=db)["completion_tokens"] == 1


# --- with which clock and how many requests --------------------------------------------------------------------------


class Hands:
    """A clock that is moved by hand, in seconds."""

    def __init__(self) -> None:
        self.time = 5.0

    def perf_counter(self) -> float:
        return self.time

    def move(self, seconds: float) -> None:
        self.time += seconds


def test_weights_that_are_loaded_for_a_run_are_not_within_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = Hands()
    monkeypatch.setattr(stopwatch, "time", hands)
    story = Story(tmp_path / "events.db")
    story.promote()

    def answer() -> Completion:
        hands.move(0.25)
        return Completion("Paris", 1, 1, 250)

    slow = runner(story.ledger, Answering(answer), lambda name: hands.move(60))
    run = slow.run(QUESTION, Chat(), process_new_events(story.ledger))
    assert run.ended is not None
    assert (run.ended.adapter, run.ended.duration_ms) == ("lora-v1", 250)
    story.ledger.close()


LOADING = """
import sys
from grokputer.adapters.serving.remote import RemoteModel
model = RemoteModel(sys.argv[1], "tiny")
before = set(sys.modules)
model.complete([{"role": "user", "content": "Where?"}])
print(*sorted(name for name in set(sys.modules) - before if name.partition(".")[0] in ("openai", "httpx", "pydantic")))
"""


def test_the_client_of_an_endpoint_is_loaded_before_the_first_request() -> None:
    with ChatServer("Paris") as server:
        words = [sys.executable, "-c", LOADING, server.url]
        loaded = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


def test_a_stuck_run_of_an_endpoint_asks_once_a_step_unless_more_was_set(ledger: Ledger) -> None:
    change(ledger, "model.backend", "openai")
    task = Task("miniwob", "click-button")
    for retakes, asked in ((None, 4), (8, 4 + 3 * 8), (2, 4 + 3 * 2)):
        if retakes is not None:
            change(ledger, "run.max_resamples", retakes)
        change(ledger, "run.max_steps", 4)
        model = Answering(lambda: Completion("CLICK", 1, 1, 1))
        run = runner(ledger, model).run(task, Stuck(), process_new_events(ledger))
        assert model.asked == asked
        assert run.started is not None
        assert run.started.policy["run.max_resamples"] == (retakes or 0)


def test_a_model_on_this_machine_draws_again_as_ever() -> None:
    assert Policy().get("run.max_resamples", "action") == 8
    assert (
        Policy({"model.backend": "openai", "recovery.run.max_resamples": 3}).get("run.max_resamples", "recovery") == 3
    )
    assert Policy({"model.backend": "openai", "recovery.run.max_resamples": 3}).get("run.max_resamples", "action") == 0


# --- adapters behind an endpoint -------------------------------------------------------------------------------------


@pytest.fixture
def trained_here(tmp_path: Path) -> Path:
    """A log whose live adapter was trained on the embedded base."""
    story = Story(tmp_path / "events.db")
    story.promote()
    story.ledger.close()
    return story.path


def test_an_adapter_of_another_base_is_refused_where_the_endpoint_does_not_serve_it(trained_here: Path) -> None:
    with ChatServer("Paris", serves=["tiny"]) as server:
        endpoint(trained_here, server.url)
        result = call("run", "Where is Paris?", db=trained_here)
        assert result.exit_code == 1
        assert "lora-v1 was trained on embedded" in result.stderr
        assert f"{server.url} does not serve it" in result.stderr
        assert server.asked == []
        assert document("runs", "--limit", 1, db=trained_here)[0]["reason"] == "error"
        assert call("run", "Where is Paris?", "--adapter", "base", db=trained_here).exit_code == 0


def test_an_adapter_that_the_endpoint_lists_is_asked_there(trained_here: Path) -> None:
    with ChatServer("Paris", serves=["tiny", "lora-v1"]) as server:
        endpoint(trained_here, server.url)
        run = document("run", "Where is Paris?", db=trained_here)
        assert (run["adapter"], server.models) == ("lora-v1", ["lora-v1"])


def test_with_an_endpoint_an_adapter_waits_for_its_proof_and_work_goes_on(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.run()
    story.train(story.ask())
    story.set("model.backend", "openai")
    story.set("model.endpoint", "http://127.0.0.1:9/v1")
    left, said = begin(story.ledger), list[str]()
    work(story.ledger, once=True, reporter=Reporter(say=said.append))
    waiting = [line for line in said if "lora-v1" in line]
    assert len(waiting) == 1
    assert waiting[0].startswith("action waits for a local model: lora-v1 cannot be proven on an endpoint")
    assert worker_task(process_new_events(story.ledger)) == ""
    assert process_new_events(story.ledger).registry.adapters["lora-v1"].status == "registered"
    assert story.ledger.get(TaskRun, left.id).ended is not None
    story.ledger.close()


# --- what the environment's variables hand over ----------------------------------------------------------------------


@pytest.mark.parametrize("key", ["sk-\u00e9", "sk 1", "sk\x1b[2J"])
def test_a_key_that_cannot_be_sent_is_refused_before_a_run_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", key)
    with pytest.raises(ModelError, match="the environment variable OPENAI_API_KEY is not an API key") as refused:
        RemoteModel("http://127.0.0.1:9/v1", "tiny")
    assert key not in str(refused.value)


def test_a_key_with_a_line_end_is_sent_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-1\n")
    with ChatServer("Paris") as server:
        model = RemoteModel(server.url, "tiny")
        model.complete([{"role": "user", "content": "Where?"}])
        model.close()
        assert server.keys == ["Bearer sk-1"]


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://a b/v1", "http://x:port/v1"])
def test_a_base_url_that_no_library_can_read_is_one_line(url: str) -> None:
    with pytest.raises(ModelError) as refused:
        RemoteModel(url, "tiny", retries=0).complete([{"role": "user", "content": "Where?"}])
    assert "\n" not in str(refused.value)


def test_a_question_that_is_not_unicode_is_refused_in_one_line() -> None:
    with ChatServer("Paris") as server, pytest.raises(ModelError, match="not Unicode"):
        RemoteModel(server.url, "tiny", retries=0).complete([{"role": "user", "content": "half \ud83d"}])
